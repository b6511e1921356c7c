"""What a story is made of besides its clauses: events, rates, names of owners, and how a computation is written."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agentinstruct.teacher.offline.word_problems.linear import Quantity, Unsolvable
from agentinstruct.teacher.offline.word_problems.words import head, inflect, singular

_RELATIVES = {
    "brother",
    "sister",
    "friend",
    "mother",
    "father",
    "cousin",
    "aunt",
    "uncle",
    "grandmother",
    "grandfather",
    "mum",
    "dad",
    "neighbour",
    "teacher",
    "son",
    "daughter",
    "wife",
    "husband",
    "classmate",
    "nephew",
    "niece",
}
ANYBODY = {
    "rabbits",
    "birds",
    "readers",
    "guests",
    "visitors",
    "customers",
    "children",
    "pupils",
    "students",
    "workers",
    "squirrels",
    "ducks",
    "people",
    "friends",
    "passengers",
    "neighbours",
    "members",
    "moths",
    "mice",
}
"""Plurals that open a sentence in capitals and are no names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something counted that happened: `verb` is its base form."""

    owner: str
    verb: str
    quantity: Quantity
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """So many of `quantity.unit` in, for or per one `per`; `parts` when it came from sharing among that many."""

    per: str
    quantity: Quantity
    parts: Quantity | None = None
    owner: str = ""


def refuse_pieces(quantity: Quantity) -> None:
    """Raise `Unsolvable` when things that are counted would have to be cut up."""
    if quantity.known and quantity.unit != "$" and quantity.constant.denominator != 1:
        raise Unsolvable("things would have to be cut up")


def write_operation(sign: str, left: Quantity, right: Quantity, result: str) -> str:
    """Return `left sign right = result`, without the result where it says the same."""
    first, second = str(left), str(right)
    if not (left.known and right.known):
        first, second = first.replace("$", ""), second.replace("$", "")
    if sign in "×÷" and " " in first:
        first = f"({first})"
    if " " in second and (sign in "×÷" or (sign == "−" and re.search(r" [+−] ", second))):
        second = f"({second})"
    written = f"{first} {sign} {second}"
    return (
        written
        if result in {written, f"{second} {sign} {first}"} and not (left.known and right.known)
        else f"{written} = {result}"
    )


def unit_after(quantity: Quantity) -> str:
    """Return the unit as it follows its number, with a space before it."""
    if quantity.unit in {"$", ""}:
        return ""
    return f" {inflect(quantity.unit, one=quantity.known and quantity.constant == 1)}"


def make_label(text: str) -> str:
    """Return a clause as the beginning of a line of the solution."""
    return text[:1].upper() + text[1:].rstrip(".!?, ")


def owner_name(subject: str) -> str:
    """Return one name for an owner, however the text calls it."""
    if match := re.match(r"(?P<name>[A-Z]\w+)['’]s? (?P<thing>\w+)", subject):
        return match["name"] if match["thing"] not in _RELATIVES else subject
    words = subject.split()
    if not words:
        return ""
    if words[-1].lower() in ANYBODY:
        return words[-1].lower()
    if words[-1][:1].isupper() and words[-1].lower() not in {"there", "they", "we"}:
        return words[-1] if " and " not in subject else subject
    return "" if subject.lower() == "there" else singular(head(subject.lower()))
