"""The numbers, years and names that a sentence mentions, each with its place."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from agentinstruct.teacher.offline.reading.lexicon import STOP_WORDS, words_in
from agentinstruct.teacher.offline.reading.sentences import SENTENCES_KEPT

_SMALL = words_in(
    """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen twenty
    """
)
_TENS = dict(zip(["thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], range(30, 100, 10), strict=True))
NUMBER_WORDS: dict[str, int] = {word: value for value, word in enumerate(_SMALL)} | _TENS
_MAGNITUDES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
MONTHS = words_in(
    """
    January February March April May June July August September October November December
    """
)
_CALENDAR = frozenset([*MONTHS, *["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]])

_NUMBER = re.compile(
    r"(?<![\w.,£$€])(?:(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)|(?P<word>"
    + "|".join(NUMBER_WORDS)
    + r"))"
    r"(?P<magnitude>\s(?:hundred|thousand|million|billion))?(?![\w]|[-–/]\w|\.\d|,\d)",
    re.I,
)
"""A number in figures or words, with `million` and the like; no part of a code, a range or a price."""
_YEAR_BEFORE = re.compile(
    r"(?:\b(?:in|by|since|from|until|till|to|and|or|before|after|during|around|about|between|of|year|late|early|circa|"
    + "|".join(MONTHS)
    + r")(?: the year)?,? |\()$",
    re.I,
)
"""Words after which four figures are a year: `in 1843`, `May 1843`, `(1843`."""
_HEDGE = re.compile(
    r"(?:more than|less than|fewer than|at least|at most|up to|over|under|about|around|nearly|almost|roughly|"
    r"approximately|"
    r"some|between|from|to|and|or|only|as many as|as much as|within|every|per|chapter|figure|table|version|page|"
    r"section|no\.|number) $",
    re.I,
)
"""Words before a number that make it rough, one of several, or a label: `nearly 40`, `page 40`."""
_NAME = re.compile(
    r"(?:[A-Z][\w’'-]*[\w]|[A-Z])(?:(?: (?:of|de|da|del|van|von|der|la|le|al|the)(?= [A-Z]))*(?:(?: (?:of the|of|"
    r"de|van|von|der|la|le|the))? [A-Z][\w’'-]*[\w]| [A-Z]\.))*"
)


@dataclass(frozen=True, slots=True)
class Number:
    """A number in a sentence: its words, value, place, and the word it counts."""

    text: str
    value: float
    start: int
    year: bool
    hedged: bool
    unit: str

    @property
    def end(self) -> int:
        """Where it stops in the sentence."""
        return self.start + len(self.text)


NameKind = Literal["person", "place", "other"]


@dataclass(frozen=True, slots=True)
class Name:
    """A name in a sentence, its place, and what it seems to name."""

    text: str
    start: int
    kind: NameKind

    @property
    def end(self) -> int:
        """Where it stops in the sentence."""
        return self.start + len(self.text)


def numbers_of(text: str) -> list[Number]:
    """Return the cardinal numbers and years of `text`, in order; `one` counts only before a noun it clearly counts."""
    return list(_numbers_of(text))


@lru_cache(maxsize=SENTENCES_KEPT)
def _numbers_of(text: str) -> tuple[Number, ...]:
    found = []
    for match in _NUMBER.finditer(text):
        before, after = text[: match.start()], text[match.end() :]
        words = re.match(r"(?:\s+|-)?((?:[a-z]+(?:-[a-z]+)*)?(?: [a-z]+)?)", after)
        unit = words[1].strip() if words else ""
        magnitude = (match["magnitude"] or "").strip().lower()
        value = (
            float(match["digits"].replace(",", "")) if match["digits"] else float(NUMBER_WORDS[match["word"].lower()])
        )
        whole = bool(match["digits"]) and re.fullmatch(r"1\d{3}|20\d{2}", match["digits"]) is not None
        year = whole and not magnitude and bool(_YEAR_BEFORE.search(before)) and not _counts(unit)
        if match["word"] and match["word"].lower() == "one":
            continue
        found.append(
            Number(
                match.group(),
                value * _MAGNITUDES.get(magnitude, 1),
                match.start(),
                year,
                bool(_HEDGE.search(before)),
                unit,
            )
        )
    return tuple(found)


def _counts(unit: str) -> bool:
    first = unit.split(" ", maxsplit=1)[0]
    return bool(first) and first.endswith("s") and first not in STOP_WORDS and first not in ("was", "is", "has")


def years_of(text: str) -> list[Number]:
    """Return the numbers of `text` that are years."""
    return [number for number in numbers_of(text) if number.year]


def value_of(text: str) -> float | None:
    """Return the one number that `text` holds, or None."""
    found = list(_NUMBER.finditer(text))
    if len(found) != 1:
        return None
    match = found[0]
    value = float(match["digits"].replace(",", "")) if match["digits"] else float(NUMBER_WORDS[match["word"].lower()])
    return value * _MAGNITUDES.get((match["magnitude"] or "").strip().lower(), 1)


def plain_number(value: float) -> str:
    """Write `value` with digits only, without a needless fraction."""
    return str(int(value)) if value == int(value) else f"{value:.10g}"


_GIVEN_NAMES = frozenset(
    words_in(
        """
    Adam Ada Agnes Albert Alexander Alfred Alice Andrew Anna Anne Anthony Antoine Arthur Barbara Benjamin Carl
    Caroline Catherine Charles Christopher Clara Daniel David Dmitri Dorothy Edmund Edward Elena Elizabeth Emily
    Emma Eric Ernest Ernst Ferdinand Florence Francis Frank Franz Frederick Friedrich Galileo Georg George Giovanni
    Grace Gustave Hannah Hans Harriet Harold Heinrich Helen Henri Henry Howard Hugh Isaac Isabella Jacob James Jan
    Jane Jean Johann Johannes John Jonas Joseph Julia Julius Karl Katharine Lars Leonardo Louis Louise Lucy Ludwig
    Luigi Margaret Maria Marie Mark Martin Mary Matthew Max Michael Michel Nicholas Nikola Norman Otto Paul Peter
    Philip Pierre Rachel Richard Robert Robin Roger Rosalind Ruth Samuel Sarah Simon Sophia Stephen Susan Theodor
    Thomas Tim Urbain Victor Vincent Walter Werner Wilhelm William Winston Niels Marco Ole Paul-Émile Clemens Edwin
    Neil Buzz Malcom Malcolm Ibn Ann Eva Nora Maya
    """
    )
)
_PLACE_BEFORE = re.compile(
    r"\b(?:in|at|near|from|to|across|around|throughout|towards|toward|into|outside|reached|visited|left) (?:the )?$"
)
_PERSON_VERB = re.compile(
    r"^(?:,[^,]{3,60},)? (?:was born|discovered|wrote|invented|painted|published|proposed|designed|died|argued|"
    r"described|married|"
    r"suggested|taught|studied|patented|demonstrated|composed|sailed|travelled|noticed|showed that|observed|"
    r"built|planned|persuaded|"
    r"measured|returned|promised|decided|announced|himself|herself)\b"
)
_PERSON_BEFORE = re.compile(
    r"(?:\bby|\b(?:engineer|inventor|scientist|physicist|chemist|astronomer|painter|poet|writer|explorer|king|"
    r"queen|emperor|"
    r"architect|mathematician|philosopher|monk|doctor|physician|nurse|teacher|botanist|geologist|naturalist|"
    r"captain|merchant|"
    r"composer|printer|clockmaker|craftsman|farmer|brother|sister|wife|husband|son|daughter|Dr|Mr|Mrs|Sir|"
    r"Professor)\.?) $"
)


def names_of(text: str, elsewhere: Iterable[str] = ()) -> list[Name]:
    """Return the names in `text`; a single capitalised first word counts only if `elsewhere` holds it as a name."""
    known = set(elsewhere)
    found = []
    for match in _NAME.finditer(text):
        words, start = match.group(), match.start()
        if start == 0 or text[:start].endswith((". ", "“", '"')):
            first, _, rest = words.partition(" ")
            if first.lower() in STOP_WORDS or (words not in known and " " not in words):
                words, start = rest, start + len(first) + 1
        if len(words) < 3 or words in _CALENDAR or words.split(" ")[0] in _CALENDAR or words.isupper() or words == "I":
            continue
        if words[0].isupper():
            found.append(Name(words, start, _kind(text[:start], words, text[start + len(words) :])))
    return found


def _kind(before: str, words: str, after: str) -> NameKind:
    if words.split(" ", maxsplit=1)[0] in _GIVEN_NAMES and " " in words and " of " not in words:
        return "person"
    if _PERSON_VERB.match(after) or _PERSON_BEFORE.search(before):
        return "person" if not before.endswith("the ") else "other"
    if _PLACE_BEFORE.search(before) and "University" not in words:
        return "place"
    return "other"
