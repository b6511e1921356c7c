"""Recipes and rehearsed phases for a terminal, and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from agentinstruct.training.forecast import GIB, Forecast, Rehearsal
from agentinstruct.training.recipes import Hardware, Phase, Recipe, Value
from agentinstruct.view.words import printable, printable_line


def recipe_as_json(recipe: Recipe) -> dict[str, Any]:
    """Return the recipe in plain JSON values."""
    return recipe.model_dump(mode="json")


def show_recipe(recipe: Recipe, console: Console) -> None:
    """Print a recipe: every value with how it is known and its source."""
    _say(console, f"{recipe.name}{f', variant {recipe.variant}' if recipe.variant else ''}: {recipe.makes}")
    if recipe.paper:
        _say(console, f"from {recipe.paper.title} (arXiv {recipe.paper.arxiv})")
    _say(console, f"base: {recipe.model.base.value}, as {recipe.model.name.value}")
    _say(console, f"file: {recipe.file}")
    for phase in recipe.phases:
        _say(console, f"\nphase {phase.name} ({phase.method}; train {_verb(phase)} --phase {phase.name})")
        _say(console, f"  {phase.about}")
        for slot in phase.data:
            amount = f"{slot.examples.value:,} " if slot.examples else ""
            _say(console, f"  data {slot.name}: {amount}{slot.what}")
        console.print(_table({**phase.values, **_hardware(phase.hardware)}))
        for each in phase.differs:
            _say(console, f"  differs: {each}")
    for name, variant in recipe.variants.items():
        _say(console, f"\nvariant {name}: {variant.about}")


def rehearsal_as_json(recipe: Recipe, phase: Phase, rehearsal: Rehearsal) -> dict[str, Any]:
    """Return a rehearsal in plain JSON values; memory is in bytes."""
    foretold = rehearsal.forecast
    volume = foretold.volume
    held = foretold.memory
    return {
        "recipe": recipe.name,
        "variant": recipe.variant,
        "phase": phase.name,
        "method": phase.method,
        "model": rehearsal.model,
        "settings": rehearsal.settings.model_dump(mode="json"),
        "data": list(rehearsal.data),
        "rows": volume.rows,
        "tokens": volume.tokens,
        "tokens_exact": volume.exact,
        "padding": round(volume.padding, 4),
        "sequences": volume.sequences,
        "devices": foretold.devices,
        "sequences_per_step": foretold.sequences_per_step,
        "tokens_per_step": foretold.tokens_per_step,
        "steps_per_epoch": foretold.steps_per_epoch,
        "steps": foretold.steps,
        "memory": None if held is None else {**held.state, **held.work},
        "memory_of_a_device": None if held is None else held.total(),
        "memory_of_a_device_sharing": None if held is None else held.total(foretold.devices),
        "flops": foretold.flops,
        "hours": foretold.hours,
        "notes": list(rehearsal.notes),
        "warnings": list(foretold.warnings),
    }


def show_rehearsal(recipe: Recipe, phase: Phase, rehearsal: Rehearsal, console: Console) -> None:
    """Print what a phase would do and take, and that nothing was written."""
    variant = f", variant {recipe.variant}" if recipe.variant else ""
    _say(console, f"{rehearsal.model} by recipe {recipe.name}{variant}, phase {phase.name} ({phase.method})")
    console.print(_table(phase.values))
    for each in rehearsal.data:
        _say(console, each)
    _show_forecast(rehearsal.forecast, console)
    for each in rehearsal.notes:
        _say(console, f"note: {each}")
    for each in rehearsal.forecast.warnings:
        _say(console, f"warning: {each}")
    _say(console, "nothing was written")


def _show_forecast(foretold: Forecast, console: Console) -> None:
    volume, about = foretold.volume, "" if foretold.volume.exact else "about "
    packed = f", {volume.padding:.0%} of what is processed is padding" if volume.sequences == volume.rows else ""
    _say(
        console,
        f"an epoch: {volume.sequences:,} sequences of {volume.rows:,} rows, {about}{volume.tokens:,} tokens{packed}",
    )
    step = f"{foretold.sequences_per_step:,} sequences, {about}{foretold.tokens_per_step:,} tokens"
    _say(console, f"steps: {foretold.steps:,} ({foretold.steps_per_epoch:,} an epoch) of {step}")
    if foretold.memory is not None:
        held = foretold.memory
        parts = ", ".join(f"{name} {size / GIB:,.1f}" for name, size in {**held.state, **held.work}.items())
        _say(console, f"memory of a device: {held.total() / GIB:,.1f} GiB ({parts})")
    if foretold.memory is not None and foretold.devices > 1:
        shared = foretold.memory.total(foretold.devices) / GIB
        _say(console, f"  {shared:,.1f} GiB where {foretold.devices} devices share weights, gradients and optimiser")
    if foretold.hours is None:
        _say(console, "time: give the speed of a device, by --tokens-per-second or --tflops")
    else:
        _say(console, f"time: {foretold.hours:,.2f} h on {foretold.devices} device{'s' * (foretold.devices > 1)}")


def _table(values: Mapping[str, Value]) -> Table:
    table = Table("setting", "value", "known", "source", box=None, padding=(0, 2))
    for key, each in values.items():
        told = (key, _plain(each.value), each.known, each.source)
        table.add_row(*(Text(printable_line(word)) for word in told))
    return table


def _plain(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _hardware(hardware: Hardware) -> dict[str, Value]:
    return {f"hardware: {name}": each for name, each in hardware if each is not None}


def _verb(phase: Phase) -> str:
    return phase.method if phase.method in ("sft", "practice") else "preference"


def _say(console: Console, words: str) -> None:
    console.print(printable(words), markup=False, highlight=False, soft_wrap=True)
