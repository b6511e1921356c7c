"""What a round of practice came to and what it took: shares of right replies, tokens, seconds, operations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agentinstruct.dataset import Tally
from agentinstruct.training.fit import Fit
from agentinstruct.training.practice.round import Marked, Round
from agentinstruct.verify import Outcome

SAMPLED = 2
"""Floating point operations a weight takes for a token that is read or written: a product and a sum."""
TRAINED = 6
"""The same for a token that is learnt: forward, and twice that backward."""
PREFERRED = {"dpo": 8, "kto": 12}
"""The same where a reference reads it too; for KTO both also read it under another prompt, to tell how far they are."""


def round_metrics(
    round_: Round,
    student: str | Path,
    marked: Sequence[Sequence[Marked]],
    tally: Tally,
    rows: int,
    fit: Fit,
    accuracy: float | None,
) -> dict[str, Any]:
    """Return a round's line of `practice.jsonl`. `operations` lets it be compared with other training."""
    replies = [each for one in marked for each in one]
    right = [sum(each.outcome is Outcome.RIGHT for each in one) for one in marked]
    read, written, weights = round_.sampled()
    factor = TRAINED if round_.settings.imitate else PREFERRED[round_.settings.method]
    return {
        "round": round_.number,
        "from": _named(student, round_),
        "student": _named(fit.folder, round_),
        "validation": accuracy,
        "problems": len(marked),
        "replies": len(replies),
        "pass_at_1": sum(right) / len(replies),
        f"pass_at_{round_.settings.samples}": sum(number > 0 for number in right) / len(marked),
        "always_right": sum(number == len(one) for number, one in zip(right, marked, strict=True)) / len(marked),
        "never_right": sum(number == 0 for number in right) / len(marked),
        "unreadable": sum(each.outcome is Outcome.UNREADABLE for each in replies) / len(replies),
        "cut_short": sum(each.reason == "cut short" for each in replies) / len(replies),
        "judged_by_teacher": sum(each.by == "teacher" for each in replies),
        "rows": rows,
        "synthetic": tally.synthetic,
        "capped": tally.capped,
        "loss": fit.loss,
        "steps": fit.steps,
        "tokens": {"read": read, "written": written, "trained": fit.tokens},
        "operations": None
        if weights is None
        else {"sampling": SAMPLED * weights * (read + written), "training": factor * weights * fit.tokens},
        "seconds": round_.seconds(),
    }


def _named(student: str | Path, round_: Round) -> str:
    """Return a student of this practice by its place in its folder, which may be moved, and another as it is."""
    out = round_.folder.parent
    return Path(student).relative_to(out).as_posix() if Path(student).is_relative_to(out) else str(student)


def started_from(round_: Round, student: str, accuracy: float | None) -> dict[str, Any]:
    """Return the first line: the student practice begins with."""
    return {"round": 0, "student": student, "validation": accuracy, "seconds": round_.seconds()}
