"""Scores answers to Orca-Bench from 0 to 10 by a judge, both ways round, through a run of the flow `orca_bench`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agentinstruct import paths
from agentinstruct.api import generate
from agentinstruct.dataset import read_pairs
from agentinstruct.errors import AgentInstructError
from agentinstruct.evaluation.orca_bench import BenchItem
from agentinstruct.evaluation.statistics import Estimate, Means, Score, clustered_means
from agentinstruct.records import Seed, content_hash
from agentinstruct.teacher import TeacherOptions

HIGHEST = 10
"""What the teacher's own answer is worth by definition (AgentInstruct, evaluation)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One answer with its scores: placed before the teacher's answer, and after it."""

    item: BenchItem
    who: str
    reply: str
    student_first: int
    teacher_first: int
    reasons: tuple[str, str]

    @property
    def score(self) -> float:
        """The mean of both orders, in which a judge's liking for a place cancels out."""
        return (self.student_first + self.teacher_first) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One model: its means, and `order_effect`: how much more it got when it came first (macro average)."""

    means: Means
    order_effect: Estimate
    unjudged: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchResults:
    """Orca-Bench for a student, its control and their difference; the overall figure is the mean of the skills'."""

    student: Side
    control: Side | None
    difference: Means | None
    judged: tuple[Judged, ...]


def judge_replies(
    items: Sequence[BenchItem],
    replies: Mapping[str, Mapping[str, str]],
    out: Path,
    *,
    judge: TeacherOptions,
    seed: int = 0,
) -> BenchResults:
    """Have every reply scored and compare; `replies` are by model (`student`, `control`) and by prompt.

    `out` is the judging run's directory: what is scored there is not asked again. Raises what stopped that run, and
    `AgentInstructError` when no answer of a model could be scored.
    """
    asked = {(who, item.id): _question(item, given[item.prompt]) for who, given in replies.items() for item in items}
    seeds = {text: Seed.of(text, license="none", source="Orca-Bench") for text in asked.values()}
    generate(list(seeds.values()), [paths.TRAINERS / "orca_bench"], out, teacher=judge)
    scores = {row["messages"][0]["content"]: row["messages"][1]["content"] for row in read_pairs(out)}
    judged = [
        _judged(item, who, replies[who][item.prompt], scores[text])
        for who in replies
        for item in items
        if (text := asked[who, item.id]) in scores
    ]
    return compare(items, judged, with_control="control" in replies, seed=seed)


def compare(items: Sequence[BenchItem], judged: Sequence[Judged], *, with_control: bool, seed: int = 0) -> BenchResults:
    """Average by skill, with intervals that resample the items' seeds; the difference is of items both have."""
    student = _side("student", items, judged, seed)
    if not with_control:
        return BenchResults(student=student, control=None, difference=None, judged=tuple(judged))
    ours = {each.item.id: each for each in judged if each.who == "student"}
    theirs = {each.item.id: each for each in judged if each.who == "control"}
    shared = [(ours[name], theirs[name]) for name in ours if name in theirs]
    gains = [_score(one.item, one.score - other.score) for one, other in shared]
    return BenchResults(
        student=student,
        control=_side("control", items, judged, seed),
        difference=clustered_means(gains, seed=seed) if gains else None,
        judged=tuple(judged),
    )


def _side(who: str, items: Sequence[BenchItem], judged: Sequence[Judged], seed: int) -> Side:
    own = [each for each in judged if each.who == who]
    if not own:
        raise AgentInstructError(f"no answer of the {who} could be scored: see the rejections of the judging run")
    means = clustered_means([_score(each.item, each.score) for each in own], seed=seed)
    effect = clustered_means([_score(each.item, each.student_first - each.teacher_first) for each in own], seed=seed)
    return Side(means=means, order_effect=effect.overall, unjudged=len(items) - len(own))


def _score(item: BenchItem, value: float) -> Score:
    return Score(cluster=item.seed_id, group=item.skill, value=value)


def _question(item: BenchItem, reply: str) -> str:
    """Return what is scored as a seed's text; its key keeps apart what differs in case or spacing only."""
    asked = {"question": item.prompt, "teacher": item.answer, "student": reply}
    return json.dumps({"key": content_hash("orca-bench", item.id, asked), **asked})


def _judged(item: BenchItem, who: str, reply: str, scores: str) -> Judged:
    found = json.loads(scores)
    first, second = found["student_first"], found["teacher_first"]
    return Judged(
        item=item,
        who=who,
        reply=reply,
        student_first=first["score"],
        teacher_first=second["score"],
        reasons=(first["reason"], second["reason"]),
    )
