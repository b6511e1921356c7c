"""What can be read of a journal: items and what they came to, replies, seeds, counts. Whoever only looks gets this."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from agentinstruct.errors import ConfigurationError
from agentinstruct.journal.read_only import open_read_only
from agentinstruct.records import Pair, Rejection, Seed
from agentinstruct.teacher import Exchange

FORMAT = "1"
PAIRS = TypeAdapter(list[Pair])
REJECTIONS = TypeAdapter(list[Rejection])
State = Literal["pending", "done", "failed"]


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


class JournalReader:
    """Reads the journal at `path` through `connection`: all that is committed."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        found = self.meta("format")
        if found != FORMAT:
            raise ConfigurationError(f"{path} has format {found}, this version reads {FORMAT}: use a new directory")

    def rows(self, statement: str, values: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
        """Yield what a query finds among all that is committed."""
        try:
            # not `yield from`: it closes the cursor of rows left unread, which fails once the journal is closed
            for row in self._connection.execute(statement, values):  # noqa: UP028
                yield row
        except sqlite3.DatabaseError as error:
            raise damaged(self.path, "cannot be read", error) from error

    def _row(self, statement: str, values: Sequence[object] = ()) -> tuple[Any, ...] | None:
        return next(self.rows(statement, values), None)

    def columns(self, table: str) -> set[str]:
        """Return a table's columns: a journal of an earlier version lacks some until it is written to again."""
        return {name for _, name, *_ in self.rows(f"PRAGMA table_info({table})")}

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
                made, refused = PAIRS.validate_json(pairs or "[]"), REJECTIONS.validate_json(rejections or "[]")
            except ValidationError as damage:
                raise damaged(self.path, f"holds an outcome that cannot be read ({flow} on {seed})", damage) from damage
            told = error or ""
            yield Outcome(item=item, flow=flow, seed=seed, state=state, error=told, pairs=made, rejections=refused)

    def seed(self, seed_id: str) -> Seed:
        """Return a registered seed."""
        row = self._row("SELECT seed FROM seeds WHERE id=?", (seed_id,))
        assert row is not None
        return Seed.model_validate_json(row[0])

    def exchanges(self, item: int) -> Iterator[Exchange]:
        """Yield an item's questions and answers in the order they were recorded."""
        names = [name for name in map(attrgetter("name"), fields(Exchange)) if name in self.columns("replies")]
        for row in self.rows(f"SELECT {', '.join(names)} FROM replies WHERE item=? ORDER BY rowid", (item,)):
            yield Exchange(**dict(zip(names, row, strict=True)))

    def item_numbers(self) -> Iterator[tuple[int, str, str]]:
        """Yield (number, flow, seed id) of the items in scope, in seed order."""
        yield from self.rows("SELECT id, flow, seed FROM items WHERE position IS NOT NULL ORDER BY position")

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

    def refuses_duplicates(self) -> bool:
        """Tell whether any finished item in scope was refused something because it stood elsewhere."""
        found = self._row(
            "SELECT 1 FROM items JOIN outcomes ON outcomes.item = items.id WHERE items.position IS NOT NULL "
            'AND items.rejections AND instr(outcomes.rejections, \'"reason":"duplicate"\') LIMIT 1'
        )
        return found is not None

    def uses_tools(self) -> bool:
        """Tell whether any finished pair in scope calls tools, or could have."""
        found = self._row(
            "SELECT 1 FROM outcomes JOIN items ON items.id = outcomes.item WHERE items.position IS NOT NULL "
            "AND (instr(outcomes.pairs, '\"tool_calls\":[{') OR instr(outcomes.pairs, '\"tools\":[{')) LIMIT 1"
        )
        return found is not None


@contextmanager
def look_into(path: Path) -> Iterator[JournalReader]:
    """Open a journal to read it, changing no file of its directory; another process may be writing it."""
    try:
        with open_read_only(path) as connection:
            yield JournalReader(path, connection)
    except sqlite3.OperationalError as error:
        raise ConfigurationError(f"cannot read {path}: {error}; see that it is there, and its permissions") from error
    except sqlite3.DatabaseError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> ConfigurationError:
    """Return the error of a file that is no journal, or not any more."""
    return damaged(path, "is not a readable journal", error)


def damaged(path: Path, what: str, error: Exception) -> ConfigurationError:
    """Return the error of a journal of which `what` is so, with its cure."""
    told = " ".join(str(error).split())[:300]
    return ConfigurationError(
        f"{path} {what}: {told}; `agentinstruct recover {path.parent}` saves the answers that can still "
        "be read, or move it away to start anew"
    )
