"""An estimate for a terminal, and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from agentinstruct.run import SECONDS_PER_CALL, Estimate
from agentinstruct.view.words import printable_line


def as_json(estimate: Estimate) -> dict[str, Any]:
    """Return the estimate in plain JSON values."""
    return {**asdict(estimate), "calls": estimate.calls}


def show(estimate: Estimate) -> None:
    """Print the estimate and what it rests on."""
    console = Console()
    table = Table("flow", "items", "calls", "tokens in", "tokens out", box=None)
    for flow in estimate.flows:
        numbers = (flow.items, flow.calls, flow.prompt_tokens, flow.completion_tokens)
        table.add_row(escape(printable_line(flow.flow)), *(f"{number:,}" for number in numbers))
    console.print(table)
    cost = "unknown: no price for this model" if estimate.dollars is None else f"${estimate.dollars:,.2f}"
    console.print(f"cost {cost}; time about {_duration(estimate.seconds)}")
    if recorded := [flow.flow for flow in estimate.flows if flow.recorded]:
        console.print(
            f"{', '.join(recorded)}: measured on recorded replies of a strong model to the sample seeds; longer "
            "seeds take more tokens.",
            style="dim",
        )
    if others := [flow.flow for flow in estimate.flows if not flow.recorded]:
        console.print(
            f"{escape(printable_line(', '.join(others)))}: tried with the offline teacher, whose placeholders take a "
            "flow's checks less far than a model's replies: expect more.",
            style="dim",
        )
    console.print(
        f"Tokens are four characters each; a hosted call is taken to last {SECONDS_PER_CALL:g} s.", style="dim"
    )


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
