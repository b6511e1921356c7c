"""A run's progress: one live block on a terminal, plain lines elsewhere, events for machines."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from agentinstruct.batch import BatchJob, Waves
from agentinstruct.run import Progress, Run
from agentinstruct.view.events import Events
from agentinstruct.view.words import printable_line

_LIVE_EVERY = 0.25
_LINE_EVERY = 10.0


def _figures(run: Run) -> dict[str, object]:
    progress = run.progress
    seconds = max(time.monotonic() - progress.started, 1e-3)
    return {
        "seeds": progress.seeds,
        "items": progress.items,
        "done": progress.done,
        "failed": progress.failed,
        "running": progress.running,
        "pairs": progress.pairs,
        "rejections": progress.rejections.total(),
        "calls": progress.calls,
        "calls_a_second": round(progress.calls / seconds, 1),
        "prompt_tokens": progress.prompt_tokens,
        "completion_tokens": progress.completion_tokens,
        "dollars": run.stack.prices.total(progress.usage),
        "seconds": round(seconds, 1),
        "seconds_left": _seconds_left(progress, seconds),
        **(_waves(run.waves) if run.waves else {}),
    }


def _waves(waves: Waves) -> dict[str, object]:
    """Return what a run asked by batch waits for."""
    return {
        "questions_waiting": waves.waiting,
        "batches": [
            {"batch": job.wave.batch, "state": job.status.state, "done": job.status.done, "of": job.questions}
            for job in waves.out.values()
        ],
        "trouble": waves.trouble,
    }


def _waves_row(waves: Waves) -> str:
    out = [f"{job.wave.batch or 'a batch'} {job.status.state}" for job in waves.out.values()]
    done = sum(job.status.done for job in waves.out.values())
    of = sum(job.questions for job in waves.out.values())
    words = f"{waves.waiting} questions wait; {', '.join(out[:3]) or 'none is out'}{', …' if len(out) > 3 else ''}"
    words += f": {done} of {of} done" if out else ""
    return printable_line(f"{words} ({waves.trouble})" if waves.trouble else words)


def _seconds_left(progress: Progress, seconds: float) -> float | None:
    """Extrapolate from the items of this call; None before the first, or while seeds are still being read."""
    worked = progress.done + progress.failed - progress.reused
    if not worked or not progress.all_read:
        return None
    return round((progress.items - progress.done - progress.failed) * seconds / worked, 1)


def _unusual(run: Run) -> list[tuple[str, str]]:
    """Say what the run waits for, where it does not go at full speed: who, and what for."""
    states = run.stack.states()
    told = [
        (f"teacher of {role}" if role else "teacher", "; ".join(unusual))
        for role, state in states.items()
        if (unusual := state.unusual())
    ]
    if run.stopped:
        told.append(("stopping", f"{sum(state.in_flight for state in states.values())} calls in flight are waited for"))
    elif not run.progress.running and not run.progress.all_read:
        told.append(("seeds", "being read"))
    return [(who, printable_line(what)) for who, what in told]


def _block(run: Run) -> Table:
    figures = _figures(run)
    dollars, left = figures["dollars"], figures["seconds_left"]
    table = Table.grid(padding=(0, 2))
    items = f"{figures['done']} done, {figures['failed']} failed, {figures['running']} running of {figures['items']}"
    table.add_row("items", items if run.progress.all_read else f"{items} so far")
    table.add_row("pairs", f"{figures['pairs']}, {figures['rejections']} rejections")
    table.add_row("calls", f"{figures['calls']} ({figures['calls_a_second']} a second)")
    tokens = f"{figures['prompt_tokens']} in, {figures['completion_tokens']} out"
    table.add_row("tokens", tokens if dollars is None else f"{tokens}, ${dollars:.4f}")
    if run.waves is not None:
        table.add_row("batches", escape(_waves_row(run.waves)))
    table.add_row("time", f"{figures['seconds']} s" + (f", about {left} s left" if left is not None else ""))
    for who, what in _unusual(run):
        table.add_row(escape(who), escape(what))
    return table


@asynccontextmanager
async def shown(run: Run, console: Console, events: Events) -> AsyncIterator[None]:
    """Show `run` while the block runs, in the way that suits where the output goes."""
    if console.is_terminal and events.out is None:
        with Live(_block(run), console=console, refresh_per_second=4, transient=True) as live:
            async with _every(_LIVE_EVERY, lambda: live.update(_block(run))):
                yield
        return
    lines = _Events(run, events) if events.out else _Lines(run, console)
    if run.waves is not None:
        run.waves.watch = lines.wave
    async with _every(_LINE_EVERY, lines.progress):
        yield


class _Lines:
    """Tells how a run goes in plain lines; says nothing where nothing is new, since a batch may take a day."""

    def __init__(self, run: Run, console: Console) -> None:
        self._run = run
        self._console = console
        self._last = ""

    def progress(self) -> None:
        figures, waves = _figures(self._run), self._run.waves
        told = [f"{name} {figures[name]}" for name in ("items", "done", "failed", "pairs", "calls")]
        told += [f"{who}: {what}" for who, what in _unusual(self._run)]
        told += [f"batches: {_waves_row(waves)}"] if waves else []
        if (line := " · ".join(told)) != self._last:
            self._say(line)
        self._last = line

    def wave(self, event: str, job: BatchJob) -> None:
        ended = job.status.state if job.status.ended else None
        counted = f"{job.answered} of {job.questions} answered" if ended else f"{job.questions} questions"
        self._say(printable_line(f"batch {job.wave.batch} {ended or event}: {counted}"))

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class _Events:
    """Tells how a run goes as events."""

    def __init__(self, run: Run, events: Events) -> None:
        self._run = run
        self._events = events

    def progress(self) -> None:
        teachers = {role: asdict(state) for role, state in self._run.stack.states().items()}
        self._events.tell("progress", **_figures(self._run), teachers=teachers)

    def wave(self, event: str, job: BatchJob) -> None:
        ended = job.status.state if job.status.ended else None
        batch, place = job.wave.batch, job.wave.place
        counts = {"questions": job.questions, "answered": job.answered}
        self._events.tell("wave", state=event, batch=batch, ended=ended, place=place, **counts)


@asynccontextmanager
async def _every(seconds: float, show: Callable[[], None]) -> AsyncIterator[None]:
    async def tick() -> None:
        while True:
            await asyncio.sleep(seconds)
            show()

    task = asyncio.create_task(tick())
    try:
        yield
    finally:
        task.cancel()
