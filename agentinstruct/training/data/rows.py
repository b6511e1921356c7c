"""Rows of training data from runs, files, folders and `datasets` names, one by one; no column has a meaning here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from agentinstruct.errors import ConfigurationError
from agentinstruct.readers import ReadOptions, Unreadable, one_line, read_dataset, read_json, read_jsonl

Row = dict[str, Any]
_BATCH = 256
_ENDINGS = (".jsonl", ".json", ".parquet")
_LARGEST_JSON = 500_000_000
"""Bytes of a `.json` file, which is read whole; JSON Lines and Parquet are streamed, whatever their size."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that teaches nothing as it stands: where it is, why, and what a person may want to see of it."""

    where: str
    reason: str
    """A short phrase that rows have in common, so that it can be counted."""
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}" + (f" ({self.detail})" if self.detail else "")


def read_rows(
    source: str | Path, *, split: str = "train", limit: int | None = None
) -> Iterator[tuple[str, Row] | BadRow]:
    """Return the rows of `source`, each with where it stands, streamed; `split` belongs to `hf:` names.

    A source is the directory of a run (its published pairs), a `.jsonl`, `.json` or `.parquet` file, a folder of such
    files (not of its subfolders), or `hf:NAME` or `hf:NAME:CONFIG`. What is no row, as a broken line, is a `BadRow`.
    Raises `ConfigurationError` at once where there is nothing to read.
    """
    if isinstance(source, str) and source.startswith("hf:"):
        name, _, config = source.removeprefix("hf:").partition(":")
        _, rows = read_dataset(name, ReadOptions(split=split, config=config or None))
        found = _placed(f"hf:{name}/{config}" if config else f"hf:{name}", rows, nulls=False)
    else:
        folder, paths = _files(Path(source).expanduser())
        found = chain.from_iterable(_file_rows(path, path.relative_to(folder).as_posix()) for path in paths)
    return islice(found, limit)


def _files(path: Path) -> tuple[Path, list[Path]]:
    """Return the files of rows that `path` names, and the folder they are called by."""
    if path.is_file():
        if path.suffix.lower() not in _ENDINGS:
            raise ConfigurationError(f"{path} cannot be read as rows: give a file that ends in {', '.join(_ENDINGS)}")
        return path.parent, [path]
    if not path.is_dir():
        raise ConfigurationError(f"there is no {path}: give a run's directory, a file, a folder or hf:NAME")
    if pairs := sorted((path / "pairs").glob("*.parquet")):
        return path, pairs
    if (path / "journal.sqlite").exists():
        raise ConfigurationError(f"{path} holds no published pairs; run `agentinstruct generate` first")
    files = [file for file in sorted(path.iterdir()) if file.suffix.lower() in _ENDINGS and file.is_file()]
    if not files:
        raise ConfigurationError(f"{path} holds no file that ends in {', '.join(_ENDINGS)}, and no run")
    return path, files


def _file_rows(path: Path, called: str) -> Iterator[tuple[str, Row] | BadRow]:
    options = ReadOptions(max_bytes=_LARGEST_JSON)
    match path.suffix.lower():
        case ".parquet":
            return _placed(called, read_parquet(path), nulls=False)
        case ".jsonl":
            return _placed(called, read_jsonl(path, options), nulls=True, unit="line")
        case _:
            return _placed(called, read_json(path, options), nulls=True)


def _placed(
    called: str, rows: Iterator[tuple[int, Row | Unreadable]], *, nulls: bool, unit: str = "row"
) -> Iterator[tuple[str, Row] | BadRow]:
    """Yield each row with its place; a file that breaks off ends in a bad row, since what came before is good."""
    number = 0
    try:
        for number, row in rows:
            where = f"{called}, {unit} {number}"
            if isinstance(row, Unreadable):
                yield BadRow(where, "unreadable", str(row))
            else:
                yield where, row if nulls else _without_nulls(row)
    except (Unreadable, OSError) as error:
        yield BadRow(f"{called}, after {unit} {number}", "unreadable", one_line(error))


def read_parquet(path: Path) -> Iterator[tuple[int, Row]]:
    """Yield the rows of a Parquet file with all columns, numbered from 1; raises `Unreadable`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path, buffer_size=1 << 20) as file:
            for batch in file.iter_batches(batch_size=_BATCH):
                for number, row in enumerate(batch.to_pylist(), number + 1):  # noqa: B020
                    yield number, row
    except pa.ArrowException as error:
        raise Unreadable(one_line(error)) from error


def _without_nulls(value: Any) -> Any:
    """Return a columnar row without the nulls that its schema filled in where an object has no such key."""
    match value:
        case dict():
            return {key: _without_nulls(entry) for key, entry in value.items() if entry is not None}
        case list():
            return [_without_nulls(entry) for entry in value]
        case _:
            return value
