"""Saving what can still be read of a damaged journal: its replies, from which a run makes everything else again."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import fields
from itertools import islice
from pathlib import Path
from typing import Any

from agentinstruct.errors import ConfigurationError
from agentinstruct.journal.directory import GRANTED, LOST, locked
from agentinstruct.journal.writer import Journal
from agentinstruct.teacher import Exchange

_ONE_BY_ONE = 10_000
"""Unreadable replies in a row that are tried one by one; beyond that the steps double, so that it comes to an end."""
_GROUP = 1_000
_BATCHES = {
    "waves": ("id", "place", "created", "questions", "state", "batch"),
    "parked": ("question", "place", "body", "call", "wave", "answer", "asked"),
}
"""Tables and columns that know what is out in batches, and paid for there."""


async def recover(directory: Path) -> tuple[int, Path]:
    """Put a journal with what can be read in the place of a damaged one; return how many replies, and where that is.

    Raises `ConfigurationError`, and leaves all as it is, where there is no journal or nothing can be read.
    """
    path = directory / "journal.sqlite"
    if not path.exists():
        raise ConfigurationError(f"{directory} is not a run: it has no journal.sqlite")
    with locked(directory):
        fresh = directory / ".recovered.sqlite"
        _remove(fresh)
        with closing(sqlite3.connect(path)) as damaged, Journal(fresh) as journal:
            saved = await _copy(damaged, journal)
            parked = await _copy_batches(damaged, journal)
        if not saved + parked:
            _remove(fresh)
            raise ConfigurationError(f"nothing can be read of {path}: move it away to start anew")
        kept = next(name for name in _names(path) if not name.exists())
        for old, new in zip(_files(path), _files(kept), strict=True):
            if old.exists():
                old.rename(new)
        fresh.rename(path)
        return saved, kept


def _remove(journal: Path) -> None:
    for each in _files(journal):
        each.unlink(missing_ok=True)


def _names(path: Path) -> Iterator[Path]:
    number = 0
    while True:
        yield path.with_name(f"{path.name}.damaged{number or ''}")
        number += 1


def _files(journal: Path) -> list[Path]:
    """Return a journal's file and those that SQLite puts beside it."""
    return [journal.with_name(journal.name + end) for end in ("", "-wal", "-shm")]


async def _copy(damaged: sqlite3.Connection, journal: Journal) -> int:
    saved = 0
    with suppress(sqlite3.DatabaseError):
        damaged.execute("PRAGMA writable_schema=ON")  # or SQLite reads nothing of a file that was cut
    replies = _replies(damaged)
    while group := list(islice(replies, _GROUP)):
        await asyncio.gather(*(journal.record(item, exchange) for item, exchange in group))
        saved += len(group)
    for name in (GRANTED, LOST):  # what a budget must not forget
        with suppress(sqlite3.DatabaseError):
            for (value,) in damaged.execute("SELECT value FROM meta WHERE name=?", (name,)):
                await journal.set_meta(name, str(value))
    return saved


async def _copy_batches(damaged: sqlite3.Connection, journal: Journal) -> int:
    """Copy what can be read of the questions asked by batch, and return how many rows that is."""
    copied = 0
    for table, wanted in _BATCHES.items():
        columns = ", ".join(_there(damaged, table, wanted))
        with suppress(sqlite3.DatabaseError):
            for row in damaged.execute(f"SELECT {columns} FROM {table}"):
                holes = ", ".join("?" * len(row))
                journal.post(f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({holes})", row)
                copied += 1
    await journal.write()
    return copied


def _replies(damaged: sqlite3.Connection) -> Iterator[tuple[int, Exchange]]:
    """Yield the replies that can be read, by their row numbers."""
    row, failures, step = 0, 0, 1
    last = _last(damaged)
    names = _there(damaged, "replies", [each.name for each in fields(Exchange)])
    columns = ", ".join(["rowid", "item", *names])
    while row < last:
        try:
            for number, item, *values in damaged.execute(
                f"SELECT {columns} FROM replies WHERE rowid > ? ORDER BY rowid", (row,)
            ):
                if number <= row:
                    raise sqlite3.DatabaseError("the rows go round in a circle")
                row, failures, step = number, 0, 1
                if found := _whole(dict(zip(names, values, strict=True))):
                    yield item, found
            return
        except sqlite3.DatabaseError:
            failures += 1
            step = step * 2 if failures > _ONE_BY_ONE else 1
            row += step


def _last(damaged: sqlite3.Connection) -> int:
    with suppress(sqlite3.DatabaseError):
        return int(damaged.execute("SELECT max(rowid) FROM replies").fetchone()[0] or 0)
    return 2**40


def _there(damaged: sqlite3.Connection, table: str, wanted: Sequence[str]) -> list[str]:
    """Return those of the wanted columns that a table has: a journal of an earlier version lacks some."""
    with suppress(sqlite3.DatabaseError):
        found = {name for _, name, *_ in damaged.execute(f"PRAGMA table_info({table})")}
        return [name for name in wanted if name in found] or list(wanted)
    return list(wanted)


def _whole(values: dict[str, Any]) -> Exchange | None:
    """Return the exchange, if all of it is there."""
    exchange = Exchange(**values)
    try:
        json.loads(exchange.request)
        return exchange if json.loads(exchange.reply) else None
    except (ValueError, TypeError):
        return None
