"""The verbs of the CLI as Python functions: `generate`, `stream`, `preview`, `estimate`, `status`.

Inside they are asynchronous; `generate` and its like also work where an event loop already runs, as in a notebook.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from autogen_core.models import ChatCompletionClient

from agentinstruct.errors import ConfigurationError, SeedError
from agentinstruct.flow import find_flows
from agentinstruct.journal import read_journal
from agentinstruct.readers import ReadOptions
from agentinstruct.records import Pair, Seed
from agentinstruct.run import (
    Estimate,
    Run,
    RunOptions,
    Summary,
    TeacherStack,
    Tree,
    all_seeds,
    estimate_run,
    preview_item,
    recorded_trees,
    run,
    summarise,
)
from agentinstruct.run.record import Recorded
from agentinstruct.run.record import record as run_record
from agentinstruct.teacher import Prices, TeacherOptions

__all__ = [
    "complete",
    "estimate",
    "failures",
    "generate",
    "items",
    "preview",
    "record",
    "recorded",
    "run",
    "status",
    "stream",
]

Result = TypeVar("Result")
Sources = str | Path | Iterable[str | Path | Seed]
"""What to read (files, folders, globs, `hf:NAME`), or seeds themselves."""


def status(directory: str | Path, *, prices: Path | None = None) -> Summary:
    """Return what a run holds, also while it is running; raises `ConfigurationError` where there is no run."""
    with read_journal(Path(directory)) as journal:
        return summarise(Path(directory), journal, Prices.load(prices))


def failures(directory: str | Path) -> list[tuple[str, str, str]]:
    """Return (flow, seed id, error) of the items of a run that failed; the next `generate` tries them again."""
    with read_journal(Path(directory)) as journal:
        return list(journal.failures())


def generate(
    seeds: Sources,
    flows: Iterable[str | Path],
    out: str | Path,
    *,
    teacher: str | ChatCompletionClient | TeacherOptions | None = None,
    **options: Any,
) -> Summary:
    """Turn seeds into a dataset of pairs in `out`, or resume doing so.

    `options` are the other fields of `RunOptions`. Raises the error that stopped the run early, after publishing what
    was done; items that failed are counted in the summary instead.
    """
    wanted = RunOptions(seeds=_sequence(seeds), flows=tuple(flows), out=Path(out), teacher=_teacher(teacher), **options)
    summary = complete(run(wanted))
    if summary.stopped:
        raise summary.stopped
    return summary


async def stream(
    seeds: Sources,
    flows: Iterable[str | Path],
    out: str | Path,
    *,
    teacher: str | ChatCompletionClient | TeacherOptions | None = None,
    **options: Any,
) -> AsyncIterator[Pair]:
    """Yield pairs as their items are finished, in no particular order, while the run in `out` is made.

    Pairs of items that an earlier call finished are not yielded again, and duplicates across seeds are only taken out
    of the published dataset. Leaving the loop early stops the run; it can be resumed.
    """
    wanted = RunOptions(seeds=_sequence(seeds), flows=tuple(flows), out=Path(out), teacher=_teacher(teacher), **options)
    finished: asyncio.Queue[list[Pair] | None] = asyncio.Queue()
    runs: list[Run] = []
    task = asyncio.create_task(run(wanted, watch=runs.append, on_item=lambda end: finished.put_nowait(end.pairs)))
    task.add_done_callback(lambda _: finished.put_nowait(None))
    try:
        while (pairs := await finished.get()) is not None:
            for pair in pairs:
                yield pair
    finally:
        for each in runs:
            each.stop()
        await asyncio.wait([task])
    if stopped := task.result().stopped:
        raise stopped


def complete(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end, also where an event loop already runs, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(copy_context().run, asyncio.run, work).result()


def _sequence(seeds: Sources) -> Iterable[str | Path | Seed]:
    return [seeds] if isinstance(seeds, str | Path) else seeds


def _teacher(teacher: str | ChatCompletionClient | TeacherOptions | None) -> TeacherOptions:
    return teacher if isinstance(teacher, TeacherOptions) else TeacherOptions(teacher=teacher)


def preview(
    seeds: Sources,
    flow: str | Path,
    *,
    index: int = 0,
    teacher: str | ChatCompletionClient | TeacherOptions | None = None,
    reading: ReadOptions | None = None,
    run_seed: int = 0,
) -> Tree:
    """Run the seed at `index` (of those the flow takes) through one flow in memory, and return its tree."""
    (skill,) = find_flows([flow])

    async def work(seed: Seed) -> Tree:
        stack = TeacherStack(_teacher(teacher), spent={})
        try:
            return await preview_item(seed, skill, stack, run_seed=run_seed)
        finally:
            await stack.close()

    taken = (each for each in only_seeds(seeds, reading) if each.kind in skill.flow.kinds)
    seed = next(islice(taken, index, None), None)
    if seed is None:
        kinds = ", ".join(skill.flow.kinds)
        raise SeedError(f"there is no seed number {index} that {skill.name} takes; it takes kinds {kinds}")
    return complete(work(seed))


def recorded(directory: str | Path, wanted: str) -> list[Tree]:
    """Return what a run's journal holds of a seed (by its id), or of the way to one pair (by its id).

    Raises `ConfigurationError` where there is no run, or neither a seed nor a pair of that id in it.
    """
    with read_journal(Path(directory)) as journal:
        if trees := recorded_trees(journal, wanted):
            return trees
    raise ConfigurationError(
        f"{directory} has no seed and no pair {wanted!r}: `agentinstruct journal {directory}` lists its seeds, and a "
        "pair's id is the `id` of its row"
    )


def record(runs: str | Path | Iterable[str | Path], out: str | Path, **options: Any) -> Recorded:
    """Add the answers that runs hold to the recording `out`, which `recorded:OUT` as a teacher answers from.

    `options` are `carry` and `note`; see `agentinstruct.run.record.record`.
    """
    return run_record([runs] if isinstance(runs, str | Path) else list(runs), out, **options)


def items(directory: str | Path) -> Iterator[tuple[str, str, str, str, int, str]]:
    """Yield (state, flow, seed id, seed's source, number of pairs, error) of a run's items, in seed order."""
    with read_journal(Path(directory)) as journal:
        yield from journal.items()


def estimate(
    seeds: Sources,
    flows: Iterable[str | Path],
    *,
    teacher: str | TeacherOptions | None = None,
    reading: ReadOptions | None = None,
    limit: int | None = None,
    run_seed: int = 0,
) -> Estimate:
    """Say what a run would take, without a call to the teacher."""
    skills = find_flows(flows)
    taken = (each for each in only_seeds(seeds, reading) if any(each.kind in skill.flow.kinds for skill in skills))
    return complete(estimate_run(islice(taken, limit), skills, _teacher(teacher), run_seed=run_seed))


def only_seeds(seeds: Sources, reading: ReadOptions | None) -> Iterator[Seed]:
    """Yield the seeds of `seeds`, passing over what cannot be read."""
    return (each for each in all_seeds(_sequence(seeds), reading or ReadOptions()) if isinstance(each, Seed))
