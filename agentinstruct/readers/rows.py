"""One row of a table to one document: which column is the text, and which number is the answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any, cast, get_args

from agentinstruct.readers.document import Document, ReadOptions, Unreadable
from agentinstruct.records import SeedKind

TEXT_COLUMNS: tuple[str, ...] = (
    "text",
    "content",
    "passage",
    "context",
    "document",
    "article",
    "markdown",
    "body",
    "code",
    "story",
)
TEXT_COLUMNS += ("abstract", "chapter", "problem", "question")
ANSWER_COLUMNS = ("final_answer", "answer", "solution", "expected_answer", "target")
_FACT_COLUMNS = ("id", "title", "license", "licence", "url", "source", "kind", "language", "lang")
KNOWN_COLUMNS = {*TEXT_COLUMNS, *ANSWER_COLUMNS, *_FACT_COLUMNS}
_STORY_COLUMNS = {"body", "question", "answer"}
_PROBLEM_COLUMNS = ("problem", "question")
_LONGEST_ROW = 10_000_000  # characters
_BOXED = re.compile(r"\\(?:boxed|fbox)\s*\{")
_FRACTION = re.compile(r"\\[dt]?frac\s*\{\s*(-?\d+)\s*\}\s*\{\s*(\d+)\s*\}")
_NUMBER = re.compile(
    r"^(?:[A-Za-z]\w{0,11}\s*=\s*)?([-+]?)\s*[$€£]?\s*([-+]?(?:\d[\d,]*(?:\.\d*)?|\.\d+)(?:\s*/\s*\d+)?)\s*"
    r"(?:%|\(?[A-Za-z][A-Za-z.²³/ ]{0,40}\)?)?$"
)
_KINDS: tuple[str, ...] = get_args(SeedKind)


def find_text_column(columns: Iterable[str], options: ReadOptions) -> str:
    """Return the column that holds the text; raises `Unreadable` naming the columns there are."""
    columns = list(columns)
    if options.text_column is not None:
        if options.text_column in columns:
            return options.text_column
        raise Unreadable(f"has no column {options.text_column!r}; it has {_listed(columns)}")
    by_name = {column.lower(): column for column in reversed(columns)}
    if by_name.keys() >= _STORY_COLUMNS:
        return by_name["question"]
    found = next((by_name[name] for name in TEXT_COLUMNS if name in by_name), None)
    if found is None:
        raise Unreadable(f"has no column known to hold text; it has {_listed(columns)}: say which is the text column")
    return found


def document_of(
    row: Mapping[str, Any], text_column: str, options: ReadOptions, *, file_kind: SeedKind | None = None
) -> Document:
    """Return the row as a document; raises `Unreadable`. `file_kind` is what the whole file is said to hold."""
    by_name = {name.lower(): value for name, value in row.items()}
    text = row.get(text_column)
    if text is None or text == "":
        raise Unreadable(f"has no {text_column!r}")
    if not isinstance(text, str):
        raise Unreadable(f"has no text in {text_column!r} but a {type(text).__name__}")
    if len(text) > _LONGEST_ROW:
        raise Unreadable(f"holds {len(text):,} characters, over the limit of {_LONGEST_ROW:,}")
    answer_column = _answer_column(row, options)
    answered = answer_column is not None
    is_problem = answered and (text_column.lower() in _PROBLEM_COLUMNS or options.answer_column is not None)
    guessed: SeedKind = "math" if is_problem else "code" if text_column.lower() == "code" else "text"
    kind = options.kind or _stated_kind(by_name) or file_kind or guessed
    document = Document(
        text=text,
        kind=kind,
        id=_stated(by_name, "id"),
        title=_stated(by_name, "title"),
        license=_stated(by_name, "license", "licence"),
        source=_stated(by_name, "url", "source"),
    )
    if kind == "code" and (language := _stated(by_name, "language", "lang")):
        document.meta["language"] = language.lower()
    if kind != "math":
        return document
    if answer_column is None:
        raise Unreadable("is a problem without an answer column")
    document.meta["answer"] = plain_number(row[answer_column])
    return document if text_column.lower() != "question" else _with_story(document, by_name)


def plain_number(value: object) -> str:
    r"""Return an answer as a bare number: what follows `####`, what stands in the last `\boxed{}`, or all of it.

    Commas, currency and one unit are taken off; `Unreadable` where no single number is left.
    """
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return _canonical(str(value), value)
    if not isinstance(value, str) or not value.strip():
        raise Unreadable("has no answer")
    text = value.rpartition("####")[2] if "####" in value else _boxed(value)
    text = text.replace("\\$", "$").replace("\\%", "%").replace("\\!", "").replace("{,}", ",").replace("−", "-")
    text = _FRACTION.sub(r"\1/\2", text).strip(" \n\t$").rstrip(".").strip()
    match = _NUMBER.match(text[:200])
    if match is None or len(text) > 200:
        raise Unreadable(f"has no number for an answer: {' '.join(text.split())[:60]!r}")
    return _canonical(match[1] + match[2], value)


def _canonical(text: str, value: object) -> str:
    text = text.replace(",", "").replace(" ", "")
    numerator, slash, denominator = text.partition("/")
    try:
        number = Decimal(numerator)
    except InvalidOperation as error:
        raise Unreadable(f"has no number for an answer: {str(value)[:60]!r}") from error
    if not number.is_finite() or abs(number.adjusted()) > 30 or (slash and not int(denominator)):
        raise Unreadable(f"has no usable number for an answer: {str(value)[:60]!r}")
    plain = f"{number:f}"
    plain = (plain.rstrip("0").rstrip(".") if "." in plain else plain) or "0"
    return ("0" if plain == "-0" else plain) + slash + denominator


def _boxed(text: str) -> str:
    boxes = list(_BOXED.finditer(text))
    if not boxes:
        return text
    last = boxes[-1]
    depth, position = 1, last.end()
    while position < len(text) and depth:
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        position += 1
    return text[last.end() : position - 1]


def _answer_column(row: Mapping[str, Any], options: ReadOptions) -> str | None:
    if options.answer_column is not None:
        if options.answer_column in row:
            return options.answer_column
        raise Unreadable(f"has no answer column {options.answer_column!r}; it has {_listed(row)}")
    by_name = {name.lower(): name for name in row}
    return next((by_name[name] for name in ANSWER_COLUMNS if name in by_name), None)


def _with_story(document: Document, row: Mapping[str, Any]) -> Document:
    """Put the story before its question: some sets keep the two in columns `body` and `question`."""
    body = _stated(row, "body")
    return replace(document, text=f"{body} {document.text}") if body else document


def _stated_kind(row: Mapping[str, Any]) -> SeedKind | None:
    kind = _stated(row, "kind").lower()
    return cast(SeedKind, kind) if kind in _KINDS else None


def _stated(row: Mapping[str, Any], *names: str) -> str:
    """Return the first of these columns that says something, as one line."""
    for name in names:
        value = row.get(name)
        if isinstance(value, list | tuple):
            value = ", ".join(str(part) for part in value if isinstance(part, str | int))
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            return " ".join(str(value).split())[:1000]
    return ""


def _listed(columns: Iterable[str]) -> str:
    names = [str(column)[:40] for column in columns]
    return "no columns" if not names else ", ".join(names[:20]) + (" and more" if len(names) > 20 else "")
