"""The files of an evaluation by lm-eval: figures with its versions and hashes, every item, a table, a picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from agentinstruct.evaluation import report
from agentinstruct.evaluation.harness import TASKS, HarnessRow, Outcome
from agentinstruct.evaluation.plots import draw
from agentinstruct.evaluation.report import Identities

_HOW = (
    "lm-eval's tasks, zero-shot; 95 % intervals: Wilson's where an item is right or wrong, Tango's for their "
    "difference, else normal ones; differences are of the same items. The papers' settings are not known: compare "
    "within this table alone."
)


def write(out: Path, rows: Sequence[HarnessRow], who: Identities) -> None:
    """Write `results.json`, `answers.jsonl`, `table.md` and the picture."""
    figures = {row.benchmark: _figures(row) for row in rows}
    held = {"kind": "lm-eval", "settings": {"few_shot": 0, "interval": 0.95}, "benchmarks": figures}
    report.write(out, who, held, _items(rows), table(rows, who))
    bars = [
        report.percent_bars(row.benchmark, row.student.estimate, row.control.estimate if row.control else None)
        for row in rows
    ]
    draw(bars, out, title="Benchmarks by lm-eval, zero-shot", axis="score, per cent (95 % interval)", highest=100)


def table(rows: Sequence[HarnessRow], who: Identities) -> list[str]:
    """Return the table's Markdown, with what it rests on."""
    header = ["Benchmark", "Figure", "n", "Student", *(["Control", "Difference", "Shown"] if "control" in who else [])]
    lines = []
    for row in rows:
        task, mean = TASKS[row.benchmark], row.student.estimate
        cells = [row.benchmark, report.escaped(f"{task.name}: {task.metric}"), str(mean.n), report.percent(mean)]
        if row.control and row.difference:
            cells += [report.percent(row.control.estimate), report.points(row.difference)]
            cells.append(report.verdict(row.difference))
        lines.append(cells)
    templates = {
        str(each.said.get("chat_template_sha256")) for row in rows for each in (row.student, row.control) if each
    }
    unlike = ["**Student and control have different chat templates**, which may account for a difference."]
    notes = [_HOW, *(unlike if len(templates) > 1 else [])]
    return report.page("Benchmarks by lm-eval", header, lines, notes, who)


def _figures(row: HarnessRow) -> dict[str, Any]:
    sides = {"student": _side(row.student), "control": _side(row.control) if row.control else None}
    counts = {"only_student": row.paired.only_student, "only_control": row.paired.only_control} if row.paired else None
    return {"task": TASKS[row.benchmark], **sides, "difference": row.difference, "only_one_right": counts}


def _side(outcome: Outcome) -> dict[str, Any]:
    return {"score": outcome.estimate, "lm_eval": outcome.said}


def _items(rows: Sequence[HarnessRow]) -> Iterator[dict[str, Any]]:
    for row in rows:
        for who, outcome in (("student", row.student), ("control", row.control)):
            for item in outcome.items if outcome else ():
                yield {"benchmark": row.benchmark, "who": who, **item}
