"""What the journal keeps of questions asked by batch: those that wait, the waves they left in, answers not yet used.

A question is here from the moment it is asked until its reply is recorded; nothing here talks to a provider.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass

from agentinstruct.batch.protocols import Question
from agentinstruct.errors import ConfigurationError
from agentinstruct.journal import Journal, JournalReader
from agentinstruct.teacher import Place

KEPT_AT_ONCE = 256
"""Answers that whoever reads a file of them keeps in one commit."""
_FREE = "wave IS NULL AND answer IS NULL"
"""Of a question: neither out nor answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """Questions that go out together: our own id, where they go, and the provider's batch once it is known.

    `state` is `sending`, `out`, or how the batch ended.
    """

    id: str
    place: str
    created: float
    questions: int
    state: str = "sending"
    batch: str | None = None


class ParkedQuestions:
    """The parked questions of a run, and its waves, as its journal holds them."""

    def __init__(self, journal: JournalReader) -> None:
        self._journal = journal

    @property
    def is_there(self) -> bool:
        """Whether the journal has room for questions: one of an earlier version has none before a run opens it."""
        return any(self._journal.rows("SELECT 1 FROM sqlite_master WHERE name='parked'"))

    @property
    def call(self) -> int:
        """The number of the last call of `generate`: questions that it asked are the ones that are still wanted."""
        return int(self._journal.meta("calls") or 0)

    def find(self, question: str) -> tuple[str | None, str | None]:
        """Return the wave and the answer of a parked question, as far as it has them."""
        found = next(self._journal.rows("SELECT wave, answer FROM parked WHERE question=?", (question,)), None)
        return (None, None) if found is None else (found[0], found[1])

    def answers(self) -> Callable[[str], str | None] | None:
        """Return what finds the answer to a question that waits to be used, or None if there is none at all."""
        if not any(self._journal.rows("SELECT 1 FROM parked WHERE answer IS NOT NULL LIMIT 1")):
            return None
        return lambda question: self.find(question)[1]

    def holds(self, question: str) -> bool:
        """Tell whether a question is parked."""
        return any(self._journal.rows("SELECT 1 FROM parked WHERE question=?", (question,)))

    def was_answered(self, question: str) -> bool:
        """Tell whether a question was parked once and its reply is recorded."""
        item, _, key = question.partition("-")
        with suppress(ValueError, OverflowError):
            return any(self._journal.rows("SELECT 1 FROM replies WHERE item=? AND key=?", (int(item, 16), key)))
        return False

    def wave(self, wave: str) -> Wave | None:
        """Return one wave that has not ended."""
        return next(self._waves("id=? AND state IN ('sending', 'out')", (wave,)), None)

    def waves(self) -> Iterator[Wave]:
        """Yield all waves, oldest first."""
        yield from self._waves("1", ())

    def _waves(self, condition: str, values: tuple[object, ...]) -> Iterator[Wave]:
        names = ("id", "place", "created", "questions", "state", "batch")
        rows = self._journal.rows(
            f"SELECT {', '.join(names)} FROM waves WHERE {condition} ORDER BY created, id", values
        )
        for row in rows:
            yield Wave(**dict(zip(names, row, strict=True)))

    def check_none_is_out(self) -> None:
        """Raise `ConfigurationError` where questions of the last call are out: asked live they would cost again."""
        query = (
            "SELECT count(*), min(waves.batch) FROM parked JOIN waves ON waves.id = parked.wave "
            "WHERE parked.answer IS NULL AND waves.state='out' AND parked.call=?"
        )
        number, batch = next(self._journal.rows(query, (self.call,)))
        if number:
            raise ConfigurationError(
                f"{number} questions of this run are out in batches (such as {batch}), and would be paid for twice: "
                "give --batch openai to fetch their answers; of a batch that is cancelled at the provider it fetches "
                "what there is"
            )

    def bodies(self, wave: str) -> Iterator[tuple[str, str]]:
        """Yield the questions of a wave that have no answer, with their bodies."""
        query = "SELECT question, body FROM parked WHERE wave=? AND answer IS NULL ORDER BY rowid"
        yield from self._journal.rows(query, (wave,))

    def free(self) -> Iterator[tuple[str, str, str]]:
        """Yield the questions of the last call that wait to be taken out: id, place and body."""
        query = f"SELECT question, place, body FROM parked WHERE {_FREE} AND call=? ORDER BY rowid"
        yield from self._journal.rows(query, (self.call,))

    def waiting(self) -> Iterator[Place]:
        """Yield where the questions that wait to be taken out are asked, as far as the journal knows it."""
        if "asked" not in self._journal.columns("parked"):
            return
        query = f"SELECT asked FROM parked WHERE {_FREE} AND call=? AND asked IS NOT NULL ORDER BY rowid"
        for (asked,) in self._journal.rows(query, (self.call,)):
            yield Place(**json.loads(asked))

    def counts(self) -> tuple[int, int, int]:
        """Count the questions of the last call that are free, that are out, and whose answers wait to be used."""
        query = (
            f"SELECT count(*) FILTER (WHERE {_FREE}), count(*) FILTER (WHERE wave IS NOT NULL AND answer IS NULL), "
            "count(*) FILTER (WHERE answer IS NOT NULL) FROM parked WHERE call=?"
        )
        free, out, answered = next(self._journal.rows(query, (self.call,)))
        return free, out, answered


class Parking(ParkedQuestions):
    """Parked questions while a run goes on; writes return when they would survive a crash."""

    _journal: Journal

    def __init__(self, journal: Journal) -> None:
        super().__init__(journal)

    async def park(self, question: Question, call: int) -> None:
        """Keep a question; one that is known stays as it is, and belongs to this call too."""
        statement = (
            "INSERT INTO parked (question, place, body, call, asked) VALUES (?,?,?,?,?) "
            "ON CONFLICT (question) DO UPDATE SET call = excluded.call, asked = excluded.asked"
        )
        asked = json.dumps(asdict(question.asked))
        await self._journal.write((statement, (question.id, question.place, question.body, call, asked)))

    async def launch(self, wave: Wave, questions: Iterable[str]) -> None:
        """Note that these questions are about to leave, before anything does."""
        values = (wave.id, wave.place, wave.created, wave.questions, wave.state)
        await self._journal.write(
            ("INSERT INTO waves (id, place, created, questions, state) VALUES (?,?,?,?,?)", values),
            *(("UPDATE parked SET wave=? WHERE question=?", (wave.id, each)) for each in questions),
        )

    async def submitted(self, wave: str, batch: str) -> None:
        """Note under which id the provider has taken a wave."""
        await self._journal.write(("UPDATE waves SET state='out', batch=? WHERE id=?", (batch, wave)))

    async def keep(self, wave: str, answers: Mapping[str, str]) -> None:
        """Keep answers that came for a wave: only to its own questions, and only the first to each."""
        statement = "UPDATE parked SET answer=? WHERE question=? AND wave=? AND answer IS NULL"
        await self._journal.write(*((statement, (answer, each, wave)) for each, answer in answers.items()))

    async def end(self, wave: str, state: str) -> None:
        """Note how a wave ended; its questions without an answer are free to go out again."""
        await self._journal.write(
            ("UPDATE waves SET state=? WHERE id=?", (state, wave)),
            ("UPDATE parked SET wave=NULL WHERE wave=? AND answer IS NULL", (wave,)),
        )

    async def discard(self, question: str) -> None:
        """Forget a useless answer: the question is free to go out again."""
        await self._journal.write(("UPDATE parked SET wave=NULL, answer=NULL WHERE question=?", (question,)))

    async def bring(self, answers: Mapping[str, str]) -> None:
        """Keep answers that came from elsewhere, also to questions that are out; nothing is overwritten."""
        statement = "UPDATE parked SET answer=? WHERE question=? AND answer IS NULL"
        await self._journal.write(*((statement, (answer, each)) for each, answer in answers.items()))

    async def settle(self) -> None:
        """Note the waves of which nothing is wanted any more as done, where a crash kept that from being noted."""
        await self._journal.write(
            (
                "UPDATE waves SET state='done' WHERE state='out' AND NOT EXISTS "
                "(SELECT 1 FROM parked WHERE wave=waves.id AND answer IS NULL)",
                (),
            )
        )


def forgotten(question: str) -> tuple[str, tuple[str]]:
    """Return the statement that takes a question out of the parking: for the transaction that records its reply."""
    return "DELETE FROM parked WHERE question=?", (question,)
