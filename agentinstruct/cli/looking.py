"""`preview`, `journal`, `estimate` and `export`: looking before a run is made, and taking its pairs elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from agentinstruct.cli import flags
from agentinstruct.errors import ConfigurationError
from agentinstruct.view.words import printable_json, printable_line


def preview(
    seeds: flags.Seeds,
    flow: flags.Flow,
    index: Annotated[int, typer.Option(min=0, help="Which seed, counting those the flow takes from 0.")] = 0,
    full: Annotated[bool, typer.Option("--full", help="Show texts whole.")] = False,
    teacher: flags.Teacher = None,
    base_url: flags.BaseUrl = None,
    seed: flags.RunSeed = 0,
    seed_tokens: flags.SeedTokens = 1000,
    kind: flags.Kind = None,
    text_column: flags.TextColumn = None,
    answer_column: flags.AnswerColumn = None,
    split: flags.Split = "train",
    config: flags.Config = None,
) -> None:
    """Draw one seed's tree: what each agent was asked and said. Writes nothing."""
    from rich.console import Console

    from agentinstruct import api
    from agentinstruct.teacher.options import TeacherOptions
    from agentinstruct.view import tree

    found = api.preview(
        seeds,
        flow,
        index=index,
        teacher=TeacherOptions(teacher=teacher, base_url=base_url),
        reading=flags.read_options(
            seed_tokens=seed_tokens,
            kind=kind,
            text_column=text_column,
            answer_column=answer_column,
            split=split,
            config=config,
        ),
        run_seed=seed,
    )
    console = Console()
    tree.show(found, console, length=None if full else 300)
    console.print(*found.notices, "nothing was written", markup=False, sep="\n")


def journal(
    run: flags.Directory,
    wanted: Annotated[
        str | None, typer.Argument(metavar="ID", help="A seed's id, or a pair's; without one the items are listed.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Show texts whole.")] = False,
) -> None:
    """Draw what was asked and said about a seed, or on the way to one pair; without an ID, list the run's items."""
    from rich.console import Console

    from agentinstruct import api
    from agentinstruct.view import tree

    if wanted is None:
        tree.list_items(api.items(run), Console())
        return
    for found in api.recorded(run, wanted):
        tree.show(found, Console(), length=None if full else 300)


def estimate(
    seeds: flags.Seeds,
    flow: flags.Flows,
    teacher: flags.Teacher = None,
    concurrency: flags.Concurrency = 64,
    rpm: flags.Rpm = None,
    tpm: flags.Tpm = None,
    prices: flags.Prices = None,
    limit: flags.Limit = None,
    seed: flags.RunSeed = 0,
    seed_tokens: flags.SeedTokens = 1000,
    kind: flags.Kind = None,
    text_column: flags.TextColumn = None,
    answer_column: flags.AnswerColumn = None,
    split: flags.Split = "train",
    config: flags.Config = None,
    as_json: flags.AsJson = False,
) -> None:
    """Say what a run would take, in calls, tokens, dollars and time, before the first call."""
    from agentinstruct import api
    from agentinstruct.teacher.options import TeacherOptions
    from agentinstruct.view import estimate as view

    found = api.estimate(
        seeds,
        flow,
        teacher=TeacherOptions(
            teacher=teacher,
            concurrency=concurrency,
            requests_per_minute=rpm,
            tokens_per_minute=tpm,
            prices=prices,
        ),
        reading=flags.read_options(
            seed_tokens=seed_tokens,
            kind=kind,
            text_column=text_column,
            answer_column=answer_column,
            split=split,
            config=config,
        ),
        limit=limit,
        run_seed=seed,
    )
    if as_json:
        print(json.dumps(view.as_json(found)))
    else:
        view.show(found)


def show(
    run: flags.Directory,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="KEY=VALUE: pairs of one type, transformation, goal, round, declined or flow."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many pairs, drawn at random.")] = 3,
    seed: Annotated[int, typer.Option("--seed", help="Decides the draw.")] = 0,
) -> None:
    """Print some of a run's pairs to read."""
    from agentinstruct.dataset import read_pairs
    from agentinstruct.view import pairs as view

    wanted = dict(_key_and_value(each) for each in only or [])
    rows = view.chosen(read_pairs(run), wanted, limit, seed)
    for row in rows:
        print("\n".join(view.lines(row)))
    if not rows:
        print(printable_line(f"no pair of {run} fits"))


def _key_and_value(given: str) -> tuple[str, str]:
    key, equals, value = given.partition("=")
    if not equals:
        raise ConfigurationError(f"--only takes KEY=VALUE, such as goal=harder, not {given!r}")
    return key, value


def export(
    run: flags.Directory,
    form: Annotated[
        str, typer.Option("--format", help="messages, prompt-completion, sharegpt, alpaca, preference or labelled.")
    ] = "messages",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="A .jsonl file; standard output if left out.")] = None,
) -> None:
    """Write a run's pairs as JSON lines in the form a trainer reads.

    `preference` sets verified replies beside failed ones to the same instruction; `labelled` lists both, each with its
    label.
    """
    from agentinstruct.dataset import export as exports

    if out is None:
        for line in exports.export_lines(run, form):
            print(printable_json(line))
        return
    what = "pairs" if form in exports.FORMATS else "rows"
    print(f"{exports.export(run, form, out)} {what} in {printable_line(out)}")
