"""What `agentinstruct evaluate` does, as functions: open the models, measure, and leave a directory of results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from agentinstruct.errors import ConfigurationError
from agentinstruct.evaluation import harness_report, maths_report, orca_report, report
from agentinstruct.evaluation.asking import KeptReplies, Solve, ask_all
from agentinstruct.evaluation.benchmarks import read_benchmarks
from agentinstruct.evaluation.harness import HarnessRow, LmEval, Run, evaluate_harness
from agentinstruct.evaluation.maths import MathsResults, evaluate_maths
from agentinstruct.evaluation.orca_bench import BenchItem, read_bench
from agentinstruct.evaluation.orca_judging import BenchResults, judge_replies
from agentinstruct.evaluation.students import judge_doubts, judge_identity, model_identity, open_student
from agentinstruct.teacher import TeacherOptions

OnReply = Callable[[str, int, int], None]
"""Hears of who answered (`student`, `control`), how many questions so far, and of how many."""


def _nothing(who: str, done: int, of: int) -> None:
    pass


def evaluate_on_maths(
    on: Sequence[str],
    student: str,
    control: str | None,
    out: Path,
    *,
    served: TeacherOptions,
    judge: TeacherOptions | None = None,
    limit: int | None = None,
    max_new_tokens: int = 1024,
    on_reply: OnReply = _nothing,
) -> MathsResults:
    """Measure pass@1 on `NAME=SOURCE` benchmarks and write the results to `out`; call again to go on after a kill."""
    benchmarks = read_benchmarks(on, limit=limit)
    with report.directory(out):
        models = _opened(student, control, out, max_new_tokens, served)
        found = evaluate_maths(
            benchmarks,
            models["student"],
            models.get("control"),
            KeptReplies(out / "replies.jsonl"),
            judge=partial(judge_doubts, run=out / "judging", teacher=judge) if judge else None,
            on_reply=on_reply,
        )
        maths_report.write(out, found, _identities(models, judge, out))
    return found


def evaluate_on_orca_bench(
    bench: Path,
    student: str,
    control: str | None,
    out: Path,
    *,
    served: TeacherOptions,
    judge: TeacherOptions,
    limit: int | None = None,
    max_new_tokens: int = 2048,
    seed: int = 0,
    on_reply: OnReply = _nothing,
) -> BenchResults:
    """Answer the held-out questions, have the answers scored beside the teacher's, and write the results to `out`.

    `limit` takes so many items of each skill.
    """
    items = _limited(read_bench(bench), limit)
    with report.directory(out):
        models = _opened(student, control, out, max_new_tokens, served)
        kept = KeptReplies(out / "replies.jsonl")
        prompts = list(dict.fromkeys(item.prompt for item in items))
        replies = {who: ask_all(solve, prompts, kept, on_reply=partial(on_reply, who)) for who, solve in models.items()}
        found = judge_replies(items, replies, out / "judging", judge=judge, seed=seed)
        orca_report.write(out, found, _identities(models, judge, out), seed=seed)
    return found


def evaluate_by_harness(
    tasks: Sequence[str],
    student: str,
    control: str | None,
    out: Path,
    *,
    limit: int | None = None,
    run: Run | None = None,
) -> tuple[HarnessRow, ...]:
    """Run lm-eval's tasks and write the results to `out`; raises `MissingExtra` without lm-eval."""
    if not tasks:
        raise ConfigurationError("no benchmark was given: name one by --task, as mmlu")
    with report.directory(out):
        rows = evaluate_harness(tasks, student, control, out, run=run or LmEval(), limit=limit)
        models = {"student": student, "control": control}
        harness_report.write(out, rows, {who: model_identity(model) for who, model in models.items() if model})
    return rows


def _opened(
    student: str, control: str | None, out: Path, max_new_tokens: int, served: TeacherOptions
) -> dict[str, Solve]:
    return {
        who: open_student(model, max_new_tokens=max_new_tokens, folder=out / who, served=served)
        for who, model in (("student", student), ("control", control))
        if model
    }


def _identities(models: Mapping[str, Solve], judge: TeacherOptions | None, out: Path) -> report.Identities:
    who = {name: solve.identity for name, solve in models.items()}
    return {**who, "judge": judge_identity(out / "judging", str(judge.teacher))} if judge else who


def _limited(items: Sequence[BenchItem], limit: int | None) -> list[BenchItem]:
    """Return the first `limit` items of each skill: a bench is in the order of a hash, so they are a fair part."""
    taken: Counter[str] = Counter()
    kept = []
    for item in items:
        taken[item.skill] += 1
        if limit is None or taken[item.skill] <= limit:
            kept.append(item)
    return kept
