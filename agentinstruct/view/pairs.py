"""Pairs for a person to read: the conversation, where it came from, and what checked it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from random import Random
from typing import Any

from agentinstruct.errors import ConfigurationError
from agentinstruct.view.words import printable, printable_line

KEYS = ("skill", "type", "transformation", "goal", "round", "declined", "flow")
"""What pairs can be chosen by."""


def chosen(rows: Iterable[dict[str, Any]], only: Mapping[str, str], limit: int, seed: int) -> list[dict[str, Any]]:
    """Draw up to `limit` of the rows that have all the values in `only`; raises `ConfigurationError` for other keys."""
    if unknown := sorted(set(only) - set(KEYS)):
        raise ConfigurationError(f"pairs are not chosen by {unknown[0]!r}: there are {', '.join(KEYS)}")
    fitting = [row for row in rows if all(_value(row, key) == value.lower() for key, value in only.items())]
    return Random(seed).sample(fitting, min(limit, len(fitting)))


def _value(row: Mapping[str, Any], key: str) -> str:
    value = row[key] if key in row else row["lineage"][key]
    return str(value).rpartition("/")[2].lower()


def lines(row: Mapping[str, Any]) -> Iterator[str]:
    """Yield a pair's lines, with what a terminal would obey written out."""
    lineage = row["lineage"]
    told = [row["skill"], row["type"]]
    told += [str(lineage[name]).rpartition("/")[2] for name in ("transformation", "goal") if lineage[name]]
    told += ["declined"] if row["declined"] else []
    yield printable_line(f"── {' · '.join(told)} ── {row['id']}")
    for turn in row["messages"]:
        yield printable(f"{turn['role']}: {turn['content'] or ''}")
    checks = ", ".join(verdict["check"] for verdict in row["verdicts"]) or "none"
    yield printable_line(f"checks passed: {checks}; seed: {lineage['path'] or row['source']}")
    yield ""
