"""The files of an Orca-Bench evaluation: figures by skill, every answer with its scores, a table and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agentinstruct.evaluation import report
from agentinstruct.evaluation.orca_judging import HIGHEST, BenchResults, Judged, Side
from agentinstruct.evaluation.plots import Bars, draw
from agentinstruct.evaluation.report import Identities
from agentinstruct.evaluation.statistics import RESAMPLES

_TITLE = "Orca-Bench, 0 to 10 beside the teacher's 10"
_OVERALL = "Overall (mean of skills)"


def write(out: Path, results: BenchResults, who: Identities, *, seed: int = 0) -> None:
    """Write `results.json`, `answers.jsonl`, `table.md` and the picture."""
    settings = {
        "decoding": "greedy",
        "teacher_score": HIGHEST,
        "orders": 2,
        "interval": 0.95,
        "bootstrap": {"resamples": RESAMPLES, "clusters": "seed", "seed": seed},
    }
    scores = {"student": results.student, "control": results.control}
    held = {"kind": "orca-bench", "settings": settings, "difference": results.difference, "scores": scores}
    report.write(out, who, held, map(_answer, results.judged), table(results, who))
    draw(_bars(results), out, title=_TITLE, axis="mean score (95 % interval)", highest=HIGHEST)


def table(results: BenchResults, who: Identities) -> list[str]:
    """Return the table's Markdown, with what it rests on and how far the judge favours a place."""
    ours, theirs, gains = results.student, results.control, results.difference
    header = ["Skill", "n", "Student", *(["Control", "Difference", "Shown"] if theirs else [])]
    rows = []
    for name in [*ours.means.groups, None]:
        mean = ours.means.overall if name is None else ours.means.groups[name]
        cells = [_OVERALL if name is None else report.escaped(name), str(mean.n), report.grade(mean)]
        if theirs:
            other = theirs.means.overall if name is None else theirs.means.groups.get(name)
            gain = None if gains is None else gains.overall if name is None else gains.groups.get(name)
            cells += [report.grade(other) if other else "–", report.grade(gain, sign="+") if gain else "–"]
            cells.append(report.verdict(gain) if gain else "–")
        rows.append(cells)
    notes = [_how(ours), _order("student", ours), *([_order("control", theirs)] if theirs else [])]
    return report.page(_TITLE, header, rows, notes, who)


def _how(ours: Side) -> str:
    return (
        f"Each answer is scored in both orders, the teacher's own worth {HIGHEST}. Intervals are bootstrapped over the "
        f"{ours.means.clusters} held-out seeds, since pairs of one seed are alike; they are too narrow where the seeds "
        "are fewer than twenty."
    )


def _order(who: str, side: Side) -> str:
    left = f" {side.unjudged} answers could not be scored and are left out." if side.unjudged else ""
    effect = report.grade(side.order_effect, sign="+")
    return f"Order effect, {who}: {effect} when its answer stands first rather than second.{left}"


def _bars(results: BenchResults) -> list[Bars]:
    ours, theirs = results.student.means, results.control.means if results.control else None
    named = [
        Bars(name=name, student=mean, control=theirs.groups.get(name) if theirs else None)
        for name, mean in ours.groups.items()
    ]
    return [*named, Bars(name=_OVERALL, student=ours.overall, control=theirs.overall if theirs else None)]


def _answer(judged: Judged) -> dict[str, Any]:
    item = judged.item
    return {
        "who": judged.who,
        "id": item.id,
        "skill": item.skill,
        "seed_id": item.seed_id,
        "question": item.prompt,
        "teacher": item.answer,
        "reply": judged.reply,
        "score": judged.score,
        "student_first": judged.student_first,
        "teacher_first": judged.teacher_first,
        "reasons": judged.reasons,
    }
