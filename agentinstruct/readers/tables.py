"""Files of rows (JSON Lines, JSON, CSV, Parquet) and `datasets` names, row by row; it knows no column's meaning.

JSON and CSV are read by the standard library, which keeps `007` a text and reads one row at a time; pyarrow
(Apache-2.0, needed for the pairs anyway) reads Parquet in small batches; `datasets` (Apache-2.0, optional) streams
what the Hub has.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agentinstruct.errors import MissingExtra, SeedError
from agentinstruct.readers.decode import SAMPLE, decode, encoding_of
from agentinstruct.readers.document import ReadOptions, Unreadable, foreign_parser, one_line
from agentinstruct.readers.rows import KNOWN_COLUMNS

Row = tuple[int, dict[str, Any] | Unreadable]
"""A row, or what is wrong with it, after its number: the line an editor shows, else a count from 1."""

LONGEST_LINE = 20_000_000  # bytes
_BATCH = 64


def read_jsonl(path: Path, options: ReadOptions) -> Iterator[Row]:
    """Yield the objects of a file with one on each line; a broken line is a broken row, and reading goes on."""
    with path.open("rb") as file:
        number = 0
        while line := file.readline(LONGEST_LINE):
            number += 1
            if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
                while line and not line.endswith(b"\n"):
                    line = file.readline(LONGEST_LINE)
                yield number, Unreadable(f"is a line of over {LONGEST_LINE // 1_000_000} MB")
            elif line.strip():
                yield number, _parsed_line(line)


def read_json(path: Path, options: ReadOptions) -> Iterator[Row]:
    """Yield the objects of a JSON list, or of the one list in a JSON object."""
    size = path.stat().st_size
    if size > options.max_bytes:
        raise Unreadable(
            f"is {size / 1e6:.0f} MB of JSON, over the limit of {options.max_bytes / 1e6:.0f} MB: use JSON Lines"
        )
    value = _parsed(decode(path.read_bytes()))
    if isinstance(value, dict):
        lists = [entry for entry in value.values() if isinstance(entry, list)]
        value = lists[0] if len(lists) == 1 else value
    if not isinstance(value, list) or not all(isinstance(entry, dict | str) for entry in value[:1]):
        raise Unreadable("is JSON and no list of rows")
    for number, entry in enumerate(value, 1):
        yield number, _as_row(entry)


def read_csv(path: Path, options: ReadOptions) -> Iterator[Row]:
    """Yield the rows of a CSV or TSV file with a header; all values are texts."""
    with path.open("rb") as raw:
        encoding = encoding_of(raw.read(SAMPLE))
    csv.field_size_limit(
        LONGEST_LINE
    )  # bounds what an unclosed quote swallows; the module's own limit is for all readers
    # What the encoding cannot hold becomes a surrogate, so that one bad row does not end the file.
    with path.open(encoding=encoding, errors="surrogateescape", newline="") as file:
        header_line = file.readline(SAMPLE)
        file.seek(0)
        delimiter = "\t" if path.suffix.lower() == ".tsv" else max(",;\t|", key=header_line.count)
        reader = csv.reader(file, delimiter=delimiter)
        header: list[str] | None = None
        while True:
            number = reader.line_num + 1
            try:
                cells = next(reader, None)
            except csv.Error as error:
                yield number, Unreadable(f"is no CSV from here on: {error}")
                return
            if cells is None:
                return
            if header is None:
                header = [cell.strip() for cell in cells]
            elif any(cells):
                broken = any(
                    "\udc80" <= character <= "\udcff" for cell in cells if not cell.isascii() for character in cell
                )
                row = dict(zip(header, cells, strict=False))
                yield number, Unreadable(f"is not {encoding}: save it as UTF-8") if broken else row


def read_parquet(path: Path, options: ReadOptions) -> Iterator[Row]:
    """Yield the rows of a Parquet file; of its columns only those that may mean something here are read."""
    with foreign_parser("Parquet"):
        import pyarrow.parquet

        file = pyarrow.parquet.ParquetFile(path, buffer_size=1 << 20)
    with file:
        asked = {options.text_column, options.answer_column}
        names = [name for name in file.schema_arrow.names if name.lower() in KNOWN_COLUMNS or name in asked]
        batches = file.iter_batches(batch_size=_BATCH, columns=names or file.schema_arrow.names[:50])
        number = 0
        while True:
            with foreign_parser("Parquet"):
                batch = next(batches, None)
                rows: list[dict[str, Any]] = batch.to_pylist() if batch is not None else []
            if batch is None:
                return
            for row in rows:
                number += 1
                yield number, row


def read_dataset(name: str, options: ReadOptions) -> tuple[str, Iterator[Row]]:
    """Return licence and streamed rows of a `datasets` name or folder; code that comes with data is never run."""
    try:
        import datasets
    except ImportError as error:
        raise MissingExtra(f"hf:{name} needs the datasets library: pip install 'agentinstruct[hub]'") from error
    try:
        dataset = datasets.load_dataset(name, options.config, split=options.split, streaming=True)
    except Exception as error:  # a Hub, a cache and a dozen file formats have no error in common
        raise SeedError(f"hf:{name} cannot be opened: {one_line(error, 300)}") from error
    return str(getattr(dataset.info, "license", "") or ""), _dataset_rows(iter(dataset))


def _dataset_rows(rows: Iterator[dict[str, Any]]) -> Iterator[Row]:
    number = 0
    while True:
        number += 1
        try:
            with foreign_parser("a dataset"):
                row = next(rows, None)
        except (Unreadable, OSError) as error:
            yield number, Unreadable(f"and all after it cannot be read: {one_line(error)}")
            return
        if row is None:
            return
        yield number, row


def _parsed_line(line: bytes) -> dict[str, Any] | Unreadable:
    try:
        return _as_row(_parsed(decode(line)))
    except Unreadable as error:
        return error


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise Unreadable(f"is broken JSON: {error.msg} at line {error.lineno}, column {error.colno}") from error
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"is JSON that cannot be read: {one_line(error)}") from error


def _as_row(value: Any) -> dict[str, Any] | Unreadable:
    match value:
        case dict():
            return value
        case str():
            return {"text": value}
        case _:
            return Unreadable(f"is no JSON object but a {type(value).__name__}")
