"""A run's questions written as batch files, answers read from such files, and a list of the batches that are out."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agentinstruct.batch.lines import LONGEST_LINE, Line, question_line, read_line, with_author
from agentinstruct.batch.parking import KEPT_AT_ONCE, ParkedQuestions, Parking, Wave
from agentinstruct.errors import ConfigurationError
from agentinstruct.journal import Journal, locked, read_journal, read_manifest, writing
from agentinstruct.teacher import may_be_cured, without_keys

_URL = "/v1/chat/completions"
_NOT_ITS_FAULT = {401, 403, 404}
"""Statuses that blame whoever asked, with what key and where, and not the question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What became of the lines of answers, each counted once; `waiting` questions are left without an answer."""

    kept: int
    known: int
    """For questions that had an answer."""
    unknown: int
    """For questions that this run does not ask."""
    failed: int
    """Lines that say a question could not be answered: it still waits."""
    waiting: int


@contextmanager
def _parked(directory: Path) -> Iterator[ParkedQuestions]:
    """Look into a run that is there, which may be going on."""
    with read_journal(directory) as journal:
        parked = ParkedQuestions(journal)
        if not parked.is_there:
            raise ConfigurationError(f"{directory} was never asked by batch: see `agentinstruct generate --batch`")
        yield parked


def question_lines(directory: str | Path) -> Iterator[bytes]:
    """Yield the questions that wait as lines of a batch's input; nothing is noted, so they may be written again."""
    with _parked(Path(directory)) as parked:
        for question, _, body in parked.free():
            yield question_line(question, body, _URL)


def export_questions(directory: str | Path, out: Path) -> int:
    """Write the questions that wait to `out`, wholly or not at all; returns how many they are."""
    if not out.parent.is_dir():
        raise ConfigurationError(f"there is no folder {out.parent} to write the questions to: make it, or name another")
    fresh = out.with_name(f".{out.name}.new")
    number = 0
    with writing(out.parent):
        fresh.unlink(missing_ok=True)
        with fresh.open("xb") as file:  # never through a link
            for line in question_lines(directory):
                file.write(line)
                number += 1
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(out)
    return number


def import_answers(directory: str | Path, files: Iterable[str | Path], *, model: str | None = None) -> Imported:
    """Keep the answers in `files` for the run's next call; see `lines.read_line` for their form.

    `model` names who gave them, where that is not the teacher of the run.

    Raises `ConfigurationError` that names file and line for one that cannot be read; what was before it is kept.
    """
    run = Path(directory)
    read_manifest(run)  # no run is made here
    with locked(run), Journal(run / "journal.sqlite") as journal:
        return asyncio.run(_keep(Parking(journal), [Path(file) for file in files], model))


async def _keep(parking: Parking, files: list[Path], model: str | None) -> Imported:
    counts: Counter[str] = Counter()
    for file in files:
        answers: dict[str, str] = {}
        try:
            for line in _lines(file):
                outcome = _outcome(line, parking, answers)
                counts[outcome] += 1
                if outcome == "kept":
                    answer = line.answer if line.status == 200 else without_keys(line.answer)
                    answers[line.question] = with_author(answer, model) if model else answer
                if len(answers) >= KEPT_AT_ONCE:
                    await parking.bring(answers)
                    answers.clear()
        finally:
            await parking.bring(answers)
    free, out, _ = parking.counts()
    named = {name: counts[name] for name in ("kept", "known", "unknown", "failed")}
    return Imported(**named, waiting=free + out)


def _outcome(line: Line, parked: ParkedQuestions, answers: dict[str, str]) -> str:
    if not parked.holds(line.question):
        return "known" if parked.was_answered(line.question) else "unknown"
    if line.question in answers or parked.find(line.question)[1] is not None:
        return "known"
    if line.problem or may_be_cured(line.status) or line.status in _NOT_ITS_FAULT:
        return "failed"
    return "kept"


def _lines(file: Path) -> Iterator[Line]:
    try:
        with file.open("rb") as lines:
            number = 0
            while raw := lines.readline(LONGEST_LINE + 1):
                number += 1
                if not raw.strip():
                    continue
                if len(raw) > LONGEST_LINE:
                    raise ConfigurationError(f"{file}, line {number}: it is longer than {LONGEST_LINE // 2**20} MB")
                yield _read(raw, file, number)
    except OSError as error:
        raise ConfigurationError(f"cannot read the answers in {file}: {error.strerror}") from error


def _read(raw: bytes, file: Path, number: int) -> Line:
    try:
        return read_line(raw)
    except ValueError as error:
        form = '{"custom_id": …, "content": …}, or a line of a batch\'s output'
        raise ConfigurationError(f"{file}, line {number}: {error}; an answer is {form}") from None


def waves_of(directory: str | Path) -> tuple[list[Wave], tuple[int, int, int]]:
    """Return a run's waves, oldest first, and how many questions are free, out, and answered but not yet used."""
    with _parked(Path(directory)) as parked:
        return list(parked.waves()), parked.counts()
