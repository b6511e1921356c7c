"""The files of an evaluation by lm-eval: figures with its versions and hashes, every item, a table, a picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from agentinstruct.evaluation import report
from agentinstruct.evaluation.harness import TASKS, HarnessRow, Outcome
from agentinstruct.evaluation.plots import Bars, draw

Identity = Mapping[str, JsonValue]
_HOW = (
    "lm-eval's tasks, zero-shot; 95 % intervals: Wilson's where an item is right or wrong, Tango's for their "
    "difference, else normal ones; differences are of the same items. The papers' settings are not known: compare "
    "within this table alone."
)


def write(out: Path, rows: Sequence[HarnessRow], *, student: Identity, control: Identity | None) -> None:
    """Write `results.json`, `answers.jsonl`, `table.md` and the picture."""
    report.write_answers(out, _items(rows))
    held = {"kind": "lm-eval", "student": dict(student), "control": dict(control) if control else None}
    settings = {"few_shot": 0, "interval": 0.95}
    figures = {row.benchmark: _figures(row) for row in rows}
    report.write_results(out, {**held, "settings": settings, "benchmarks": figures})
    report.write_table(out, "Benchmarks by lm-eval", table(rows, student=student, control=control))
    bars = [
        Bars(
            name=row.benchmark,
            student=report.in_percent(row.student.estimate),
            control=report.in_percent(row.control.estimate) if row.control else None,
        )
        for row in rows
    ]
    title = "Benchmarks by lm-eval, zero-shot" + ("" if control else " (no control was given)")
    draw(bars, out, title=title, axis="score, per cent (95 % interval)", highest=100)


def table(rows: Sequence[HarnessRow], *, student: Identity, control: Identity | None) -> list[str]:
    """Return the table's Markdown, with what it rests on."""
    header = ["Benchmark", "Figure", "n", "Student", *(["Control", "Difference", "Shown"] if control else [])]
    lines = []
    for row in rows:
        task, mean = TASKS[row.benchmark], row.student.estimate
        cells = [row.benchmark, report.escaped(f"{task.name}: {task.metric}"), str(mean.n), report.percent(mean)]
        if row.control and row.difference:
            cells += [report.percent(row.control.estimate), report.points(row.difference)]
            cells.append(report.verdict(row.difference))
        lines.append(cells)
    named = [f"Student: {report.named(student)}.", *([f"Control: {report.named(control)}."] if control else [])]
    templates = {
        str(each.said.get("chat_template_sha256")) for row in rows for each in (row.student, row.control) if each
    }
    unlike = ["**Student and control have different chat templates**, which may account for a difference."]
    warned = unlike if len(templates) > 1 else []
    return [*([] if control else [report.NO_CONTROL, ""]), *report.table(header, lines), "", _HOW, *warned, *named]


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
