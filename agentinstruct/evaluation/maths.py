"""pass@1 on maths benchmarks, a student beside its control on the same questions (Orca-Math, section 2.4).

One greedy reply to each question alone. A program reads the answer; a judge, where one is given, decides only what it
cannot read. What stays unreadable counts as wrong and is reported, since a low share may be a matter of form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from agentinstruct.evaluation.asking import KeptReplies, Solve, ask_all
from agentinstruct.evaluation.benchmarks import Benchmark, prompts_of
from agentinstruct.evaluation.statistics import Estimate, Paired, paired_difference, wilson
from agentinstruct.verify import Outcome, final_answer, mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A reply whose answer no program can read."""

    question: str
    wanted: str
    reply: str


Judge = Callable[[Sequence[Doubt]], Mapping[Doubt, bool]]
"""Decides whether replies come to the wanted answers; it leaves out those it could not decide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """One reply and what became of it."""

    benchmark: str
    where: str
    who: str
    question: str
    wanted: str
    reply: str
    extracted: str | None
    outcome: Outcome
    by: str = "program"

    @property
    def right(self) -> bool:
        """Whether it counts as solved."""
        return self.outcome is Outcome.RIGHT

    @property
    def doubt(self) -> Doubt:
        """What a judge is asked of it where it is unreadable."""
        return Doubt(question=self.question, wanted=self.wanted, reply=self.reply)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What one model did on one benchmark. `unreadable` is before the judge, `undecided` after it."""

    pass_at_1: Estimate
    right: int
    unreadable: int
    undecided: int

    @property
    def extraction_failure(self) -> float:
        """The share of replies in which a program found no answer."""
        return self.unreadable / self.pass_at_1.n


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One benchmark: the student, and its control with the difference where there is one."""

    benchmark: str
    source: str
    student: Tally
    control: Tally | None = None
    paired: Paired | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MathsResults:
    """All rows, and every reply behind them."""

    rows: tuple[Row, ...]
    replies: tuple[Marked, ...]


def evaluate_maths(
    benchmarks: Sequence[Benchmark],
    student: Solve,
    control: Solve | None,
    kept: KeptReplies,
    *,
    judge: Judge | None = None,
    on_reply: Callable[[str, int, int], None] = lambda who, done, of: None,
) -> MathsResults:
    """Ask both models everything, mark, and compare; resumes from `kept`."""
    prompts = list(prompts_of(benchmarks))
    marked: list[Marked] = []
    for who, solve in (("student", student), ("control", control)):
        if solve is not None:
            replies = ask_all(solve, prompts, kept, on_reply=partial(on_reply, who))
            marked += _marked(benchmarks, who, replies)
    if judge is not None:
        marked = _judged(marked, judge)
    rows = tuple(_row(benchmark, marked, with_control=control is not None) for benchmark in benchmarks)
    return MathsResults(rows=rows, replies=tuple(marked))


def _marked(benchmarks: Sequence[Benchmark], who: str, replies: Mapping[str, str]) -> list[Marked]:
    return [
        Marked(
            benchmark=benchmark.name,
            where=item.where,
            who=who,
            question=item.question,
            wanted=item.answer,
            reply=replies[item.question],
            extracted=final_answer(replies[item.question]),
            outcome=mark(replies[item.question], item.answer),
        )
        for benchmark in benchmarks
        for item in benchmark.items
    ]


def _judged(marked: Sequence[Marked], judge: Judge) -> list[Marked]:
    """Have the judge decide what is unreadable; an empty reply needs none."""
    unread = [each for each in marked if each.outcome is Outcome.UNREADABLE and each.reply.strip()]
    verdicts = judge(list(dict.fromkeys(each.doubt for each in unread)))
    return [
        replace(each, outcome=Outcome.RIGHT if verdicts[each.doubt] else Outcome.WRONG, by="judge")
        if each.doubt in verdicts
        else each
        for each in marked
    ]


def _row(benchmark: Benchmark, marked: Sequence[Marked], *, with_control: bool) -> Row:
    student = [each for each in marked if each.benchmark == benchmark.name and each.who == "student"]
    row = Row(benchmark=benchmark.name, source=benchmark.source, student=_tally(student))
    if not with_control:
        return row
    control = [each for each in marked if each.benchmark == benchmark.name and each.who == "control"]
    paired = paired_difference([each.right for each in student], [each.right for each in control])
    return replace(row, control=_tally(control), paired=paired)


def _tally(marked: Sequence[Marked]) -> Tally:
    right = sum(each.right for each in marked)
    undecided = sum(each.outcome is Outcome.UNREADABLE for each in marked)
    unreadable = undecided + sum(each.by == "judge" for each in marked)
    return Tally(pass_at_1=wilson(right, len(marked)), right=right, unreadable=unreadable, undecided=undecided)
