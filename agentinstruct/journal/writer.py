"""The journal: every teacher reply and every item's outcome, in one SQLite file that survives any crash.

One thread writes, in group commits; a reply is handed on only after its commit, so nothing that was acted upon is
ever lost. The event loop reads through its own connection. The journal knows nothing of flows or teachers.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path
from typing import Self

from agentinstruct.errors import AgentInstructError, ConfigurationError
from agentinstruct.journal.group_commit import GroupWriter, Statement
from agentinstruct.journal.reader import FORMAT, PAIRS, REJECTIONS, JournalReader, unreadable
from agentinstruct.records import Pair, Rejection, Seed, content_hash
from agentinstruct.teacher import Exchange

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
    reply TEXT NOT NULL, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
    question TEXT NOT NULL DEFAULT '', branch TEXT NOT NULL DEFAULT '', occurrence INTEGER NOT NULL DEFAULT 0,
    answered REAL);
CREATE UNIQUE INDEX IF NOT EXISTS replies_by_key ON replies (item, key);
CREATE TABLE IF NOT EXISTS outcomes (item INTEGER PRIMARY KEY, pairs TEXT NOT NULL, rejections TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS claims (key TEXT PRIMARY KEY, item INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parked (
    question TEXT PRIMARY KEY, place TEXT NOT NULL, body TEXT NOT NULL, call INTEGER NOT NULL, wave TEXT, answer TEXT,
    asked TEXT);
CREATE INDEX IF NOT EXISTS parked_by_wave ON parked (wave);
CREATE TABLE IF NOT EXISTS waves (
    id TEXT PRIMARY KEY, place TEXT NOT NULL, created REAL NOT NULL, questions INTEGER NOT NULL,
    state TEXT NOT NULL, batch TEXT) WITHOUT ROWID;
"""
_ADDED = {
    "replies": (
        "question TEXT NOT NULL DEFAULT ''",
        "branch TEXT NOT NULL DEFAULT ''",
        "occurrence INTEGER NOT NULL DEFAULT 0",
        "answered REAL",
    ),
    "parked": ("asked TEXT",),
}
"""Columns that journals of earlier versions lack; they get them when they are next written to."""
_COLUMNS = ", ".join(each.name for each in fields(Exchange))
_CLAIM = """
INSERT INTO claims (key, item) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET item = excluded.item
WHERE (SELECT position FROM items WHERE id = excluded.item) < (SELECT position FROM items WHERE id = claims.item)
"""


def item_id(flow: str, seed: str) -> int:
    """Return the item's number: the same in every run, known before anything is written."""
    return int(content_hash("item", flow, seed), 16) >> 1


class Journal(JournalReader):
    """An open journal. Use it in a `with` block; writes return when they are committed."""

    def __init__(self, path: Path) -> None:
        try:
            connection = _connect(path)
            with ExitStack() as opened:
                opened.callback(connection.close)
                connection.executescript(_SCHEMA)
                _add_columns(connection)
                connection.execute("INSERT OR IGNORE INTO meta VALUES ('format', ?)", (FORMAT,))
                super().__init__(path, connection)
                self._writer = GroupWriter(_connect(path), str(path))
                opened.pop_all()
        except sqlite3.OperationalError as error:  # its place, not its content
            told = f"cannot open {path} to write: {error}; see its permissions and space"
            raise ConfigurationError(told) from error
        except sqlite3.Error as error:
            raise unreadable(path, error) from error
        self._file = path.stat().st_ino

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Commit what is queued and close."""
        self._writer.close()
        self._connection.close()

    def post(self, statement: str, values: Sequence[object] = ()) -> None:
        """Queue a write without waiting for it; it is committed before any later write."""
        self._writer.post((statement, values))

    async def write(self, *statements: Statement) -> None:
        """Make all `statements` one atomic write; return when it, and all before it, would survive a crash."""
        await self._writer.write(*statements)

    async def record(self, item: int, exchange: Exchange, *others: Statement) -> None:
        """Keep a reply of `item`, with `others` in the same transaction."""
        values = [getattr(exchange, each.name) for each in fields(Exchange)]
        holes = ", ".join("?" * len(values))
        kept = f"INSERT OR REPLACE INTO replies (item, {_COLUMNS}) VALUES (?, {holes})"
        await self.write((kept, (item, *values)), *others)

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

    def _check_file(self) -> None:
        """Raise where the file is gone: SQLite would write on into what nobody finds again."""
        if not self.path.exists() or self.path.stat().st_ino != self._file:
            raise AgentInstructError(
                f"{self.path} was deleted or replaced while the run went on, and its answers with it: "
                "put it back, or give the command again to ask anew"
            )

    async def finish(self, item: int, fingerprint: str, pairs: list[Pair], rejections: list[Rejection]) -> None:
        """End an item as done; replaces an earlier outcome."""
        self._check_file()
        pairs_json, rejections_json = PAIRS.dump_json(pairs).decode(), REJECTIONS.dump_json(rejections).decode()
        update = "UPDATE items SET state='done', fingerprint=?, error=NULL, pairs=?, rejections=? WHERE id=?"
        await self.write(
            ("INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?)", (item, pairs_json, rejections_json)),
            (update, (fingerprint, len(pairs), len(rejections), item)),
        )

    async def fail(self, item: int, error: str) -> None:
        """End an item as failed; the next call of `generate` tries it again."""
        self._check_file()
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


def _add_columns(connection: sqlite3.Connection) -> None:
    for table, columns in _ADDED.items():
        there = {name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")}
        for column in columns:
            if column.partition(" ")[0] not in there:
                connection.execute(f"ALTER TABLE {table} ADD COLUMN {column}")


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


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
