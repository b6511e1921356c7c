"""The files of a maths evaluation: figures, every reply with its verdict, a table and a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from agentinstruct.evaluation import report
from agentinstruct.evaluation.maths import MathsResults, Row, Tally
from agentinstruct.evaluation.plots import Bars, draw

Identity = Mapping[str, JsonValue]
_HOW = (
    "Zero-shot and greedy, the question alone; in per cent, with 95 % intervals: Wilson's for a share, Tango's for the "
    "difference of two shares on the same items."
)


def write(
    out: Path, results: MathsResults, *, student: Identity, control: Identity | None, judge: Identity | None
) -> None:
    """Write `results.json`, `answers.jsonl`, `table.md` and the picture."""
    report.write_answers(out, ({**_row(each), "right": each.right} for each in results.replies))
    figures = {row.benchmark: _figures(row) for row in results.rows}
    who = {"student": dict(student), "control": dict(control) if control else None}
    settings = {"prompt": "the question alone", "decoding": "greedy", "replies": 1, "interval": 0.95}
    held = {"kind": "math", **who, "judge": dict(judge) if judge else None, "settings": settings}
    report.write_results(out, {**held, "benchmarks": figures})
    report.write_table(out, "Maths benchmarks, pass@1", table(results, student=student, control=control, judge=judge))
    bars = [
        Bars(
            name=row.benchmark,
            student=report.in_percent(row.student.pass_at_1),
            control=report.in_percent(row.control.pass_at_1) if row.control else None,
        )
        for row in results.rows
    ]
    title = "Maths benchmarks, greedy pass@1" + ("" if control else " (no control was given)")
    draw(bars, out, title=title, axis="right answers, per cent (95 % interval)", highest=100)


def table(results: MathsResults, *, student: Identity, control: Identity | None, judge: Identity | None) -> list[str]:
    """Return the table's Markdown, with what it rests on."""
    header = ["Benchmark", "n", "Student", *(["Control", "Difference"] if control else []), "No answer found"]
    header += ["No answer found, control", "Only student / only control right", "Shown"] if control else []
    rows = []
    for row in results.rows:
        cells = [report.escaped(row.benchmark), str(row.student.pass_at_1.n), report.percent(row.student.pass_at_1)]
        if row.control and row.paired:
            cells += [report.percent(row.control.pass_at_1), report.points(row.paired.difference)]
        cells.append(_failures(row.student))
        if row.control and row.paired:
            cells += [_failures(row.control), report.told(row.paired), report.verdict(row.paired.difference)]
        rows.append(cells)
    judged = (
        f"Judge of what no program could read: {report.named(judge)}."
        if judge
        else ("No judge was given: a reply whose answer no program could read counts as wrong.")
    )
    named = [f"Student: {report.named(student)}.", f"Control: {report.named(control)}." if control else ""]
    lines = [*([] if control else [report.NO_CONTROL, ""]), *report.table(header, rows), "", _HOW, judged, *named]
    return [line for line, before in zip(lines, ["x", *lines], strict=False) if line or before]


def _failures(tally: Tally) -> str:
    decided = tally.unreadable - tally.undecided
    return f"{tally.extraction_failure:.1%}" + (f" ({decided} judged)" if decided else "")


def _figures(row: Row) -> dict[str, Any]:
    return {
        "source": row.source,
        "n": row.student.pass_at_1.n,
        "student": _tally(row.student),
        "control": _tally(row.control) if row.control else None,
        "paired": row.paired,
    }


def _tally(tally: Tally) -> dict[str, Any]:
    return {
        "pass_at_1": tally.pass_at_1,
        "right": tally.right,
        "extraction_failures": tally.unreadable,
        "extraction_failure_rate": tally.extraction_failure,
        "undecided": tally.undecided,
    }


def _row(marked: Any) -> dict[str, Any]:
    return {name: getattr(marked, name) for name in marked.__dataclass_fields__}
