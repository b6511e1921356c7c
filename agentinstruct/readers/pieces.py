"""One document to its seeds: tidied, split to size, labelled, without pieces too poor to ask about."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from agentinstruct.readers.code import split_code
from agentinstruct.readers.decode import tidy
from agentinstruct.readers.document import Document, ReadOptions, Skipped, Unreadable
from agentinstruct.readers.origins import Origin
from agentinstruct.readers.split import split_text
from agentinstruct.records import Seed

_UNSAID = {"", "unknown", "none", "null", "n/a", "unlicensed"}
FEWEST_WORDS = 20  # below it nothing can be asked that the text does not plainly repeat
_WORD = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{1,2}|[^\W\u0e00-\u0eff\u3040-\uffff]+")


def seeds_of(document: Document, origin: Origin, options: ReadOptions) -> Iterator[tuple[Seed, str] | Skipped]:
    """Yield the pieces of one document, each with the place a person would look it up at."""
    kind = document.kind
    if kind == "math" and "answer" not in document.meta:
        raise Unreadable("is not a problem with an answer: math seeds are rows with an answer column")
    text = tidy(document.text, empty_lines=2 if kind == "code" else 1)
    pieces = _pieces(text, document, options)
    if not pieces:
        raise Unreadable("is empty")
    licences = (document.license, origin.license, options.license or "")
    license_ = next((tidy(said) for said in licences if said.strip().lower() not in _UNSAID), "unknown")
    title = tidy(origin.title or document.title)
    stated = tidy(document.source or origin.source)
    # Words such as "written for this project" say where a text is from and not where to find it: that is the path then.
    source = stated if "://" in stated else document.path
    known = {"path": document.path, "title": title, "origin": stated}
    shared: dict[str, Any] = {**{name: said for name, said in known.items() if said}, **document.meta}
    for number, piece in enumerate(pieces, 1):
        place = document.path if len(pieces) == 1 else f"{document.path} (part {number} of {len(pieces)})"
        if kind != "math" and (poverty := _poverty(piece, kind)):
            yield Skipped(source=place, reason=poverty)
            continue
        fields: dict[str, Any] = {
            "kind": kind,
            "license": license_,
            "source": source,
        }
        if document.id:
            fields["id"] = document.id if number == 1 else f"{document.id}/{number}"
        parts = {"part": number, "parts": len(pieces)} if len(pieces) > 1 else {}
        yield Seed.of(piece, meta={**shared, **parts}, **fields), place


def _pieces(text: str, document: Document, options: ReadOptions) -> list[str]:
    if document.kind == "math":
        if len(text) > options.seed_characters:
            raise Unreadable(f"is a problem of {len(text):,} characters, larger than a seed may be (--seed-tokens)")
        return [text]
    if document.kind == "code":
        return split_code(text, options.seed_characters, str(document.meta.get("language", "")))
    return split_text(text, options.seed_characters)


def _poverty(text: str, kind: str) -> str:
    """Return why there is too little in a piece to ask about, or nothing."""
    words = len(_WORD.findall(text))
    if words < FEWEST_WORDS:
        return f"has only {words} words"
    if kind == "code":
        return ""
    lines = [line for line in text.split("\n") if line.strip()]
    if len(lines) >= 20 and words < 2.5 * len(lines):
        return "is a list of words"
    letters = sum(map(str.isalpha, text))
    visible = sum(not character.isspace() for character in text)
    return f"is hardly prose: {100 * letters // visible}% of it are letters" if 2 * letters < visible else ""
