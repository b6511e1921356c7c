"""Strangers' words made safe for a terminal: seeds, replies, file names and errors may hold its control sequences."""

from __future__ import annotations

import re

_DECEIVING = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # escape sequences, with their C1 forms, bells, and returns to a line's start
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks that reorder what is read
    "\u2028\u2029\ud800-\udfff\U000e0000-\U000e007f"
)
_IN_TEXT = re.compile(f"[{_DECEIVING}]")
_IN_LINE = re.compile(f"[{_DECEIVING}\t\n]")


def printable(text: object) -> str:
    """Return a text of any number of lines, with what a terminal would obey written out as `\\x1b`."""
    return _IN_TEXT.sub(_written_out, str(text))


def printable_line(text: object) -> str:
    """Return the same as one line, so that a name cannot pretend to be two."""
    return _IN_LINE.sub(_written_out, str(text))


def printable_json(text: str) -> str:
    """Return JSON that says the same, with such characters as `\\u001b` in its strings."""
    return _IN_TEXT.sub(lambda found: "".join(f"\\u{unit:04x}" for unit in _units(found[0])), text)


def _written_out(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def _units(character: str) -> list[int]:
    pair = character.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(pair[place : place + 2], "big") for place in range(0, len(pair), 2)]
