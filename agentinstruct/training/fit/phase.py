"""Drives a trl trainer through one phase: begins or goes on, saves the student, marks the end. Knows no method."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from agentinstruct.errors import ConfigurationError, MissingExtra
from agentinstruct.training.extras import need
from agentinstruct.training.fit.folder import (
    Fit,
    Told,
    begin,
    finish,
    finished,
    forget,
    held,
    last_checkpoint,
    put_in_place,
)
from agentinstruct.training.fit.log import callbacks, read_log
from agentinstruct.training.fit.models import merge_adapter
from agentinstruct.training.fit.trl_arguments import has_gpu
from agentinstruct.training.settings import Settings


def is_main() -> bool:
    """Whether this is the process that prints and writes, of those `accelerate launch` started."""
    return os.environ.get("RANK", "0") == "0"


def main_process_first() -> AbstractContextManager[None]:
    """Let the other processes wait until the main one is done with what stands under this."""
    state: AbstractContextManager[None] = need("accelerate").PartialState(cpu=not has_gpu()).main_process_first()
    return state


def silent(_: str) -> None:
    """Say nothing: the main process speaks."""


def fit_phase(
    out: Path,
    told: Told,
    settings: Settings,
    build: Callable[[list[Any]], Any],
    *,
    model: str | Path,
    tokenizer: Any,
    resume: bool = True,
    say: Callable[[str], None] = print,
) -> Fit:
    """Train with what `build` returns for the callbacks it is given: a trl trainer whose output is `out/checkpoints`.

    A phase that was finished with the same words returns at once, without building anything. A killed one goes on
    from its last whole checkpoint, to the very weights it would have had. `resume=False` starts afresh. Raises
    `ConfigurationError` where `out` holds a phase told otherwise, `RunLocked` where another process trains in it.
    """
    with held(out) if is_main() else nullcontext():
        if not resume and is_main():
            forget(out)
        if resume and (earlier := finished(out, told)) is not None:
            return earlier
        trainer = build(callbacks(out, say if is_main() else silent))
        trainer.remove_callback(_printer())
        trainer.accelerator.wait_for_everyone()
        if is_main():
            begin(out, told)
        trainer.accelerator.wait_for_everyone()
        checkpoint = last_checkpoint(out)
        try:
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        except MissingExtra:
            raise
        except ImportError as error:  # an optimizer's own package
            raise MissingExtra(str(error)) from error
        _save(trainer, out, settings, model, tokenizer)
        fit = _figures(trainer, out)
        if is_main():
            finish(out, told, fit)
        trainer.accelerator.wait_for_everyone()
        return fit


def _save(trainer: Any, out: Path, settings: Settings, model: str | Path, tokenizer: Any) -> None:
    """Leave the student in `out/student`, whole or not at all, and the adapter in `out/adapter` if there is one."""
    fresh = out / "student.new"
    if is_main():
        shutil.rmtree(fresh, ignore_errors=True)
    trainer.accelerator.wait_for_everyone()
    plugin = getattr(trainer.accelerator.state, "fsdp_plugin", None)
    if plugin is not None:  # checkpoints may be in shards; a student is one whole
        plugin.set_state_dict_type("FULL_STATE_DICT")
    trainer.model.config.use_cache = True  # training turns it off, and a student that keeps it so writes slowly
    adapter = out / "adapter"
    target = fresh if settings.adapter is None else adapter
    trainer.save_model(str(target))
    if is_main():
        for name in ("training_args.bin", "README.md"):  # a pickle, and peft's card with nothing in it
            (target / name).unlink(missing_ok=True)
        if settings.adapter is not None:
            merge_adapter(model, adapter, settings, fresh, tokenizer=tokenizer)
        put_in_place(fresh, out / "student")
    trainer.accelerator.wait_for_everyone()


def _figures(trainer: Any, out: Path) -> Fit:
    state = trainer.state
    losses = [each["loss"] for each in state.log_history if "loss" in each]
    noted = read_log(out)
    return Fit(
        steps=state.global_step,
        tokens=state.num_input_tokens_seen,
        loss=sum(losses) / max(len(losses), 1),
        seconds=noted[-1]["seconds"] if noted else 0.0,
        folder=out / "student",
    )


def one_gpu_a_process() -> None:
    """Raise `ConfigurationError` where one process sees several GPUs: trl trains on one, or on one a process."""
    import torch

    if "RANK" not in os.environ and torch.cuda.device_count() > 1:
        raise ConfigurationError(
            f"this process sees {torch.cuda.device_count()} GPUs: start it with `accelerate launch --config_file "
            "trainers/accelerate/fsdp2.yaml trainers/sft.py …`, or set CUDA_VISIBLE_DEVICES=0 to train on one"
        )


def _printer() -> Any:
    from transformers import PrinterCallback

    return PrinterCallback
