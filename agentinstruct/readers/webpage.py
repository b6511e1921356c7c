"""HTML: the main text of a page as Markdown, by trafilatura.

trafilatura (Apache-2.0) is the extractor that the large web corpora were made with and leads the published comparisons;
on 150 documentation pages it took 29 ms a page and left none empty. It stands on lxml, whose parser bounds nesting.
Selectors of one's own over lxml or selectolax would weigh less and keep menus and footers in the text.
"""

from __future__ import annotations

import logging
import re

from agentinstruct.readers.decode import decode
from agentinstruct.readers.document import Document, Unreadable, foreign_parser

LARGEST = 3_000_000  # bytes: 12 seconds and 0.5 GB for pages made to be slow
_CHARSET = re.compile(rb"charset\s*=\s*[\"']?\s*([\w-]{2,40})", re.IGNORECASE)
_HEADING = re.compile(r"^#{1,6} .+$", re.MULTILINE)
_INLINE_HEADING = re.compile(r"^ +(?=#{1,6} )", re.MULTILINE)
_AFTER_FENCE = re.compile(r"^```\n +(?=\S)", re.MULTILINE)
_INDENTED = re.compile(r"^ {3,}(?![-*+]|\d+\.)")
_ESCAPED = re.compile(r"\\([_<>*#\[\]~|])")
_TITLE = re.compile(r"^#{1,2} (.+)$", re.MULTILINE)


def read_html(data: bytes) -> Document:
    """Return a page's main text; menus, scripts, comments and footers are left out."""
    if len(data) > LARGEST:
        raise Unreadable(f"is {len(data) / 1e6:.0f} MB of HTML, over the limit of {LARGEST // 1_000_000} MB")
    declared = _CHARSET.search(data[:4096])
    page = decode(data, declared[1].decode("ascii") if declared else "")
    with foreign_parser("HTML"):
        import trafilatura

        logging.getLogger("trafilatura").setLevel(logging.CRITICAL)  # it reports a page without text as an error
        text = trafilatura.extract(
            page, output_format="markdown", include_comments=False, include_formatting=True, favor_recall=True
        )
    if not text:
        raise Unreadable("has no main text")
    text = _unindented(text)
    text = _INLINE_HEADING.sub("", _AFTER_FENCE.sub("```\n\n", text))
    text = _ESCAPED.sub(r"\1", _HEADING.sub(lambda heading: heading[0].rstrip(" #¶§"), text))
    title = _TITLE.search(text)
    return Document(text=text, title=title[1] if title else "")


def _unindented(text: str) -> str:
    """Take off the indentation that a page's source had within its paragraphs; code keeps its own."""
    lines, fenced = text.split("\n"), False
    for number, line in enumerate(lines):
        if line.startswith("```"):
            fenced = not fenced
        elif not fenced:
            lines[number] = _INDENTED.sub("", line)
    return "\n".join(lines)
