"""Sources to seeds, one at a time: each file goes to the reader that its name asks for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from agentinstruct.errors import SeedError
from agentinstruct.readers import tables
from agentinstruct.readers.code import language_of, language_of_script, read_code
from agentinstruct.readers.decode import decode, is_binary
from agentinstruct.readers.document import Document, ReadOptions, Skipped, Unreadable
from agentinstruct.readers.duplicates import Duplicates
from agentinstruct.readers.origins import Origin, Origins
from agentinstruct.readers.pdf import read_pdf
from agentinstruct.readers.pieces import seeds_of
from agentinstruct.readers.prose import read_markdown, read_text
from agentinstruct.readers.restructured import read_rst
from agentinstruct.readers.rows import document_of, find_text_column
from agentinstruct.readers.walk import RECORDING_NAME, SOURCES_NAME, Found, find_files
from agentinstruct.readers.webpage import read_html
from agentinstruct.records import Seed

_TEXT_READERS: dict[str, Callable[[str], Document]] = {
    **dict.fromkeys((".txt", ".text", ".adoc", ".asciidoc", ".org"), read_text),
    **dict.fromkeys((".md", ".markdown", ".mdx", ".rmd", ".qmd"), read_markdown),
    **dict.fromkeys((".rst", ".rest"), read_rst),
}
_BYTE_READERS: dict[str, Callable[[bytes], Document]] = {
    **dict.fromkeys((".html", ".htm", ".xhtml"), read_html),
    ".pdf": read_pdf,
}
_ROW_READERS: dict[str, Callable[[Path, ReadOptions], Iterator[tables.Row]]] = {
    **dict.fromkeys((".jsonl", ".ndjson"), tables.read_jsonl),
    **dict.fromkeys((".csv", ".tsv"), tables.read_csv),
    ".json": tables.read_json,
    ".parquet": tables.read_parquet,
}
_IMAGES = (".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp", ".ico", ".bmp", ".tif", ".tiff")
_ARCHIVES = (".zip", ".gz", ".bz2", ".xz", ".zst", ".tar", ".tgz", ".7z", ".rar", ".whl", ".jar", ".deb", ".rpm")
_NO_SEEDS = {
    **dict.fromkeys(_IMAGES, "is an image"),
    **dict.fromkeys(_ARCHIVES, "is an archive: unpack it"),
}
_PROSE_NAMES = re.compile(
    r"^(?:readme|news|change(?:log|s)|history|todo|install|faq|hacking|contributing)\b", re.IGNORECASE
)
Item = Seed | Skipped


def read_seeds(sources: Sequence[str | Path], *, options: ReadOptions) -> Iterator[Item]:
    """Return the seeds of files, folders, globs and `hf:` names, in order, with a `Skipped` for whatever is none.

    Nothing is read before the first seed is asked for, and one document at a time after that. Raises `SeedError` at
    once for a source that is not there or matches nothing, and later for a named file of rows without a text column.
    """
    if not sources:
        raise SeedError("no source of seeds was given: name a file, a folder, a glob or hf:NAME")
    listings = [_listing(str(source), options) for source in sources]
    return _distinct(item for listing in listings for item in listing())


def _listing(source: str, options: ReadOptions) -> Callable[[], Iterator[tuple[Seed, str] | Skipped]]:
    if source.startswith("hf:"):
        return lambda: _read_dataset(source.removeprefix("hf:"), options)
    find = find_files(source)
    is_named = Path(source).expanduser().is_file()
    return lambda: _read_found(find(), options, is_named=is_named)


def _distinct(items: Iterable[tuple[Seed, str] | Skipped]) -> Iterator[Item]:
    duplicates = Duplicates()
    for item in items:
        if isinstance(item, Skipped):
            yield item
            continue
        seed, place = item
        reason = duplicates.reason(seed, place)
        yield Skipped(source=place, reason=reason) if reason else seed


def _read_found(
    found: Iterable[Found | Skipped], options: ReadOptions, *, is_named: bool
) -> Iterator[tuple[Seed, str] | Skipped]:
    origins = Origins()
    for entry in found:
        if isinstance(entry, Skipped):
            yield entry
            continue
        path, root = entry
        if path.name in (SOURCES_NAME, RECORDING_NAME):
            continue
        try:
            origin = origins.of(path, root)
            if path.suffix.lower() in _ROW_READERS:
                yield from _read_rows(path, origin, options, is_named=is_named)
            else:
                document = _read_document(path, options, is_named=is_named)
                kind = options.kind or origin.kind or document.kind
                yield from seeds_of(replace(document, path=_storable(path), kind=kind), origin, options)
        except Unreadable as error:
            yield Skipped(source=path.as_posix(), reason=str(error))
        except OSError as error:
            yield Skipped(source=path.as_posix(), reason=f"cannot be read: {error.strerror or error}")


def _storable(path: Path) -> str:
    """Return a path as text that any file can hold: names on disk may be no UTF-8."""
    return path.as_posix().encode("utf-8", "backslashreplace").decode("utf-8")


def _read_document(path: Path, options: ReadOptions, *, is_named: bool) -> Document:
    """Return what one file holds; whatever keeps it from being a seed is raised as `Unreadable`."""
    suffix = path.suffix.lower()
    if not path.is_file():
        raise Unreadable("is not a regular file")
    if suffix in _NO_SEEDS:
        raise Unreadable(_NO_SEEDS[suffix])
    language = language_of(path.name)
    known = language or suffix in _TEXT_READERS or suffix in _BYTE_READERS
    if not (known or is_named or not suffix or _PROSE_NAMES.match(path.name)):
        raise Unreadable(f"is of a kind that has no reader: {suffix!r}")
    data = _read_bytes(path, options, is_text=suffix != ".pdf")
    if read_bytes := _BYTE_READERS.get(suffix):
        return read_bytes(data)
    language = language or ("" if suffix else language_of_script(data))
    if language:
        return replace(read_code(decode(data), language), title=path.name)
    return _TEXT_READERS.get(suffix, read_text)(decode(data))


def _read_bytes(path: Path, options: ReadOptions, *, is_text: bool) -> bytes:
    size = path.stat().st_size
    if size > options.max_bytes:
        raise Unreadable(f"is {size / 1e6:.0f} MB, over the limit of {options.max_bytes / 1e6:.0f} MB for one document")
    with path.open("rb") as file:
        head = file.read(8192)
        if not head:
            raise Unreadable("is empty")
        if is_text and head[:2] not in (b"\xff\xfe", b"\xfe\xff") and head[:4] != b"\0\0\xfe\xff" and is_binary(head):
            raise Unreadable("is binary")
        return head + file.read()


def _read_rows(
    path: Path, origin: Origin, options: ReadOptions, *, is_named: bool
) -> Iterator[tuple[Seed, str] | Skipped]:
    if not path.is_file():
        raise Unreadable("is not a regular file")
    if not path.stat().st_size:
        raise Unreadable("is empty")
    yield from _row_seeds(
        _storable(path), _ROW_READERS[path.suffix.lower()](path, options), origin, options, is_named=is_named
    )


def _read_dataset(name: str, options: ReadOptions) -> Iterator[tuple[Seed, str] | Skipped]:
    license_, rows = tables.read_dataset(name, options)
    place = f"hf:{name}/{options.config}" if options.config else f"hf:{name}"
    yield from _row_seeds(f"{place}[{options.split}]", rows, Origin(license=license_), options, is_named=True)


def _row_seeds(
    place: str, rows: Iterable[tables.Row], origin: Origin, options: ReadOptions, *, is_named: bool
) -> Iterator[tuple[Seed, str] | Skipped]:
    """Yield the seeds of a table; one whose first row has no text column is left at once, as a whole."""
    columns: dict[tuple[str, ...], str] = {}
    for number, row in rows:
        try:
            if isinstance(row, Unreadable):
                raise row
            names = tuple(row)
            if names not in columns:
                if len(columns) > 100:
                    del columns[next(iter(columns))]
                columns[names] = _text_column(names, options, place if is_named and not columns else "")
            document = document_of(row, columns[names], options, file_kind=origin.kind)
            yield from seeds_of(replace(document, path=f"{place}:{number}"), origin, options)
        except Unreadable as error:
            if not columns and not isinstance(row, Unreadable):
                yield Skipped(source=place, reason=str(error))
                return
            yield Skipped(source=f"{place}:{number}", reason=str(error))


def _text_column(names: tuple[str, ...], options: ReadOptions, named: str) -> str:
    try:
        return find_text_column(names, options)
    except Unreadable as error:
        if named:  # the person pointed at this very file: that is a mistake to be told about, not to be skipped
            raise SeedError(f"{named} {error}") from error
        raise
