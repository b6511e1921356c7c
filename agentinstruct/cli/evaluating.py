"""`evaluate`: measuring a student beside its control, and holding out the test set of a run's own skills."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agentinstruct.cli import flags
from agentinstruct.view.words import printable

if TYPE_CHECKING:
    from agentinstruct.teacher.options import TeacherOptions

app = typer.Typer(name="evaluate", help="Measure a student beside its control.", no_args_is_help=True)

Model = Annotated[
    str, typer.Argument(metavar="MODEL", help="A student's folder, a Hub name, or openai:NAME behind --model-url.")
]
Control = Annotated[
    str | None, typer.Option(help="The same base model without our data: what shows whether the data helped.")
]
Out = Annotated[Path, typer.Option("--out", "-o", help="The results' directory; the same one goes on after a kill.")]
ModelUrl = Annotated[str | None, typer.Option(help="The OpenAI-compatible server of openai:NAME models.")]
Longest = Annotated[int, typer.Option(min=1, help="The longest reply, in tokens.")]


@app.command("math")
def on_maths(
    model: Model,
    on: Annotated[list[str], typer.Option("--on", help="NAME=FILE or NAME=hf:DATASET[:CONFIG[:SPLIT]]; repeatable.")],
    out: Out,
    control: Control = None,
    teacher: Annotated[
        str | None, typer.Option("--teacher", "-t", help="Judges replies whose answer no program can read.")
    ] = None,
    base_url: flags.BaseUrl = None,
    model_url: ModelUrl = None,
    max_new_tokens: Longest = 1024,
    concurrency: flags.Concurrency = 64,
    budget: flags.Budget = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Ask the first N questions of each benchmark.")] = None,
) -> None:
    """Greedy pass@1 on maths benchmarks: GSM8K, SVAMP, ASDiv, MAWPS's sets, DMath, MATH, or question and answer."""
    from agentinstruct.evaluation import verbs

    verbs.evaluate_on_maths(
        on,
        model,
        control,
        out,
        served=_asked(None, model_url, concurrency, None),
        judge=_asked(teacher, base_url, concurrency, budget) if teacher else None,
        limit=limit,
        max_new_tokens=max_new_tokens,
        on_reply=_count,
    )
    _show(out)


@app.command("bench")
def hold_out(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="The run directories the student learns from.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The test set, a .jsonl file; what is held out, beside it.")],
    train_out: Annotated[
        Path | None, typer.Option(help="What may be trained on: all pairs but those of held-out seeds, as .jsonl.")
    ] = None,
    per_skill: Annotated[int, typer.Option(min=1, help="Pairs held out of each skill.")] = 100,
    seed: Annotated[int, typer.Option(help="Decides which seeds are held out.")] = 0,
) -> None:
    """Hold out Orca-Bench: pairs of each skill, by seed, that must never be trained on."""
    from agentinstruct.evaluation.orca_bench import build_orca_bench, write_bench, write_training

    bench = build_orca_bench(runs, per_skill=per_skill, seed=seed)
    beside = write_bench(bench, out, runs=runs)
    for skill, share in bench.skills.items():
        few = f", fewer than the {per_skill} wanted" if skill in bench.short else ""
        left = f"{share.left} of {share.pairs} left to train"
        print(printable(f"{skill}: {share.held_out} pairs of {share.seeds} seeds held out{few}; {left}"))
    print(printable(f"{len(bench.items)} items in {out}; {len(bench.seed_ids)} seeds held out, listed in {beside}"))
    if train_out:
        print(printable(f"{write_training(bench, train_out, runs=runs)} pairs to train on in {train_out}"))


@app.command("orca-bench")
def on_orca_bench(
    model: Model,
    bench: Annotated[Path, typer.Option(help="The test set that `evaluate bench` made.")],
    out: Out,
    teacher: Annotated[str, typer.Option("--teacher", "-t", help="The judge, such as openai:MODEL.")],
    control: Control = None,
    base_url: flags.BaseUrl = None,
    model_url: ModelUrl = None,
    max_new_tokens: Longest = 2048,
    concurrency: flags.Concurrency = 64,
    budget: flags.Budget = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Ask the first N items of each skill.")] = None,
    seed: flags.RunSeed = 0,
) -> None:
    """Answers to held-out pairs, scored 0 to 10 beside the teacher's 10, in both orders."""
    from agentinstruct.evaluation import verbs

    verbs.evaluate_on_orca_bench(
        bench,
        model,
        control,
        out,
        served=_asked(None, model_url, concurrency, None),
        judge=_asked(teacher, base_url, concurrency, budget),
        limit=limit,
        max_new_tokens=max_new_tokens,
        seed=seed,
        on_reply=_count,
    )
    _show(out)


@app.command("harness")
def by_harness(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A student's folder, or a Hub name.")],
    task: Annotated[
        list[str], typer.Option("--task", help="mmlu, agieval, arc, bbh, drop, ifeval or gpqa; repeatable.")
    ],
    out: Out,
    control: Control = None,
    limit: Annotated[int | None, typer.Option(min=1, help="The first N items of each task: only to try it.")] = None,
) -> None:
    """lm-eval's tasks, zero-shot; needs the extra `evaluate`."""
    from agentinstruct.evaluation import verbs

    verbs.evaluate_by_harness(task, model, control, out, limit=limit)
    _show(out)


def _asked(teacher: str | None, base_url: str | None, concurrency: int, budget: float | None) -> TeacherOptions:
    from agentinstruct.teacher.options import TeacherOptions

    return TeacherOptions(teacher=teacher, base_url=base_url, concurrency=concurrency, budget=budget)


def _count(who: str, done: int, of: int) -> None:
    print(f"{who}: {done} of {of} questions answered", file=sys.stderr)


def _show(out: Path) -> None:
    """Print the table, as it was written: its strangers' words are escaped."""
    print(printable((out / "table.md").read_text(encoding="utf-8")))
    print(printable(f"figures, replies and the picture are in {out}"))
