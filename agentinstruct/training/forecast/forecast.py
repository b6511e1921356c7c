"""What a training phase would take, before its first step: steps, tokens, memory of a device, and hours.

Pure arithmetic over a shape, settings and the volume of the data; knows no torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from agentinstruct.errors import ConfigurationError
from agentinstruct.training.data import Volume
from agentinstruct.training.forecast.memory import Memory, memory
from agentinstruct.training.settings import PreferenceSettings, Settings, SftSettings
from agentinstruct.training.shapes import Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where training runs, and how fast a device is: tokens a second, or the peak in TFLOP/s and the share reached.

    Recomputed layers count as work done, so `share` is of what the device does and not only of what a step needs.
    """

    devices: int = 1
    tokens_per_second: float | None = None
    tflops: float | None = None
    share: float = 0.4

    def __post_init__(self) -> None:
        if self.devices < 1:
            raise ConfigurationError(f"{self.devices} devices train nothing: give 1 or more")
        if self.tokens_per_second is not None and self.tflops is not None:
            raise ConfigurationError("the speed of a device was given twice: give tokens a second, or TFLOP/s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a phase would take. `memory` is None where the student's shape is not known, `hours` without a speed."""

    volume: Volume
    devices: int
    sequences_per_step: int
    tokens_per_step: int
    steps_per_epoch: int
    steps: int
    memory: Memory | None
    flops: float | None
    hours: float | None
    warnings: tuple[str, ...]


def forecast(shape: Shape | None, settings: Settings, volume: Volume, machine: Machine) -> Forecast:
    """Return what training `settings` on `volume` takes; the longest batch is taken to be full of its longest row."""
    per_epoch = steps_per_epoch(volume.sequences, settings, machine.devices)
    steps = settings.max_steps or math.ceil(settings.epochs * per_epoch)
    epochs = steps / per_epoch if per_epoch else 0.0
    flops = None if shape is None else epochs * flops_per_epoch(shape, settings, volume)
    packing = isinstance(settings, SftSettings) and settings.packing
    length = settings.max_length if packing else min(volume.longest, settings.max_length)
    return Forecast(
        volume=volume,
        devices=machine.devices,
        sequences_per_step=settings.batch * settings.accumulation * machine.devices,
        tokens_per_step=round(volume.tokens / per_epoch) if per_epoch else 0,
        steps_per_epoch=per_epoch,
        steps=steps,
        memory=None if shape is None else memory(shape, settings, length=length),
        flops=flops,
        hours=_hours(epochs * volume.processed, flops, machine),
        warnings=tuple(_warnings(settings, volume, steps)),
    )


def steps_per_epoch(sequences: int, settings: Settings, devices: int) -> int:
    """Return the steps of one epoch, as transformers' `Trainer` counts them: an incomplete last one counts."""
    batches = math.ceil(sequences / (settings.batch * devices))
    return math.ceil(batches / settings.accumulation)


def flops_per_epoch(shape: Shape, settings: Settings, volume: Volume) -> float:
    """Return the operations of one epoch, recomputation included.

    A multiplication and an addition for each weight and token, once forward and twice backward, is the usual 6·N;
    attention adds 2·(width of the queries)·length² a block forward, as only earlier tokens are looked at.
    """
    forward = 2 * shape.matrix_weights * volume.processed
    forward += 2 * shape.num_hidden_layers * shape.queries * volume.squares
    return forward * _passes(settings)


def _passes(settings: Settings) -> float:
    """Return what a step costs in forward passes. An adapter's base needs no gradients of its weights; preferences
    need the reference, and KTO two more to estimate how far the student has moved.
    """
    passes = 2.0 if settings.adapter else 3.0
    passes += settings.gradient_checkpointing
    if isinstance(settings, PreferenceSettings):
        passes += 3 if settings.method == "kto" else 1
    return passes


def _hours(tokens: float, flops: float | None, machine: Machine) -> float | None:
    if machine.tokens_per_second is not None:
        return tokens / (machine.tokens_per_second * machine.devices) / 3600
    if machine.tflops is not None and flops is not None:
        return flops / (machine.tflops * 1e12 * machine.share * machine.devices) / 3600
    return None


def _warnings(settings: Settings, volume: Volume, steps: int) -> list[str]:
    """Return what would make these settings teach little or nothing with this data."""
    said = []
    rising = settings.warmup if settings.warmup >= 1 else settings.warmup * steps
    if steps and rising >= steps:
        said.append(
            f"the learning rate would rise over all {steps:,} steps (warmup {settings.warmup:g}): it never reaches "
            f"{settings.learning_rate:g}; give a share such as --set warmup=0.03, or smaller steps"
        )
    if volume.longest > settings.max_length:
        said.append(
            f"the longest sequence has {volume.longest:,} tokens and max_length is {settings.max_length:,}: longer "
            "ones are refused"
        )
    if settings.precision == "bfloat16-weights" and settings.learning_rate < 5e-6 and settings.adapter is None:
        said.append(
            f"at a learning rate of {settings.learning_rate:g} most updates of bfloat16 weights round to nothing: "
            "use --set precision=bfloat16"
        )
    if isinstance(settings, PreferenceSettings) and settings.method == "kto" and settings.batch < 2:
        said.append("KTO compares replies within a batch and needs --set batch=2 or more")
    return said
