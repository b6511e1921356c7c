"""Long prose into pieces at paragraph borders, from the front: what is added at the end changes no earlier piece.

A heading stays with what follows it. A paragraph is divided only where it alone is over the limit, then between
sentences (lines, in lists, tables and fenced code), and a sentence only where it alone is over the limit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

_FENCE = re.compile(r"^[ \t]{0,3}(```|~~~)")
_HEADING = re.compile(r"^#{1,6}[ \t]+\S")
_UNDERLINE = re.compile(r"^([=\-~^\"*+#])\1{2,}$")
_LINE_WISE = re.compile(r"^[ \t]*(?:[-*+•|>]|\d{1,3}[.)]|```|~~~)[ \t|]?")
_SENTENCE_END = re.compile(r"[.!?…][\"')\]”’*_]*\s+|[。！？]\s*")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\[\"“])(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|St|Sr|Jr|vs|cf|Fig|No|al|approx|ca|resp|[a-z](?:\.[a-z])+)\.\s+$"
)


@dataclass(frozen=True, slots=True)
class _Unit:
    """A stretch that stays whole, and the blanks that stood before it."""

    before: str
    text: str
    heading: bool = False

    def __len__(self) -> int:
        return len(self.before) + len(self.text)


def split_text(text: str, limit: int) -> list[str]:
    """Return `text` in pieces of at most `limit` characters; only the blanks between pieces are lost."""
    if len(text) <= limit:
        return [text] if text.strip() else []
    pieces: list[str] = []
    piece = ""
    for group in _groups(text, limit):
        addition = "".join(unit.before + unit.text for unit in group)
        # Past half of the limit a new section starts a new piece: seeds then tend to be about one thing.
        opens_section = group[0].heading and len(piece) > limit // 2
        if piece and (opens_section or len(piece) + len(addition) > limit):
            pieces.append(piece)
            piece = ""
        piece = piece + addition if piece else addition[len(group[0].before) :]
    return [*pieces, piece] if piece.strip() else pieces


def _groups(text: str, limit: int) -> Iterator[list[_Unit]]:
    """Yield what must stay together: headings with the paragraph, or its first sentence, below them."""
    headings: list[_Unit] = []
    size = 0
    for block in _blocks(text):
        if block.heading and len(block) <= limit // 4:
            if size + len(block) > limit // 2:
                yield headings
                headings, size = [], 0
            headings.append(block)
            size += len(block)
            continue
        units = [block] if len(block) + size <= limit else list(_divided(block, limit))
        if headings and len(units[0]) + size > limit:
            yield headings
            headings = []
        yield [*headings, units[0]]
        yield from ([unit] for unit in units[1:])
        headings, size = [], 0
    if headings:
        yield headings


def _blocks(text: str) -> Iterator[_Unit]:
    """Yield paragraphs; fenced code is one paragraph, whatever empty lines are in it."""
    lines: list[str] = []
    fence = ""
    for line in text.split("\n"):
        mark = _FENCE.match(line)
        if not fence and not mark and (not line.strip() or _HEADING.match(line)):
            yield from [_block(lines)] if lines else []
            yield from [_block([line])] if line.strip() else []
            lines = []
            continue
        lines.append(line)
        if mark and fence in ("", mark[1]):
            fence = "" if fence else mark[1]
    if lines:
        yield _block(lines)


def _block(lines: list[str]) -> _Unit:
    underlined = len(lines) == 2 and len(lines[0]) < 200 and bool(_UNDERLINE.match(lines[1].strip()))
    return _Unit("\n\n", "\n".join(lines), heading=underlined or (len(lines) == 1 and bool(_HEADING.match(lines[0]))))


def _divided(block: _Unit, limit: int) -> Iterator[_Unit]:
    """Yield a paragraph's sentences or lines, each at most `limit` long, the first set off like the paragraph."""
    lines = block.text.split("\n")
    line_wise = sum(bool(_LINE_WISE.match(line)) for line in lines) > len(lines) // 3 or bool(_FENCE.match(lines[0]))
    units = [_Unit("\n", line) for line in lines] if line_wise else list(_sentences(block.text))
    units[0] = replace(units[0], before=block.before)
    for unit in units:
        if len(unit) <= limit:
            yield unit
        else:
            yield from _cut(unit, limit)


def _sentences(text: str) -> Iterator[_Unit]:
    start, before = 0, ""
    for match in _SENTENCE_END.finditer(text):
        if _ABBREVIATION.search(text, max(start, match.start() - 12), match.end()):
            continue
        sentence = text[start : match.end()].rstrip()
        yield _Unit(before, sentence)
        before, start = _blank(text[start + len(sentence) : match.end()]), match.end()
    if start < len(text):
        yield _Unit(before, text[start:])


def _cut(unit: _Unit, limit: int) -> Iterator[_Unit]:
    """Yield a sentence that no piece can hold, cut between words, or anywhere if it has no blanks."""
    rest, before = unit.text, unit.before
    while rest:
        room = limit - len(before)
        end = len(rest) if len(rest) <= room else max(rest.rfind(" ", 0, room + 1), rest.rfind("\n", 0, room + 1))
        if end <= room // 2:
            end = room
        taken, remaining = rest[:end], rest[end:]
        yield _Unit(before, taken)
        rest = remaining.lstrip()
        before = _blank(remaining[: len(remaining) - len(rest)])


def _blank(blanks: str) -> str:
    """Return one blank for a run of them: a run can be longer than a piece."""
    return "\n" if "\n" in blanks else blanks[:1]
