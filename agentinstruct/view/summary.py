"""A run's summary for a terminal, and as JSON."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from agentinstruct.run import Summary
from agentinstruct.view.words import printable_line


def as_json(summary: Summary) -> dict[str, Any]:
    """Return the summary in plain JSON values."""
    plain = {
        name: getattr(summary, name)
        for name in ("items", "done", "failed", "pending", "pairs", "rejections", "calls", "prompt_tokens")
    }
    return {
        "directory": str(summary.directory),
        **plain,
        "completion_tokens": summary.completion_tokens,
        "dollars": summary.dollars,
        "stopped": str(summary.stopped) if summary.stopped else None,
        **({"throttled": throttled} if any((throttled := _throttled(summary)).values()) else {}),
    }


def _throttled(summary: Summary) -> dict[str, float]:
    """Return what slowed this call's teachers down, all together."""
    states = summary.teachers.values()
    return {
        "reductions": sum(state.reductions for state in states),
        "retries": sum(state.retries for state in states),
        "seconds_held": round(sum(state.held for state in states), 1),
    }


def show(summary: Summary, console: Console, *, reasons: int = 12) -> None:
    """Print what the run holds; at most `reasons` kinds of rejection, the most frequent first."""
    rejected = sum(summary.rejections.values())
    table = Table.grid(padding=(0, 2))
    table.add_row(
        "items", f"{summary.items} = {summary.done} done + {summary.failed} failed + {summary.pending} pending"
    )
    share = (
        f" ({summary.pairs / (summary.pairs + rejected):.0%} of pairs and rejections)"
        if summary.pairs + rejected
        else ""
    )
    table.add_row("pairs", f"[bold]{summary.pairs}[/bold] accepted{share}")
    table.add_row("rejections", str(rejected))
    for reason, number in sorted(summary.rejections.items(), key=lambda each: -each[1])[:reasons]:
        table.add_row("", f"{number:>6}  {escape(printable_line(reason))}")
    cost = "price unknown" if summary.dollars is None else f"${summary.dollars:.4f}"
    tokens = f"{summary.prompt_tokens} tokens in, {summary.completion_tokens} out"
    table.add_row("calls", f"{summary.calls}, {tokens}, {cost}")
    if any((slowed := _throttled(summary)).values()):
        times = f"calls at once reduced: {slowed['reductions']}, calls tried again: {slowed['retries']}"
        table.add_row("throttled", f"{times}, seconds held back: {slowed['seconds_held']:g}")
    console.print(table)
