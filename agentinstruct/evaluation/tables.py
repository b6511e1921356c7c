"""Rows of published benchmarks: JSON Lines, JSON, CSV, Parquet, ASDiv's XML, and datasets of the Hub."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from agentinstruct.errors import ConfigurationError
from agentinstruct.readers import ReadOptions, Unreadable, read_csv, read_dataset, read_jsonl
from agentinstruct.training.data.rows import Row, read_parquet

_LONGEST = 500_000_000  # bytes of a file that is read whole


def read_rows(source: str) -> Iterator[tuple[str, Row]]:
    """Yield (where, row) of a file, or of `hf:DATASET[:CONFIG[:SPLIT]]`; the first broken row is an error."""
    if source.startswith("hf:"):
        yield from _dataset_rows(source)
        return
    path = Path(source).expanduser()
    if not path.is_file():
        raise ConfigurationError(f"there is no file {source!r}: give the path of a benchmark, or hf:DATASET")
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise ConfigurationError(f"{path} is none of {', '.join(_READERS)}: convert it to JSON Lines")
    if path.stat().st_size > _LONGEST:
        raise ConfigurationError(f"{path} is {path.stat().st_size / 1e6:.0f} MB, which no maths benchmark is")
    try:
        for number, row in reader(path):
            yield _checked(f"{path}, row {number}", row)
    except (Unreadable, ElementTree.ParseError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error


def _checked(where: str, row: Any) -> tuple[str, Row]:
    if isinstance(row, dict):
        return where, row
    raise ConfigurationError(f"{where}: {row if isinstance(row, Unreadable) else 'is not an object with columns'}")


def _dataset_rows(source: str) -> Iterator[tuple[str, Row]]:
    name, *rest = source.removeprefix("hf:").split(":")
    if not name or len(rest) > 2:
        raise ConfigurationError(
            f"{source!r} is not a dataset: give hf:DATASET, hf:DATASET:CONFIG or hf:DATASET:CONFIG:SPLIT"
        )
    config, split = [*rest, "", ""][:2]
    _, rows = read_dataset(name, ReadOptions(config=config or None, split=split or "test"))
    for number, row in rows:
        yield _checked(f"{source}, row {number}", row)


def _read_json(path: Path) -> Iterator[tuple[int, Any]]:
    """A list of rows, or as DMath has it an object of them."""
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"is no JSON: {error}") from error
    if isinstance(held, dict) and all(isinstance(row, dict) for row in held.values()):
        held = list(held.values())
    if not isinstance(held, list):
        raise Unreadable("is JSON and no list of rows")
    yield from enumerate(held, 1)


def _read_xml(path: Path) -> Iterator[tuple[int, Any]]:
    """The `Problem` elements of ASDiv; entities are refused, since a few of them can grow without bound."""
    text = path.read_text(encoding="utf-8")
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise Unreadable("declares entities, which no benchmark needs")
    for number, problem in enumerate(ElementTree.fromstring(text).iter("Problem"), 1):
        yield number, {child.tag: child.text or "" for child in problem}


_READERS: dict[str, Callable[[Path], Iterator[tuple[int, Any]]]] = {
    ".jsonl": lambda path: read_jsonl(path, ReadOptions()),
    ".json": _read_json,
    ".csv": lambda path: read_csv(path, ReadOptions()),
    ".parquet": read_parquet,
    ".xml": _read_xml,
}
