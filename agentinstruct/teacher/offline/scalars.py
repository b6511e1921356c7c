"""Strings and numbers within the bounds of a JSON schema."""

from __future__ import annotations

import json
import math
import re
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
_FORMATS = {
    "date-time": "{year}-06-15T12:00:00Z",
    "date": "{year}-06-15",
    "time": "12:00:00Z",
    "duration": "PT1H",
    "email": "reader{place}@example.org",
    "name-email": "Reader <reader{place}@example.org>",
    "uri": "https://example.org/{place}",
    "ipv4": "192.0.2.{octet}",
    "ipv6": "2001:db8::{place}",
    "ipvanyaddress": "192.0.2.{octet}",
    "ipv4network": "192.0.{octet}.0/24",
    "ipv6network": "2001:db8:{place}::/48",
    "hostname": "example.org",
    "ipv4interface": "192.0.2.{octet}/24",
    "ipv6interface": "2001:db8::{place}/64",
    "ipvanynetwork": "192.0.{octet}.0/24",
    "ipvanyinterface": "192.0.2.{octet}/24",
    "json-string": "{{}}",
    "regex": "[a-z]+",
    "path": "page-{place}.txt",
    "file-path": "page.txt",
    "directory-path": ".",
    "multi-host-uri": "https://example.org/{place}",
    "base64url": "d29yZHM=",
}


def fill_string(schema: dict[str, Any], wording: Wording, name: str, place: int) -> str:
    """Return words for the field `name` that keep to the schema's format, pattern and length."""
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    if "pattern" in schema:
        return example_of(schema["pattern"], wording.name(place), least, most, place)
    if schema.get("contentMediaType") == "application/json":
        return json.dumps(wording.subject)
    form = schema.get("format", "")
    if form.startswith("uuid"):
        version = form[4:5] or "4"
        return f"00000000-0000-{version}000-8000-{place:012d}"
    if form == "decimal":
        return str(place)
    if form in _FORMATS:
        year = next((int(number) for number in wording.numbers if 1000 <= number <= 2024), 2000)
        return _FORMATS[form].format(
            year=year + place % 10 if year < 2000 else year - place % 10, place=place + 1, octet=place % 250 + 1
        )
    if form in ("base64", "byte"):
        return "d29yZHM="
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
    for at in range(1, 50):
        if len(words) >= least:
            break
        words = f"{words} {wording.sentence(place + at)}"
    while len(words) < least:
        words = f"{words} {wording.name(len(words) % 7)}"
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
    """Return a number of the material, or the nearest that the schema's bounds allow."""
    step = schema.get("multipleOf")
    low, high = _bounds(schema, whole)
    fitting = [number for number in wording.numbers if low <= number <= high and (not whole or number == int(number))]
    if step is not None:
        return _multiple(step, low, high, place, whole)
    if place < len(fitting):
        value = fitting[place]
    elif whole:
        start = low if low != -math.inf else min(high, 1.0) - place * 2 if high != math.inf else 1.0
        value = min(start + place, high)
    else:
        value = _between(low, high, place)
    return int(value) if whole else value


def _bounds(schema: dict[str, Any], whole: bool) -> tuple[float, float]:
    low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    if (above := schema.get("exclusiveMinimum")) is not None:
        low = max(low, math.floor(above) + 1 if whole else math.nextafter(above, math.inf))
    if (below := schema.get("exclusiveMaximum")) is not None:
        high = min(high, math.ceil(below) - 1 if whole else math.nextafter(below, -math.inf))
    return (math.ceil(low) if whole and low > -math.inf else low), (
        math.floor(high) if whole and high < math.inf else high
    )


def _between(low: float, high: float, place: int) -> float:
    if low == -math.inf:
        return 1.0 + place if high == math.inf else high - place
    if high == math.inf:
        return low + place
    return low + (high - low) * ((place + 1) / (place + 2)) if low < high else low


def _multiple(step: float, low: float, high: float, place: int, whole: bool) -> int | float:
    """Return a multiple of `step` within the bounds; a whole number where one is asked for."""
    first = (
        math.ceil(low / step) if low > -math.inf else (math.floor(high / step) - place - 1 if high < math.inf else 1)
    )
    for turn in range(first + place, first + place + 1_000):
        value = turn * step
        if value > high:
            break
        if not whole or value == int(value):
            return int(value) if whole else value
    return int(first * step) if whole else first * step
