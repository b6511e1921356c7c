"""`generate`, `status` and `recover`: making a run, saying what it holds, and saving it from a damaged disk."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from agentinstruct.cli import flags
from agentinstruct.cli.exits import FAILED_ITEMS, INTERRUPTED
from agentinstruct.cli.reporting import events_on_stdout, tracer_to_collector
from agentinstruct.view.words import printable_line

if TYPE_CHECKING:
    from rich.console import Console

    from agentinstruct.readers import Skipped
    from agentinstruct.run.engine import Run
    from agentinstruct.run.options import RunOptions
    from agentinstruct.run.summary import Summary
    from agentinstruct.view.events import Events


def generate(
    seeds: flags.Seeds,
    flow: flags.Flows,
    out: Annotated[Path, typer.Option("--out", "-o", help="The run's directory; the same one resumes the run.")],
    teacher: flags.Teacher = "offline",
    base_url: flags.BaseUrl = None,
    role: flags.Roles = None,
    temperature: flags.Temperature = None,
    top_p: flags.TopP = None,
    max_tokens: flags.MaxTokens = 4096,
    timeout: flags.Timeout = 300.0,
    concurrency: flags.Concurrency = 64,
    rpm: flags.Rpm = None,
    tpm: flags.Tpm = None,
    budget: flags.Budget = None,
    budget_tokens: flags.BudgetTokens = None,
    max_error_rate: flags.MaxErrorRate = 0.5,
    prices: flags.Prices = None,
    batch: flags.Batch = None,
    batch_size: flags.BatchSize = 10_000,
    poll: flags.Poll = 30.0,
    limit: flags.Limit = None,
    target: flags.Target = None,
    seed: flags.RunSeed = 0,
    seed_tokens: flags.SeedTokens = 1000,
    license: flags.License = None,
    kind: flags.Kind = None,
    text_column: flags.TextColumn = None,
    answer_column: flags.AnswerColumn = None,
    split: flags.Split = "train",
    config: flags.Config = None,
    as_json: flags.AsJson = False,
    otel: flags.Otel = False,
    job: Annotated[
        Path | None,
        typer.Option(help="A TOML file with any of these options.", is_eager=True, callback=flags.read_job),
    ] = None,
) -> None:
    """Turn seeds into a dataset of verified pairs, or resume doing so.

    --json prints one event a line; see `agentinstruct.view.events`.
    """
    from agentinstruct.batch.options import BatchOptions
    from agentinstruct.run.options import RunOptions
    from agentinstruct.teacher.options import TeacherOptions
    from agentinstruct.teacher.spec import Sampling

    with events_on_stdout(as_json) as events, tracer_to_collector(otel) as tracer:
        reading = flags.read_options(
            license=license,
            seed_tokens=seed_tokens,
            kind=kind,
            text_column=text_column,
            answer_column=answer_column,
            split=split,
            config=config,
        )
        asked = TeacherOptions(
            teacher=teacher,
            roles=flags.read_roles(role or []),
            base_url=base_url,
            sampling=Sampling(temperature=temperature, top_p=top_p, max_tokens=max_tokens, timeout=timeout),
            concurrency=concurrency,
            requests_per_minute=rpm,
            tokens_per_minute=tpm,
            budget=budget,
            budget_tokens=budget_tokens,
            prices=prices,
            max_error_rate=max_error_rate,
        )
        options = RunOptions(
            seeds=seeds,
            flows=tuple(flow),
            out=out,
            teacher=asked,
            reading=reading,
            run_seed=seed,
            limit=limit,
            target=target,
            batch=BatchOptions(via=cast(Any, batch), size=batch_size, poll=poll) if batch else None,
            tracer=tracer,
        )
        gc.freeze()  # what is imported stays to the end: no collection, nor the one at the exit, need look at it
        summary = asyncio.run(_generate(options, events))
        _tell(summary, events)
    if summary.failed:
        raise typer.Exit(FAILED_ITEMS)


async def _generate(options: RunOptions, events: Events) -> Summary:
    """Run with progress on the terminal, and with Ctrl-C as a request to stop."""
    from rich.console import Console

    from agentinstruct import api
    from agentinstruct.teacher.gguf import warning_about
    from agentinstruct.view.progress import shown

    console = Console(stderr=True)
    runs: list[Run] = []
    with ExitStack() as handlers:

        def watch(run: Run) -> None:
            handlers.enter_context(_stopping(run, console))  # before the first question
            runs.append(run)
            for warning in sorted(set(filter(None, map(warning_about, run.stack.identities().values())))):
                _say(console, warning)
            events.started(run, options)

        def on_skip(skipped: Skipped) -> None:
            _say(console, f"skipped {skipped}")
            events.skipped(skipped)

        task = asyncio.create_task(
            api.run(options, watch=watch, on_skip=on_skip, on_item=events.item, on_stop=events.stopping)
        )
        await asyncio.wait([task], timeout=0.05)  # the run starts, or fails to, before it is shown
        if not runs:
            return await task
        async with shown(runs[0], console, events):
            summary = await task
    _tell_unused(runs[0], console)
    events.unused(runs[0])
    return summary


def _say(console: Console, words: str) -> None:
    console.print(printable_line(words), markup=False, highlight=False, soft_wrap=True)


def _tell_unused(run: Run, console: Console) -> None:
    for kind, number in sorted(run.progress.unused_count.items()):
        named = run.progress.unused[kind]
        where = ", ".join([*named, "…"] if number > len(named) else named)
        told = f"not used: {number} seed{'s' * (number > 1)} of kind {kind}, which no chosen flow takes ({where})"
        _say(console, told)
    if skipped := run.progress.skipped:
        console.print(f"skipped: {skipped} source{'s' * (skipped > 1)}, each named above", markup=False)


@contextmanager
def _stopping(run: Run, console: Console) -> Iterator[None]:
    """The first Ctrl-C (or SIGTERM) lets calls in flight end; the second leaves at once. Both can be resumed.

    The handlers are the process's and not the loop's, so that the second is heard while the dataset is written.
    """
    loop = asyncio.get_running_loop()
    asked = False

    def let_finish() -> None:
        run.stop()
        told = "calls in flight are let finish; once more leaves at once"
        console.print(f"stopping: {'batches that are out go on at the provider' if run.waves else told}")

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            if os.isatty(2):
                os.write(2, b"\x1b[?25h")  # the cursor, which the live display hides
            os._exit(INTERRUPTED)
        asked = True
        loop.call_soon_threadsafe(let_finish)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell(summary: Summary, events: Events) -> None:
    from rich.console import Console

    from agentinstruct.view import summary as view

    if events.out:
        events.tell("summary", **view.as_json(summary))
    else:
        console = Console()
        view.show(summary, console)
        _say(console, f"dataset: {summary.directory / 'pairs'}")
    if summary.stopped:
        raise summary.stopped
    if summary.failed:
        print(
            f"{summary.failed} items failed: `agentinstruct status {printable_line(summary.directory)}` says why; "
            "the same command tries them again",
            file=sys.stderr,
        )


def status(run: flags.Directory, as_json: flags.AsJson = False, prices: flags.Prices = None) -> None:
    """Say what a run holds: items, pairs, rejections by reason, calls, tokens, cost."""
    from rich.console import Console

    from agentinstruct import api
    from agentinstruct.view import summary as view

    summary = api.status(run, prices=prices)
    failed = api.failures(run)
    if as_json:
        told = [{"flow": flow, "seed": seed, "error": error} for flow, seed, error in failed]
        print(json.dumps({**view.as_json(summary), "failures": told}))
        return
    console = Console()
    view.show(summary, console, reasons=1000)
    for flow, seed, error in failed:
        last = error.strip().splitlines()[-1] if error.strip() else "unknown"
        _say(console, f"failed: {flow} on {seed}: {last}")


def record(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="The directories of runs.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The recording, .jsonl or .jsonl.gz; answers are added.")],
    carry: Annotated[
        bool, typer.Option("--carry", help="Let questions that wait have the answers of their earlier wordings.")
    ] = False,
    note: Annotated[str | None, typer.Option(help="Whose the answers are, and under which licence.")] = None,
    as_json: flags.AsJson = False,
) -> None:
    """Take the answers out of runs into a file, which `--teacher recorded:FILE` answers from: no key, no cost."""
    from agentinstruct import api

    done = api.record(runs, out, carry=carry, note=note)
    if as_json:
        print(json.dumps(asdict(done)))
        return
    carried = f", {done.carried} carried over from earlier wordings" if done.carried else ""
    print(f"{done.added} answers added{carried}; {printable_line(out)} holds {done.answers}")
    if done.blotted:
        print(f"{done.blotted} answers held what looks like a key: it is blotted out")
    if done.waiting:
        print(f"{done.waiting} questions of the runs still wait for an answer")


def recover(run: flags.Directory) -> None:
    """Save the answers that can still be read from a run's damaged journal."""
    from agentinstruct.journal import recovery

    saved, damaged = asyncio.run(recovery.recover(run))
    print(
        f"{saved} answers saved; the damaged journal is now {printable_line(damaged)}. "
        "The command that made the run makes the rest again, and asks only what is missing"
    )
