"""The command line. It only translates: every verb is a function of `agentinstruct.api`.

Nothing heavy is imported before a verb is known, so that `--help` answers at once.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from agentinstruct.api import Summary
    from agentinstruct.options import RunOptions, TeacherOptions
    from agentinstruct.readers import ReadOptions
    from agentinstruct.run import Run

DONE, FAILED_ITEMS, USAGE, OVER_BUDGET, INTERRUPTED = 0, 1, 2, 3, 130

app = typer.Typer(
    name="agentinstruct",
    help="Raw documents and source code in, verified instruction/response pairs out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
flows_app = typer.Typer(name="flows", help="List, show, start and export flows.", no_args_is_help=True)
app.add_typer(flows_app)
_debug = False


@app.callback()
def _globals(debug: Annotated[bool, typer.Option(help="Show tracebacks.")] = False) -> None:
    global _debug  # noqa: PLW0603  # one switch of one process, read where an error is shown
    _debug = debug
    os.environ.setdefault("AUTOGEN_DISABLE_RUNTIME_TRACING", "true")


def main() -> None:
    """Run the command line; every known error becomes one sentence and its exit code."""
    from agentinstruct.errors import AgentInstructError

    try:
        app()
    except AgentInstructError as error:
        if _debug:
            raise
        print(f"agentinstruct: {error}", file=sys.stderr)
        sys.exit(_code(error))
    except BrokenPipeError:  # the reader of our output left, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _code(error: Exception) -> int:
    from agentinstruct.errors import BudgetExceeded, ConfigurationError, RunStopped, TeacherRefused

    match error:
        case BudgetExceeded():
            return OVER_BUDGET
        case RunStopped():
            return INTERRUPTED
        case ConfigurationError() | TeacherRefused():
            return USAGE
        case _:
            return FAILED_ITEMS


def _read_job(context: typer.Context, path: Path | None) -> Path | None:
    """Take a job file's entries as defaults of the flags of the same name; flags given beside it count more."""
    if path is None:
        return None
    import tomllib

    from agentinstruct.errors import ConfigurationError

    try:
        job = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read the job file {path}: {error}") from error
    known = {parameter.name for parameter in context.command.params}
    defaults = {name.replace("-", "_"): value for name, value in job.items()}
    if unknown := sorted(set(defaults) - known):
        raise ConfigurationError(
            f"{path}: no option {unknown[0]!r}; there are {', '.join(sorted(known - {None, 'job'}))}"
        )
    context.default_map = {**(context.default_map or {}), **defaults}
    return path


Seeds = Annotated[
    list[str], typer.Argument(metavar="SEEDS...", help="Files, folders, globs, or hf:NAME for a datasets name.")
]
Flows = Annotated[list[str], typer.Option("--flow", "-f", help="A flow's name or folder; may be given again.")]
Teacher = Annotated[
    str, typer.Option("--teacher", "-t", help="offline, openai:MODEL, azure:DEPLOYMENT, or an AutoGen component .json.")
]
BaseUrl = Annotated[str | None, typer.Option(help="An OpenAI-compatible server, such as http://localhost:8000/v1.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Read at most this many seeds.")]
License = Annotated[str | None, typer.Option(help="The licence of sources that do not say theirs (an SPDX id).")]
SeedTokens = Annotated[int, typer.Option(help="Split longer documents to about this many tokens.")]
TextColumn = Annotated[str | None, typer.Option(help="The column that holds the text, for tables.")]
AnswerColumn = Annotated[str | None, typer.Option(help="The column that holds the answer, for math problems.")]
Kind = Annotated[str | None, typer.Option(help="Take all seeds as text, textbook, code or math.")]
Split = Annotated[str, typer.Option(help="The split of an hf: dataset.")]
Config = Annotated[str | None, typer.Option(help="The configuration of an hf: dataset.")]
RunSeed = Annotated[int, typer.Option("--seed", help="Decides every chance in the run.")]
Prices = Annotated[Path | None, typer.Option(help="A price file of your own; it comes before the shipped one.")]
Rpm = Annotated[float | None, typer.Option(help="Requests a minute, at most.")]
Tpm = Annotated[float | None, typer.Option(help="Tokens a minute, at most.")]
Concurrency = Annotated[int, typer.Option(min=1, help="Items and calls in flight, at most.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def generate(
    seeds: Seeds,
    flow: Flows,
    out: Annotated[Path, typer.Option("--out", "-o", help="The run's directory; the same one resumes the run.")],
    teacher: Teacher = "offline",
    base_url: BaseUrl = None,
    role: Annotated[
        list[str] | None, typer.Option(help="AGENT=TEACHER: a teacher of its own for an agent, such as judge=openai:M.")
    ] = None,
    temperature: Annotated[float | None, typer.Option(help="The teacher's temperature.")] = None,
    top_p: Annotated[float | None, typer.Option(help="The teacher's top_p.")] = None,
    max_tokens: Annotated[int, typer.Option(help="The longest reply, in tokens.")] = 4096,
    timeout: Annotated[float, typer.Option(help="Seconds a call may take, whole.")] = 300.0,
    concurrency: Concurrency = 64,
    rpm: Rpm = None,
    tpm: Tpm = None,
    budget: Annotated[float | None, typer.Option(help="Never spend more than this many dollars.")] = None,
    budget_tokens: Annotated[int | None, typer.Option(help="Never use more than this many tokens.")] = None,
    prices: Prices = None,
    limit: Limit = None,
    target: Annotated[int | None, typer.Option(min=1, help="Stop at this many accepted pairs.")] = None,
    seed: RunSeed = 0,
    seed_tokens: SeedTokens = 1000,
    license: License = None,
    kind: Kind = None,
    text_column: TextColumn = None,
    answer_column: AnswerColumn = None,
    split: Split = "train",
    config: Config = None,
    as_json: AsJson = False,
    job: Annotated[
        Path | None, typer.Option(help="A TOML file with any of these options.", is_eager=True, callback=_read_job)
    ] = None,
) -> None:
    """Turn seeds into a dataset of verified pairs, or resume doing so."""
    from agentinstruct.options import RunOptions, TeacherOptions
    from agentinstruct.teacher.spec import Sampling

    options = RunOptions(
        seeds=seeds,
        flows=tuple(flow),
        out=out,
        teacher=TeacherOptions(
            teacher=teacher,
            roles=_roles(role or []),
            base_url=base_url,
            sampling=Sampling(temperature=temperature, top_p=top_p, max_tokens=max_tokens, timeout=timeout),
            concurrency=concurrency,
            requests_per_minute=rpm,
            tokens_per_minute=tpm,
            budget=budget,
            budget_tokens=budget_tokens,
            prices=prices,
        ),
        reading=_reading(license, seed_tokens, kind, text_column, answer_column, split, config),
        run_seed=seed,
        limit=limit,
        target=target,
    )
    _finish(_generate(options, as_json=as_json), as_json=as_json)


def _roles(given: list[str]) -> dict[str, str]:
    from agentinstruct.errors import ConfigurationError

    roles = dict(entry.partition("=")[::2] for entry in given)
    for agent, teacher in roles.items():
        if not agent or not teacher:
            raise ConfigurationError(f"--role wants AGENT=TEACHER, such as judge=openai:MODEL, not {agent + teacher!r}")
    return roles


def _reading(  # one parameter a flag
    license: str | None,
    seed_tokens: int,
    kind: str | None,
    text_column: str | None,
    answer_column: str | None,
    split: str = "train",
    config: str | None = None,
) -> ReadOptions:
    from agentinstruct.errors import ConfigurationError
    from agentinstruct.flow import ALL_KINDS
    from agentinstruct.readers import ReadOptions

    if kind is not None and kind not in ALL_KINDS:
        raise ConfigurationError(f"no kind of seed {kind!r}: there are {', '.join(ALL_KINDS)}")
    return ReadOptions(
        license=license,
        seed_tokens=seed_tokens,
        kind=kind,
        text_column=text_column,
        answer_column=answer_column,
        split=split,
        config=config,
    )


def _generate(options: RunOptions, *, as_json: bool) -> Summary:
    """Run with progress on the terminal, and with Ctrl-C as a request to stop."""
    import asyncio

    from rich.console import Console

    from agentinstruct import api
    from agentinstruct.view.progress import shown

    console = Console(stderr=True)

    async def work() -> Summary:
        runs: list[Run] = []
        task = asyncio.create_task(
            api.run(
                options, watch=runs.append, on_skip=lambda skipped: console.print(f"skipped {skipped}", markup=False)
            )
        )
        await asyncio.wait([task], timeout=0.05)  # the run starts, or fails to, before it is shown
        if not runs:
            return await task
        with _stopping(runs[0]):
            async with shown(runs[0], console, as_json=as_json):
                summary = await task
        _tell_unused(runs[0], console)
        return summary

    return asyncio.run(work())


def _tell_unused(run: Run, console: Any) -> None:
    for kind, number in sorted(run.progress.unused_count.items()):
        named = ", ".join(run.progress.unused[kind]) + (", …" if number > len(run.progress.unused[kind]) else "")
        console.print(f"not used: {number} seeds of kind {kind}, which no chosen flow takes ({named})", markup=False)
    if run.progress.skipped:
        console.print(f"skipped: {run.progress.skipped} sources, each named above", markup=False)


@contextmanager
def _stopping(run: Run) -> Iterator[None]:
    """The first Ctrl-C (or SIGTERM) lets calls in flight end; the second leaves at once. Both can be resumed."""
    import asyncio
    import signal

    def stop() -> None:
        if run.stopped:
            os._exit(INTERRUPTED)
        print("stopping: calls in flight are let finish; again to leave at once", file=sys.stderr)
        run.stop()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _finish(summary: Summary, *, as_json: bool) -> None:
    from rich.console import Console

    from agentinstruct.view import summary as view

    if as_json:
        print(json.dumps({"event": "summary", **view.as_json(summary)}), flush=True)
    else:
        console = Console()
        view.show(summary, console)
        console.print(f"dataset: {summary.directory / 'pairs'}", markup=False, soft_wrap=True)
    if summary.stopped:
        raise summary.stopped
    if summary.failed:
        print(
            f"{summary.failed} items failed: see `agentinstruct status {summary.directory}`; "
            "the same command tries them again",
            file=sys.stderr,
        )
        raise typer.Exit(FAILED_ITEMS)


@app.command()
def status(
    run: Annotated[Path, typer.Argument(help="The run's directory.")], as_json: AsJson = False, prices: Prices = None
) -> None:
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
        console.print(f"failed: {flow} on {seed}: {last}", markup=False)


@app.command()
def preview(
    seeds: Seeds,
    flow: Annotated[str, typer.Option("--flow", "-f", help="A flow's name or folder.")],
    index: Annotated[int, typer.Option(min=0, help="Which seed, counting those the flow takes from 0.")] = 0,
    full: Annotated[bool, typer.Option(help="Show texts whole.")] = False,
    teacher: Teacher = "offline",
    base_url: BaseUrl = None,
    seed: RunSeed = 0,
    seed_tokens: SeedTokens = 1000,
    kind: Kind = None,
    text_column: TextColumn = None,
    answer_column: AnswerColumn = None,
) -> None:
    """Draw one seed's tree: what each agent was asked and said. Writes nothing."""
    from rich.console import Console

    from agentinstruct import api
    from agentinstruct.view import tree

    shown = api.preview(
        seeds,
        flow,
        index=index,
        teacher=_teacher(teacher, base_url),
        reading=_reading(None, seed_tokens, kind, text_column, answer_column),
        run_seed=seed,
    )
    tree.show(shown, Console(), length=None if full else 300)


def _teacher(teacher: str, base_url: str | None, **limits: Any) -> TeacherOptions:
    from agentinstruct.options import TeacherOptions

    return TeacherOptions(teacher=teacher, base_url=base_url, **limits)


@app.command()
def estimate(
    seeds: Seeds,
    flow: Flows,
    teacher: Teacher = "offline",
    concurrency: Concurrency = 64,
    rpm: Rpm = None,
    tpm: Tpm = None,
    prices: Prices = None,
    limit: Limit = None,
    seed: RunSeed = 0,
    seed_tokens: SeedTokens = 1000,
    kind: Kind = None,
    text_column: TextColumn = None,
    answer_column: AnswerColumn = None,
    as_json: AsJson = False,
) -> None:
    """Say what a run would take, in calls, tokens, dollars and time, before the first call."""
    from agentinstruct import api
    from agentinstruct.view.estimate import as_json as plain
    from agentinstruct.view.estimate import show

    found = api.estimate(
        seeds,
        flow,
        teacher=_teacher(
            teacher, None, concurrency=concurrency, requests_per_minute=rpm, tokens_per_minute=tpm, prices=prices
        ),
        reading=_reading(None, seed_tokens, kind, text_column, answer_column),
        limit=limit,
        run_seed=seed,
    )
    if as_json:
        print(json.dumps(plain(found)))
    else:
        show(found)


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="The run's directory.")],
    form: Annotated[
        str, typer.Option("--format", help="messages, prompt-completion, sharegpt or alpaca.")
    ] = "messages",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="A .jsonl file; standard output if left out.")] = None,
) -> None:
    """Write a run's pairs as JSON lines in the form a trainer reads."""
    from agentinstruct import export as exporting

    if out is None:
        for line in exporting.export_lines(run, form):
            print(line)
        return
    print(f"{exporting.export(run, form, out)} pairs in {out}")


@flows_app.command("list")
def flows_list() -> None:
    """List the shipped flows."""
    from rich.console import Console
    from rich.table import Table

    from agentinstruct.library import find_flow, shipped_flows

    table = Table.grid(padding=(0, 2))
    for name in shipped_flows():
        skill = find_flow(name)
        table.add_row(f"[bold]{name}[/bold]", f"takes {', '.join(skill.flow.kinds)}", skill.description)
    Console().print(table)


@flows_app.command("show")
def flows_show(
    flow: Annotated[str, typer.Argument(help="A flow's name or folder.")],
    agent: Annotated[str | None, typer.Option(help="Show one agent's prompt whole.")] = None,
) -> None:
    """Show a flow: its folder, agents and files, or one agent's prompt."""
    from agentinstruct.library import find_flow, flow_files

    skill = find_flow(flow)
    if agent:
        prompt = skill.prompts[agent]
        print(f"{prompt.system}\n---\n{prompt.user}")
        return
    print(f"{skill.name}: {skill.description}\nskill: {skill.flow.skill}\ntakes: {', '.join(skill.flow.kinds)}")
    print(f"folder: {skill.folder}\nagents:")
    for name in skill.prompts:
        print(f"  {name}")
    print("other files:")
    for path in flow_files(skill.folder):
        if path.suffix != ".md":
            print(f"  {path.relative_to(skill.folder)}")


@flows_app.command("new")
def flows_new(
    name: Annotated[str, typer.Argument(help="The flow's name, such as my_skill.")],
    folder: Annotated[Path, typer.Option(help="Where its folder is made.")] = Path(),
) -> None:
    """Start a flow of your own: a folder that runs at once."""
    from agentinstruct.authoring import new_flow

    made = new_flow(name, folder)
    print(
        f"made {made}; try it:\n  agentinstruct preview README.md --flow {made if made.is_absolute() else f'./{made}'}"
    )


@flows_app.command("export")
def flows_export(
    flow: Annotated[str, typer.Argument(help="A flow's name or folder.")],
    model: Annotated[str, typer.Option(help="The OpenAI model that the agents are to use.")] = "gpt-4.1",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="A .json file; standard output if left out.")] = None,
) -> None:
    """Write a flow's agents and teams as AutoGen components, for AutoGen Studio."""
    from agentinstruct.authoring import export_components
    from agentinstruct.library import find_flow

    text = json.dumps(export_components(find_flow(flow), model=model), indent=2, ensure_ascii=False)
    if out is None:
        print(text)
    else:
        out.write_text(text + "\n", encoding="utf-8")
        print(f"components in {out}")


if __name__ == "__main__":
    main()
