"""One round of practice as a folder: what was sampled, how it was marked, the preferences made of it, the student.

Every step goes on where a killed process left it, and what it writes does not depend on whether one was killed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from agentinstruct.dataset import Attempt, Judged, Problem, Row, Tally, labelled_replies, preference_pairs, sft_rows
from agentinstruct.errors import ConfigurationError
from agentinstruct.records import content_hash
from agentinstruct.training.fit import Fit, write_whole
from agentinstruct.training.practice.lines import Ledger
from agentinstruct.training.practice.sampling import Reply
from agentinstruct.training.settings import PracticeSettings
from agentinstruct.verify import Outcome, final_answer, mark


@dataclass(frozen=True, slots=True)
class Unread:
    """A reply to a problem from which a program could read no answer."""

    problem: Problem
    reply: str

    @property
    def id(self) -> str:
        """The same for the same reply to the same problem, which is judged once."""
        return content_hash("unread", self.problem.id, self.reply)


class Solver(Protocol):
    """A student that answers problems."""

    parameters: int | None
    """Weights a token is multiplied by, where they are known."""
    chunk: int | None
    """Problems answered at once, which is what a kill can repeat; None for all."""

    def answer(
        self, problems: Sequence[Problem], settings: PracticeSettings, *, samples: int, temperature: float, seed: int
    ) -> tuple[list[list[Reply]], int]:
        """Return each problem's replies, and the tokens of the prompts that were read for them."""
        ...


OpenStudent = Callable[[str | Path, Path], AbstractContextManager[Solver]]
"""Opens the student in the first folder for the round whose folder is the second."""
Judge = Callable[[Sequence[Unread], Path], Mapping[str, bool]]
"""Tells which replies agree with the reference, by their ids; it may leave some out. The folder is the round's."""
FitRound = Callable[[str | Path, Path, PracticeSettings, Path], Fit]
"""Teaches a student the rows of a file and leaves the next one in the last folder; after a kill it goes on, or returns
what it had finished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What the loop cannot do itself."""

    open_student: OpenStudent
    fit: FitRound
    judge: Judge | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """A reply with what was made of it; `by` is the program or the teacher."""

    text: str
    outcome: Outcome
    by: str
    reason: str


class Round:
    """Round `number` (0 only validates the student that practice begins with), in `folder`."""

    def __init__(
        self, folder: Path, number: int, settings: PracticeSettings, capabilities: Capabilities, *, run_seed: int
    ) -> None:
        self.folder = folder
        self.number = number
        self.settings = settings
        self._can = capabilities
        self._run_seed = run_seed
        self._times = Ledger(folder / "times.jsonl")
        folder.mkdir(parents=True, exist_ok=True)

    def sample(self, student: str | Path, problems: Sequence[Problem]) -> list[list[Reply]]:
        """Return the replies to each problem, from `samples.jsonl` as far as they are there."""
        return self._answers(student, problems, "samples", self.settings.samples, self.settings.temperature)

    def validate(self, student: str | Path, problems: Sequence[Problem]) -> float | None:
        """Return the share of problems a student solves greedily; None without problems."""
        if not problems:
            return None
        replies = self._answers(student, problems, "validation", 1, 0.0)
        marks = [_mark(each[0], problem) for problem, each in zip(problems, replies, strict=True)]
        return sum(each.outcome is Outcome.RIGHT for each in marks) / len(marks)

    def judge(self, problems: Sequence[Problem], replies: Sequence[Sequence[Reply]]) -> list[list[Marked]]:
        """Return what each reply is: by the program first, and by the teacher where that could read nothing."""
        ledger = Ledger(self.folder / "verdicts.jsonl")
        marked: list[list[Marked]] = []
        judged: dict[str, bool] | None = None
        for row in ledger.rows():
            if "teacher" in row:
                judged = row["teacher"]
            else:
                marked += [
                    [Marked(**{**each, "outcome": Outcome(each["outcome"])}) for each in one] for one in row["marks"]
                ]
        with self._timed("judging"):
            while len(marked) < len(problems):
                start, end = len(marked), len(marked) + _MARKED_AT_ONCE
                fresh = [
                    [_mark(reply, problem) for reply in said]
                    for problem, said in zip(problems[start:end], replies[start:end], strict=True)
                ]
                ledger.append({"marks": [[asdict(each) for each in one] for one in fresh]})
                marked += fresh
            if judged is None and self._can.judge is not None:
                judged = dict(self._can.judge(list(_unread(problems, marked)), self.folder))
                ledger.append({"teacher": judged})
        return [
            [_settled(each, problem, judged or {}) for each in one]
            for problem, one in zip(problems, marked, strict=True)
        ]

    def build(self, problems: Sequence[Problem], marked: Sequence[Sequence[Marked]]) -> tuple[list[Row], Tally]:
        """Return what the student is to learn, and write it to `pairs.jsonl`."""
        judged = [
            Judged(problem, tuple(_attempt(each) for each in one))
            for problem, one in zip(problems, marked, strict=True)
        ]
        settings = self.settings
        seed = self._seed("pairs")
        is_right = _right_by_chance if settings.synthetic_negatives else None
        make = preference_pairs if settings.method == "dpo" else labelled_replies
        rows, tally = make(judged, is_right=is_right, cap=settings.cap, positives=settings.positives, seed=seed)
        if settings.imitate:
            rows = sft_rows(judged, positives=settings.positives)
        write_if_new(self.folder / "pairs.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        return rows, tally

    def fit(self, student: str | Path, rows: list[Row]) -> Fit:
        """Teach the student `rows`, into `model/`."""
        if not rows:
            raise ConfigurationError(
                f"round {self.number} leaves nothing to learn: no problem has both right and wrong replies; take a "
                "student that solves some, more samples, or problems with solutions"
            )
        with self._timed("training"):
            return self._can.fit(student, self.folder / "pairs.jsonl", self.settings, self.folder / "model")

    def seconds(self) -> dict[str, float]:
        """Return the wall seconds of each step, over all processes that worked on the round."""
        total: dict[str, float] = {}
        for row in self._times.rows():
            total[row["step"]] = total.get(row["step"], 0.0) + row["seconds"]
        return {step: round(seconds, 2) for step, seconds in total.items()}

    def sampled(self, name: str = "samples") -> tuple[int, int, int | None]:
        """Return the tokens read and written for the replies, and the weights of the student that did so."""
        rows = list(Ledger(self.folder / f"{name}.jsonl").rows())
        written = sum(reply[2] for row in rows for said in row["replies"] for reply in said)
        return sum(row["read"] for row in rows), written, rows[0]["parameters"] if rows else None

    def _answers(
        self, student: str | Path, problems: Sequence[Problem], name: str, samples: int, temperature: float
    ) -> list[list[Reply]]:
        ledger = Ledger(self.folder / f"{name}.jsonl")
        found = [[Reply(*each) for each in said] for row in ledger.rows() for said in row["replies"]]
        if len(found) == len(problems):
            return found
        with self._can.open_student(student, self.folder) as solver:
            chunk = solver.chunk or len(problems)
            while len(found) < len(problems):
                start = len(found)
                asked = problems[start : start + chunk]
                with self._timed(name):
                    replies, read = solver.answer(
                        asked, self.settings, samples=samples, temperature=temperature, seed=self._seed(name, start)
                    )
                    ledger.append(
                        {
                            "problems": [problem.id for problem in asked],
                            "replies": [[[each.text, each.finished, each.tokens] for each in said] for said in replies],
                            "read": read,
                            "parameters": solver.parameters,
                        }
                    )
                found += replies
        return found

    def _seed(self, *purpose: object) -> int:
        return int(content_hash("practice", self._run_seed, self.number, *purpose), 16) >> 1

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self._times.append({"step": step, "seconds": time.monotonic() - started})


def write_if_new(path: Path, text: str) -> None:
    """Write a file that every call makes anew, unless it says so already."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_whole(path, text)


_MARKED_AT_ONCE = 256
"""Problems whose replies are marked between two writes."""


def _mark(reply: Reply, problem: Problem) -> Marked:
    """Mark by program. A reply that was cut short has no final answer, whatever its last number is."""
    if not reply.finished:
        return Marked(text=reply.text, outcome=Outcome.WRONG, by="program", reason="cut short")
    outcome = mark(reply.text, problem.answer or "")
    reasons = {
        Outcome.RIGHT: "",
        Outcome.WRONG: f"answered {final_answer(reply.text)}",
        Outcome.UNREADABLE: "no answer could be read",
    }
    return Marked(text=reply.text, outcome=outcome, by="program", reason=reasons[outcome])


def _unread(problems: Sequence[Problem], marked: Sequence[Sequence[Marked]]) -> Iterator[Unread]:
    for problem, one in zip(problems, marked, strict=True):
        yield from (Unread(problem, each.text) for each in one if each.outcome is Outcome.UNREADABLE)


def _settled(marked: Marked, problem: Problem, judged: Mapping[str, bool]) -> Marked:
    if marked.outcome is not Outcome.UNREADABLE:
        return marked
    agrees = judged.get(Unread(problem, marked.text).id)
    if agrees is None:
        return marked
    outcome = Outcome.RIGHT if agrees else Outcome.WRONG
    return Marked(text=marked.text, outcome=outcome, by="teacher", reason="" if agrees else "the teacher disagreed")


def _attempt(marked: Marked) -> Attempt:
    return Attempt(marked.text, marked.outcome is Outcome.RIGHT, "student", marked.reason)


def _right_by_chance(reply: str, problem: Problem) -> bool:
    return mark(reply, problem.answer or "") is Outcome.RIGHT
