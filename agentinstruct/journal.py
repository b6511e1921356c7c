"""The journal: every teacher reply and every item's outcome, in one SQLite file that survives any crash.

One thread writes, in group commits; a reply is handed on only after its commit, so nothing that was acted upon is
ever lost. The event loop reads through its own connection. The journal knows nothing of flows or teachers.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import TypeAdapter, ValidationError

from agentinstruct.errors import AgentInstructError, ConfigurationError
from agentinstruct.group_writer import GroupWriter, Statement
from agentinstruct.read_only import looking_into
from agentinstruct.records import Pair, Rejection, Seed, content_hash
from agentinstruct.teacher.journaled import Exchange

FORMAT = "1"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seeds (id TEXT PRIMARY KEY, seed TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS items (
    id INTEGER PRIMARY KEY, seed TEXT NOT NULL, flow TEXT NOT NULL, position INTEGER, call INTEGER,
    state TEXT NOT NULL DEFAULT 'pending', fingerprint TEXT, error TEXT,
    pairs INTEGER NOT NULL DEFAULT 0, rejections INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS items_in_order ON items (position);
CREATE TABLE IF NOT EXISTS replies (
    item INTEGER NOT NULL, key TEXT NOT NULL, agent TEXT NOT NULL, model TEXT NOT NULL, request TEXT NOT NULL,
    reply TEXT NOT NULL, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS replies_by_key ON replies (item, key);
CREATE TABLE IF NOT EXISTS outcomes (item INTEGER PRIMARY KEY, pairs TEXT NOT NULL, rejections TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS claims (key TEXT PRIMARY KEY, item INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parked (
    question TEXT PRIMARY KEY, place TEXT NOT NULL, body TEXT NOT NULL, call INTEGER NOT NULL, wave TEXT, answer TEXT);
CREATE INDEX IF NOT EXISTS parked_by_wave ON parked (wave);
CREATE TABLE IF NOT EXISTS waves (
    id TEXT PRIMARY KEY, place TEXT NOT NULL, created REAL NOT NULL, questions INTEGER NOT NULL,
    state TEXT NOT NULL, batch TEXT) WITHOUT ROWID;
"""

State = Literal["pending", "done", "failed"]
_PAIRS = TypeAdapter(list[Pair])
_REJECTIONS = TypeAdapter(list[Rejection])
_CLAIM = """
INSERT INTO claims (key, item) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET item = excluded.item
WHERE (SELECT position FROM items WHERE id = excluded.item) < (SELECT position FROM items WHERE id = claims.item)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one item came to; `error` is why its last try failed, if it did."""

    item: int
    flow: str
    seed: str
    state: State = "done"
    error: str = ""
    pairs: list[Pair]
    rejections: list[Rejection]


def item_id(flow: str, seed: str) -> int:
    """Return the item's number: the same in every run, known before anything is written."""
    return int(content_hash("item", flow, seed), 16) >> 1


class Journal:
    """An open journal. Use it in a `with` block; writes return when they are committed."""

    _writer: GroupWriter | None = None

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._reader = self._connect()
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        try:
            self._reader.executescript(_SCHEMA)
            self._check_format()
            self._writer = GroupWriter(self._connect(), str(path))
            self._file = path.stat().st_ino
        except sqlite3.Error as error:
            self._reader.close()
            raise self._unusable(error) from error
        except ConfigurationError:
            self._reader.close()
            raise

    @classmethod
    @contextmanager
    def look(cls, path: Path) -> Iterator[Self]:
        """Open a journal to read it, changing no file of its directory; another process may be writing it."""
        journal = cls.__new__(cls)
        journal.path = path
        try:
            with looking_into(path) as journal._reader:
                journal._refuse_other_formats()
                yield journal
        except sqlite3.OperationalError as error:
            raise ConfigurationError(
                f"cannot read {path}: {error}; see that it is there, and its permissions"
            ) from error
        except sqlite3.DatabaseError as error:
            raise journal._unusable(error) from error

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=30)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _unusable(self, error: sqlite3.Error) -> ConfigurationError:
        if isinstance(error, sqlite3.OperationalError):  # its place, not its content
            return ConfigurationError(f"cannot open {self.path} to write: {error}; see its permissions and space")
        return self._damaged("is no readable journal", error)

    def _damaged(self, what: str, error: Exception) -> ConfigurationError:
        told = " ".join(str(error).split())[:300]
        return ConfigurationError(
            f"{self.path} {what}: {told}; `agentinstruct recover {self.path.parent}` saves the answers that can still "
            "be read, or move it away to start anew"
        )

    def _check_format(self) -> None:
        self._reader.execute("INSERT OR IGNORE INTO meta VALUES ('format', ?)", (FORMAT,))
        self._refuse_other_formats()

    def _refuse_other_formats(self) -> None:
        found = self.meta("format")
        if found != FORMAT:
            raise ConfigurationError(
                f"{self.path} has format {found}, this version reads {FORMAT}: use a new directory"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Commit what is queued and close."""
        assert self._writer
        self._writer.close()
        self._reader.close()

    # -- writing ---------------------------------------------------------------------------------------------------

    def post(self, statement: str, values: Sequence[object] = ()) -> None:
        """Queue a write without waiting for it; it is committed before any later write."""
        assert self._writer
        self._writer.post((statement, values))

    async def write(self, *statements: Statement) -> None:
        """Make all `statements` one atomic write; return when it, and all before it, would survive a crash."""
        assert self._writer
        await self._writer.write(*statements)

    async def record(self, item: int, exchange: Exchange, *others: Statement) -> None:
        """Keep a reply of `item`, with `others` in the same transaction."""
        values = (exchange.key, exchange.agent, exchange.model, exchange.request, exchange.reply)
        tokens = (exchange.prompt_tokens, exchange.completion_tokens)
        kept = ("INSERT OR REPLACE INTO replies VALUES (?,?,?,?,?,?,?,?)", (item, *values, *tokens))
        await self.write(kept, *others)

    def register(self, seed: Seed, flow: str, *, position: int, call: int) -> None:
        """Take an item into this call's scope at `position`, keeping what is known of it; does not wait."""
        values = (item_id(flow, seed.id), seed.id, flow, position, call)
        self.post(
            "INSERT INTO seeds VALUES (?, ?) "
            "ON CONFLICT (id) DO UPDATE SET seed=excluded.seed WHERE seed<>excluded.seed",
            (seed.id, seed.model_dump_json()),
        )
        self.post(
            "INSERT INTO items (id, seed, flow, position, call) VALUES (?,?,?,?,?) "
            "ON CONFLICT (id) DO UPDATE SET position = excluded.position, call = excluded.call",
            values,
        )

    def _check_place(self) -> None:
        """Raise where the file is gone: SQLite would write on into what nobody finds again."""
        if not self.path.exists() or self.path.stat().st_ino != self._file:
            raise AgentInstructError(
                f"{self.path} was deleted or replaced while the run went on, and its answers with it: "
                "put it back, or give the command again to ask anew"
            )

    async def finish(self, item: int, fingerprint: str, pairs: list[Pair], rejections: list[Rejection]) -> None:
        """End an item as done; replaces an earlier outcome."""
        self._check_place()
        pairs_json, rejections_json = _PAIRS.dump_json(pairs).decode(), _REJECTIONS.dump_json(rejections).decode()
        update = "UPDATE items SET state='done', fingerprint=?, error=NULL, pairs=?, rejections=? WHERE id=?"
        await self.write(
            ("INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?)", (item, pairs_json, rejections_json)),
            (update, (fingerprint, len(pairs), len(rejections), item)),
        )

    async def fail(self, item: int, error: str) -> None:
        """End an item as failed; the next call of `generate` tries it again."""
        self._check_place()
        writable = error.encode("utf-8", "backslashreplace").decode()  # it may quote half a surrogate pair
        await self.write(
            ("DELETE FROM outcomes WHERE item=?", (item,)),
            ("UPDATE items SET state='failed', error=?, pairs=0, rejections=0 WHERE id=?", (writable, item)),
        )

    def reopen(self, item: int) -> None:
        """Make a finished item pending again, out of the dataset; its replies stay. Does not wait."""
        self.post("UPDATE items SET state='pending' WHERE id=?", (item,))

    async def begin_scope(self, conditions: Mapping[str, str]) -> None:
        """Reopen what was finished under other conditions than its flow's now, and leave out flows not named.

        The conditions are how an item's fingerprint begins. So a run that is stopped halfway publishes nothing stale.
        """
        stale = "UPDATE items SET state='pending' WHERE state='done' AND flow=? AND instr(fingerprint, ?)<>1"
        unnamed = f"UPDATE items SET position=NULL WHERE flow NOT IN ({', '.join('?' * len(conditions))})"
        await self.write(*((stale, each) for each in conditions.items()), (unnamed, tuple(conditions)))

    async def end_scope(self, call: int) -> None:
        """Drop from the dataset what an earlier call was asked for and this one was not; nothing is deleted."""
        await self.write(("UPDATE items SET position=NULL WHERE call<>?", (call,)))

    async def set_meta(self, name: str, value: str) -> None:
        """Keep a named value."""
        await self.write(("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value)))

    # -- reading ---------------------------------------------------------------------------------------------------

    def rows(self, statement: str, values: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
        """Yield what a query finds among all that is committed."""
        try:
            # not `yield from`: it closes the cursor of rows left unread, which fails once the journal is closed
            for row in self._reader.execute(statement, values):  # noqa: UP028
                yield row
        except sqlite3.DatabaseError as error:
            raise self._damaged("cannot be read", error) from error

    def _row(self, statement: str, values: Sequence[object] = ()) -> tuple[Any, ...] | None:
        return next(self.rows(statement, values), None)

    def meta(self, name: str) -> str | None:
        """Return a named value."""
        row = self._row("SELECT value FROM meta WHERE name=?", (name,))
        return None if row is None else str(row[0])

    def state_of(self, item: int) -> tuple[State, str | None, int]:
        """Return an item's state, the fingerprint it was finished under, and its number of pairs."""
        row = self._row("SELECT state, fingerprint, pairs FROM items WHERE id=?", (item,))
        return (row[0], row[1], row[2]) if row else ("pending", None, 0)

    def replies_of(self, item: int) -> dict[str, str]:
        """Return the recorded replies of an item by key."""
        return dict(self.rows("SELECT key, reply FROM replies WHERE item=?", (item,)))

    def claim(self, key: str, item: int) -> bool:
        """Claim an instruction; False when an item of an earlier seed holds it. Only saves money: `settle` decides."""
        row = self._row(
            "SELECT mine.position > theirs.position FROM claims JOIN items theirs ON theirs.id = claims.item "
            "JOIN items mine ON mine.id = ? WHERE claims.key = ? AND claims.item <> ?",
            (item, key, item),
        )
        if row and row[0]:
            return False
        self.post(_CLAIM, (key, item))
        return True

    def outcomes(self) -> Iterator[Outcome]:
        """Yield the finished items in scope, in seed order."""
        done = "outcomes.item IS NOT NULL AND items.state='done' AND items.position IS NOT NULL"
        yield from self._outcomes(f"{done} ORDER BY items.position")

    def outcomes_of(self, seed: str) -> list[Outcome]:
        """Return what the items of one seed came to, finished or not."""
        return list(self._outcomes("items.seed=?", (seed,)))

    def outcome_with(self, pair: str) -> list[Outcome]:
        """Return the item that a pair's id stands in; nothing is indexed for this, so it reads through all of them."""
        return list(self._outcomes("instr(outcomes.pairs, ?)", (json.dumps({"id": pair})[1:-1].replace(": ", ":"),)))

    def _outcomes(self, condition: str, values: Sequence[object] = ()) -> Iterator[Outcome]:
        rows = self.rows(
            "SELECT items.id, items.flow, items.seed, items.state, items.error, outcomes.pairs, outcomes.rejections "
            "FROM items "
            f"LEFT JOIN outcomes ON outcomes.item = items.id WHERE {condition}",
            values,
        )
        for item, flow, seed, state, error, pairs, rejections in rows:
            try:
                made, refused = _PAIRS.validate_json(pairs or "[]"), _REJECTIONS.validate_json(rejections or "[]")
            except ValidationError as damage:
                raise self._damaged(f"holds an outcome that cannot be read ({flow} on {seed})", damage) from damage
            told = error or ""
            yield Outcome(item=item, flow=flow, seed=seed, state=state, error=told, pairs=made, rejections=refused)

    def seed(self, seed_id: str) -> Seed:
        """Return a registered seed."""
        row = self._row("SELECT seed FROM seeds WHERE id=?", (seed_id,))
        assert row is not None
        return Seed.model_validate_json(row[0])

    def exchanges(self, item: int) -> Iterator[Exchange]:
        """Yield an item's questions and answers in the order they were recorded."""
        names = [name.name for name in fields(Exchange)]
        for row in self.rows(f"SELECT {', '.join(names)} FROM replies WHERE item=? ORDER BY rowid", (item,)):
            yield Exchange(**dict(zip(names, row, strict=True)))

    def states(self) -> Counter[str]:
        """Count the items in scope by state."""
        return Counter(dict(self.rows("SELECT state, count(*) FROM items WHERE position IS NOT NULL GROUP BY state")))

    def failures(self) -> Iterator[tuple[str, str, str]]:
        """Yield (flow, seed id, error) of the failed items in scope."""
        rows = self.rows(
            "SELECT flow, seed, error FROM items WHERE state='failed' AND position IS NOT NULL ORDER BY position"
        )
        yield from rows

    def items(self) -> Iterator[tuple[State, str, str, str, int, str]]:
        """Yield (state, flow, seed id, seed's source, number of pairs, error) of the items in scope, in seed order."""
        yield from self.rows(
            "SELECT state, flow, items.seed, coalesce(json_extract(seeds.seed, '$.source'), ''), pairs, "
            "coalesce(error, '') FROM items LEFT JOIN seeds ON seeds.id = items.seed "
            "WHERE position IS NOT NULL ORDER BY position"
        )

    def usage(self) -> dict[str, tuple[int, int, int]]:
        """Return (calls, prompt tokens, completion tokens) by model, over all that was ever asked in this run."""
        rows = self.rows(
            "SELECT model, count(*), sum(prompt_tokens), sum(completion_tokens) FROM replies GROUP BY model"
        )
        return {model: (calls, prompt, completion) for model, calls, prompt, completion in rows}

    def uses_tools(self) -> bool:
        """Tell whether any finished pair in scope calls tools, or could have."""
        found = self._row(
            "SELECT 1 FROM outcomes JOIN items ON items.id = outcomes.item WHERE items.position IS NOT NULL "
            "AND (instr(outcomes.pairs, '\"tool_calls\":[{') OR instr(outcomes.pairs, '\"tools\":[{')) LIMIT 1"
        )
        return found is not None


class ItemRecorder:
    """One item's `Recorder`: its known replies are read once, when it starts."""

    def __init__(self, journal: Journal, item: int) -> None:
        self._journal = journal
        self._item = item
        self._known = journal.replies_of(item)

    def find(self, key: str) -> str | None:
        """Return a recorded reply."""
        return self._known.get(key)

    async def record(self, exchange: Exchange) -> None:
        """Keep a new reply."""
        await self._journal.record(self._item, exchange)

    def question(self, key: str) -> str:
        """Return the question's id in the run; at most 33 characters, of the 64 that batch APIs take."""
        return f"{self._item:x}-{key}"
