"""PDF: the text layer, by pypdf, with running heads taken off and lines joined to paragraphs.

pypdf (BSD, pure Python, no dependencies) reads what common tools write and caps what a compressed stream may unfold
to; PyMuPDF is faster, and AGPL. A scanned page has no text layer, and nothing here guesses one.
"""

from __future__ import annotations

import io
import logging
import re
from collections import Counter

from agentinstruct.readers.document import Document, Unreadable, foreign_parser

MOST_PAGES = 3000
_LARGEST_PAGE = 1_000_000  # bytes of instructions: a page of print has thousands, and 1.6 seconds are enough for a map
_MOST_INSTRUCTIONS = 30_000_000
_DIGITS = re.compile(r"\d+")
_SENTENCE_END = re.compile(r"[.!?:;…]['\")\]”’]*$")
_ITEM = re.compile(r"^(?:[•◦▪‣–*-]|\(?\d{1,3}[.)]|\[\w+\])\s")
_HYPHENATED = re.compile(r"[^\W\d_]{2}-$")
_NUMBER_ONLY = re.compile(r"^\W*(?:\d+|[ivxlc]+)\W*$")


def read_pdf(data: bytes) -> Document:
    """Return the text of a PDF; encrypted files and files without a text layer are `Unreadable`."""
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it comments on every flaw it can read past
    with foreign_parser("PDF"):
        import pypdf

        reader = pypdf.PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not _opens_without_password(reader):
            raise Unreadable("is encrypted with a password")
        if len(reader.pages) > MOST_PAGES:
            raise Unreadable(f"has {len(reader.pages)} pages, over the limit of {MOST_PAGES}")
        pages = _page_texts(reader)
        title = str(reader.metadata.title or "").strip() if reader.metadata else ""
    if not any(page.strip() for page in pages):
        raise Unreadable("has no extractable text (a scan?)")
    return Document(text=_paragraphs(_without_running_heads(pages)), title=title)


def _opens_without_password(reader: object) -> bool:
    """Many files are encrypted only to forbid printing and open with the empty password, as every viewer knows."""
    import pypdf
    from pypdf.errors import DependencyError

    assert isinstance(reader, pypdf.PdfReader)
    try:
        return bool(reader.decrypt(""))
    except (DependencyError, NotImplementedError):
        return False


def _page_texts(reader: object) -> list[str]:
    import pypdf

    assert isinstance(reader, pypdf.PdfReader)
    pages, instructions = [], 0
    for page in reader.pages:
        contents = page.get_contents()
        size = len(contents.get_data()) if contents is not None else 0
        if size > _LARGEST_PAGE:
            continue
        instructions += size
        if instructions > _MOST_INSTRUCTIONS:
            raise Unreadable(f"holds more than {_MOST_INSTRUCTIONS // 1_000_000} MB of instructions")
        pages.append(page.extract_text())
    return pages


def _without_running_heads(pages: list[str]) -> list[list[str]]:
    """Drop first and last lines that recur on three pages and more (numbers aside), and bare page numbers."""
    pages_of_lines = [[line.strip() for line in page.split("\n") if line.strip()] for page in pages]
    edges = Counter(_DIGITS.sub("#", line) for lines in pages_of_lines for line in {*lines[:1], *lines[-1:]})

    def is_furniture(line: str) -> bool:
        return edges[_DIGITS.sub("#", line)] >= 3 or bool(_NUMBER_ONLY.match(line))

    for lines in pages_of_lines:
        while lines and is_furniture(lines[-1]):
            lines.pop()
        while lines and is_furniture(lines[0]):
            lines.pop(0)
    return pages_of_lines


def _paragraphs(pages: list[list[str]]) -> str:
    """Join lines broken to fit the page: one that ends a sentence well short of the margin ends a paragraph."""
    lines = [line for page in pages for line in page]
    lengths = sorted(len(line) for line in lines)
    margin = lengths[int(len(lengths) * 0.9)] if lengths else 0
    blocks: list[str] = []
    open_block = False
    for line in lines:
        if not open_block or _ITEM.match(line):
            blocks.append(line)
        elif _HYPHENATED.search(blocks[-1]) and line[:1].islower():
            blocks[-1] = blocks[-1][:-1] + line
        else:
            blocks[-1] += " " + line
        full = len(line) > 0.75 * margin
        open_block = full if _SENTENCE_END.search(line) else (full or len(line) > 0.5 * margin)
    return "\n\n".join(blocks)
