"""The files of a maths evaluation: figures, every reply with its verdict, a table and a picture."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from agentinstruct.evaluation import report
from agentinstruct.evaluation.maths import MathsResults, Row, Tally
from agentinstruct.evaluation.plots import draw
from agentinstruct.evaluation.report import Identities

_HOW = (
    "Zero-shot and greedy, the question alone; in per cent, with 95 % intervals: Wilson's for a share, Tango's for the "
    "difference of two shares on the same items."
)


def write(out: Path, results: MathsResults, who: Identities) -> None:
    """Write `results.json`, `answers.jsonl`, `table.md` and the picture."""
    settings = {"prompt": "the question alone", "decoding": "greedy", "replies": 1, "interval": 0.95}
    figures = {row.benchmark: _figures(row) for row in results.rows}
    held = {"kind": "math", "judge": who.get("judge"), "settings": settings, "benchmarks": figures}
    answers = ({**asdict(each), "right": each.right} for each in results.replies)
    report.write(out, who, held, answers, table(results, who))
    bars = [
        report.percent_bars(row.benchmark, row.student.pass_at_1, row.control.pass_at_1 if row.control else None)
        for row in results.rows
    ]
    axis = "right answers, per cent (95 % interval)"
    draw(bars, out, title="Maths benchmarks, greedy pass@1", axis=axis, highest=100)


def table(results: MathsResults, who: Identities) -> list[str]:
    """Return the table's Markdown, with what it rests on."""
    paired = "control" in who
    header = ["Benchmark", "n", "Student", *(["Control", "Difference"] if paired else []), "No answer found"]
    header += ["No answer found, control", "Only student / only control right", "Shown"] if paired else []
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
        f"Judge of what no program could read: {report.named(who['judge'])}."
        if "judge" in who
        else "No judge was given: a reply whose answer no program could read counts as wrong."
    )
    models = {name: each for name, each in who.items() if name != "judge"}
    return report.page("Maths benchmarks, pass@1", header, rows, [_HOW, judged], models)


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
