"""Made-up passages for the benchmarks, all different, the same on every machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

_PLACES = ("harbour", "valley", "library", "orchard", "station", "island", "market", "quarry", "garden", "bridge")
_PEOPLE = ("keeper", "teacher", "gardener", "surveyor", "printer", "captain", "weaver", "doctor", "baker", "painter")
_THINGS = ("lamp", "ledger", "map", "bell", "barrel", "compass", "letter", "loom", "kettle", "ladder", "telescope")
_DEEDS = ("repaired", "carried", "measured", "painted", "counted", "sold", "borrowed", "copied", "cleaned", "described")
_MANNERS = ("slowly", "twice", "alone", "in silence", "before dawn", "with both hands", "without a plan", "at last")
_REASONS = (
    "because the winter had been long and the roads were closed",
    "although nobody in the town had asked for it",
    "so that the children could see how it was done",
    "while the river rose a little higher every hour",
    "since the older records had been lost in a fire",
)
_WORDS = 150


def passages(count: int, *, words: int = _WORDS) -> Iterator[str]:
    """Yield `count` passages of about `words` words each."""
    for number in range(count):
        yield _passage(number, words)


def _passage(number: int, wanted: int) -> str:
    random = Random(number)
    place = random.choice(_PLACES)
    sentences = [f"In the year {1500 + number % 500} the {place} numbered {number} had a {random.choice(_PEOPLE)}."]
    words = len(sentences[0].split())
    while words < wanted:
        sentence = (
            f"The {random.choice(_PEOPLE)} of the {random.choice(_PLACES)} {random.choice(_DEEDS)} the "
            f"{random.choice(_THINGS)} of room {random.randint(2, 99)} {random.choice(_MANNERS)}, "
            f"{random.choice(_REASONS)}."
        )
        sentences.append(sentence)
        words += len(sentence.split())
    return " ".join(sentences)


def write_jsonl(path: Path, count: int) -> None:
    """Write `count` passages as seeds, one JSON object on each line."""
    with path.open("w", encoding="utf-8") as file:
        for number, text in enumerate(passages(count)):
            file.write(json.dumps({"id": f"passage-{number}", "text": text, "license": "CC0-1.0"}) + "\n")
