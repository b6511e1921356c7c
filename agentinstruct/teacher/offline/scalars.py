"""Strings and numbers within the bounds of a JSON schema."""

from __future__ import annotations

import math
import re
from itertools import chain
from typing import Any

from agentinstruct.teacher.offline.patterns import example_of
from agentinstruct.teacher.offline.wording import Wording

_SHORT = re.compile(
    r"title|subject|topic|name|word|label|tag|keyword|term|category|head|theme|author|key|id$|kind|type"
)
_TERM = re.compile(
    r"^(?:key_?)?(?:terms?|concepts?|words?|keywords?|headwords?|expressions?|phrases?)$|_(?:term|concept)$"
)
_QUOTE = re.compile(r"quot|sentence|definition|evidence|excerpt")
_LINES = re.compile(r"^lines?$|verse|stanza")
_LONG = re.compile(
    r"text|summary|poem|story|essay|body|passage|description|explanation|reason|response|content|article"
)
_TURNS = 1_000
"""Multiples tried: as many different numbers as a list of them may want."""
_FORMATS = {
    "date-time": "{year}-06-15T12:00:00Z",
    "date": "{year}-06-15",
    "time": "12:00:00Z",
    "duration": "PT1H",
    "email": "reader{place}@example.org",
    "uri": "https://example.org/{place}",
    "ipv4": "192.0.2.{octet}",
    "ipv6": "2001:db8::{place}",
    "uuid": "00000000-0000-4000-8000-{place:012d}",
    "uuid4": "00000000-0000-4000-8000-{place:012d}",
}


def fill_string(schema: dict[str, Any], wording: Wording, name: str, place: int) -> str:
    """Return words for the field `name` that keep to the schema's format, pattern and length."""
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    if "pattern" in schema:
        return example_of(schema["pattern"], wording.name(place), least, most, place)
    if (form := schema.get("format", "")) in _FORMATS:
        year = next((int(number) for number in wording.numbers if 1000 <= number <= 2024), 2000)
        return _FORMATS[form].format(
            year=year + place % 10 if year < 2000 else year - place % 10, place=place + 1, octet=place % 250 + 1
        )
    return _fitted(_words(wording, name.lower(), place), wording, least, most, place)


def _words(wording: Wording, name: str, place: int) -> str:
    if "question" in name or name == "problem":
        return f"What does the text say about {wording.subject if place == 0 else wording.name(place)}?"
    if _TERM.search(name):
        return wording.term(place)[0]
    if _QUOTE.search(name):
        return wording.term(place)[1]
    if _LINES.search(name):
        return wording.sentence(place)
    if _LONG.search(name):
        return " ".join(wording.sentence(at) for at in range(place * 3, place * 3 + min(3, len(wording.sentences))))
    if _SHORT.search(name):
        return wording.subject if place == 0 else wording.name(place)
    return wording.sentence(place)


def _fitted(words: str, wording: Wording, least: int, most: int | None, place: int) -> str:
    """Lengthen with further sentences, or shorten at a word's end."""
    at = place
    while len(words) < least:
        at += 1
        words = f"{words} {wording.sentence(at)}"
    if most is not None and len(words) > most:
        at_word = words[: most + 1].rpartition(" ")[0].rstrip(" ,;:")
        words = at_word if len(at_word) >= max(least, 1) else _distinct(words, most, place)
    return words


def _distinct(words: str, most: int, place: int) -> str:
    """Cut to exactly `most` characters, without spaces, different for each place where there is room."""
    solid = re.sub(r"\s", "", words) or "x"
    solid = (solid * (most // len(solid) + 2))[:most]
    mark = str(place) if place else ""
    return (solid[: most - len(mark)] + mark) if len(mark) <= most else solid


def fill_number(schema: dict[str, Any], wording: Wording, place: int, *, whole: bool) -> int | float:
    """Return a number of the material, or one that the schema's bounds allow; another for each place where it can."""
    above, below = schema.get("exclusiveMinimum", -math.inf), schema.get("exclusiveMaximum", math.inf)
    low, high = schema.get("minimum", above), schema.get("maximum", below)
    step = schema.get("multipleOf", 1)
    start = math.ceil(low / step) if low > -math.inf else 1 if high == math.inf else math.floor(high / step) - 9
    figures = [number for number in wording.numbers if low <= number <= high and (not whole or number == int(number))]
    turns = ((start + (place + turn) % _TURNS) * step for turn in range(_TURNS))
    # the last for bounds with no whole number between them
    tried = chain(
        figures[place : place + 1] if step == 1 else (), turns, [low + (high - low) * (place + 1) / (place + 2)]
    )
    fitting = (
        each for each in tried if low <= each <= high and above < each < below and (not whole or each == int(each))
    )
    value = next(fitting, low)
    return int(value) if whole else value
