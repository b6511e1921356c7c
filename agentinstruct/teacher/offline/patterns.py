"""An example string for a regular expression of the plain kind that schemas hold."""

from __future__ import annotations

import re
import string

_CLASSES = {"d": "0123456789", "w": string.ascii_lowercase + string.digits, "s": " ", "D": "abc", "W": "-", "S": "abc"}


def example_of(pattern: str, preferred: str, least: int = 0, most: int | None = None, place: int = 0) -> str:
    """Return a string that `pattern` matches: `preferred` where it does; different `place`s vary where they can."""
    candidates = [
        preferred,
        preferred.lower(),
        preferred.upper(),
        re.sub(r"\W+", "-", preferred.lower()).strip("-"),
        "1",
        "0.5",
        "a",
    ]
    for extra in range(0, 40):
        try:
            candidates.append(_Reader(pattern, place, extra).alternatives())
        except (IndexError, ValueError):
            break
    usable = [
        text
        for text in candidates
        if len(text) >= least and (most is None or len(text) <= most) and re.search(pattern, text)
    ]
    return usable[0] if usable else candidates[-1]


class _Reader:
    """Reads a pattern from left to right and writes the shortest match, with `extra` more turns of open repetitions."""

    def __init__(self, pattern: str, place: int, extra: int) -> None:
        self._pattern = pattern
        self._at = 0
        self._place = place
        self._extra = extra

    def alternatives(self) -> str:
        """Read up to the end or a closing bracket; the first alternative counts, or a later one for a later place."""
        options = [self._sequence()]
        while self._peek() == "|":
            self._at += 1
            options.append(self._sequence())
        return options[self._place % len(options)]

    def _peek(self) -> str:
        return self._pattern[self._at] if self._at < len(self._pattern) else ""

    def _take(self) -> str:
        character = self._pattern[self._at]
        self._at += 1
        return character

    def _sequence(self) -> str:
        written = ""
        while self._peek() not in ("", "|", ")"):
            unit = self._unit()
            least, most = self._repetition()
            turns = least + min(self._extra, most - least)
            written += "".join(unit[(self._place + turn) % len(unit)] for turn in range(turns)) if unit else ""
        return written

    def _unit(self) -> list[str]:
        """Return the strings that the next unit may stand for."""
        match self._take():
            case "^" | "$":
                return []
            case ".":
                return list("abcdefgh")
            case "[":
                return list(self._set())
            case "(":
                return self._group()
            case "\\":
                escaped = self._take()
                if escaped in "bBAZz":
                    return []
                return list(_CLASSES.get(escaped, {"n": "\n", "t": "\t"}.get(escaped, escaped)))
            case literal:
                return [literal]

    def _group(self) -> list[str]:
        ignored = False
        if self._peek() == "?":
            self._at += 1
            kind = self._take()
            if kind in "!=":
                ignored = True
            elif kind == "<":
                ignored = self._peek() in "!="
                self._at += 1
            elif kind == "P":
                self._at = self._pattern.index(">", self._at) + 1
        inner = self.alternatives()
        self._take()
        return [] if ignored else [inner]

    def _set(self) -> str:
        negated = self._peek() == "^"
        self._at += negated
        members = ""
        while self._peek() != "]" or not members:
            character = self._take()
            if character == "\\":
                escaped = self._take()
                members += _CLASSES.get(escaped, escaped)
            elif self._peek() == "-" and self._pattern[self._at + 1] != "]":
                self._at += 1
                members += "".join(chr(code) for code in range(ord(character), ord(self._take()) + 1))
            else:
                members += character
        self._at += 1
        return (
            "".join(c for c in string.ascii_lowercase + string.digits + "-_ " if c not in members)
            if negated
            else members
        )

    def _repetition(self) -> tuple[int, int]:
        match self._peek():
            case "*":
                bounds = (0, 1_000)
            case "+":
                bounds = (1, 1_000)
            case "?":
                bounds = (0, 1)
            case "{":
                end = self._pattern.index("}", self._at)
                low, _, high = self._pattern[self._at + 1 : end].partition(",")
                bounds = (
                    int(low or 0),
                    int(high) if high else int(low or 0) + (1_000 if "," in self._pattern[self._at : end] else 0),
                )
                self._at = end
            case _:
                return 1, 1
        self._at += 1
        if self._peek() in ("?", "+"):
            self._at += self._peek() != ""
        return bounds
