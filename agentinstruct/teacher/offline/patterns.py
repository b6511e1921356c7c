"""An example string for a regular expression of the plain kind that schemas hold."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib import import_module
from typing import Any

_parse: Any = import_module("re._parser").parse
_PLAIN = [chr(code) for code in range(ord("a"), ord("z") + 1)] + [chr(code) for code in range(ord(" "), ord("a"))]
_CLASSES = {"CATEGORY_DIGIT": "0123456789", "CATEGORY_SPACE": " ", "CATEGORY_NOT_WORD": "-"}


def example_of(pattern: str, preferred: str, least: int = 0, most: int | None = None, place: int = 0) -> str:
    """Return a string that `pattern` matches: `preferred` where it does; different `place`s vary where they can."""
    slug = re.sub(r"\W+", "-", preferred.lower()).strip("-")
    read = [_written(_parse(pattern), place, extra) for extra in range(40)]
    candidates = [preferred, preferred.lower(), preferred.upper(), slug, "1", "0.5", "a", *read]
    fitting = (each for each in candidates if least <= len(each) <= (most or len(each)) and re.search(pattern, each))
    return next(fitting, read[-1])


def _written(parts: Iterable[tuple[Any, Any]], place: int, extra: int) -> str:
    """Write out a parsed pattern, with `extra` more turns of each repetition that has room for them."""
    written = ""
    for number, (kind, value) in enumerate(parts):
        match str(kind):
            case "LITERAL":
                written += chr(value)
            case "ANY" | "NOT_LITERAL" | "IN":
                allowed = _allowed(str(kind), value)
                written += allowed[(place + number) % len(allowed)]
            case "BRANCH":
                written += _written(value[1][place % len(value[1])], place, extra)
            case "SUBPATTERN":
                written += _written(value[-1], place, extra)
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                fewest, most, inner = value
                turns = int(fewest) + min(extra, int(most) - int(fewest))
                written += "".join(_written(inner, place + turn, extra) for turn in range(turns))
    return written


def _allowed(kind: str, value: Any) -> list[str]:
    """Return the characters that may stand for a set."""
    if kind != "IN":
        return [each for each in _PLAIN if value is None or each != chr(value)]
    members: list[str] = []
    for what, inner in value:
        match str(what):
            case "LITERAL":
                members.append(chr(inner))
            case "RANGE":
                members += [chr(code) for code in range(inner[0], inner[1] + 1)]
            case "CATEGORY":
                members += _CLASSES.get(str(inner), "abcdefgh")
    return [each for each in _PLAIN if each not in members] if str(value[0][0]) == "NEGATE" else members
