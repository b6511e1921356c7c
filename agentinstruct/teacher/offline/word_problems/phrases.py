"""The parts of a clause that hold numbers: the amount that its verb acts on, and phrases such as `for 5 days`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from agentinstruct.teacher.offline.word_problems.linear import Unsolvable
from agentinstruct.verify import NUMBER_WORDS

COUNTS = "|".join(word for word, value in NUMBER_WORDS.items() if value > 1)
NUMBER = rf"(?:\d[\d,]*(?:\.\d+)?(?![\w.,]*\d)|(?:{COUNTS})\b)"
UNKNOWN = "the same amount of|a certain number of|a number of|the same number of|an equal number of|some|several"
QUANTITY = rf"(?:\$?{NUMBER}|(?:{UNKNOWN})\b)"
_NO_PART_OF_A_NOUN = (
    "in|on|at|for|to|from|with|among|between|into|per|by|during|after|before|that|which|who|"
    "than|each|every|a|an|left|altogether|now|then|equally|away|back|home|out|up|about|over|the|"
    "this|and|as|more|my|his|her|their|its|through|around|along|until|when|so|but|again"
)
WORD = (
    rf"(?!(?:{_NO_PART_OF_A_NOUN})\b|of (?:\$?\d+|{COUNTS}|them|each|his|her|their|the)\b)"
    r"[a-zA-Z][\w'’-]*"
)
"""A word that may belong to a noun phrase."""
NOUN = rf"{WORD}(?: {WORD}){{0,3}}"
"""A noun phrase without its article: `boxes`, `red apples`, `kilograms of flour`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """A part of a clause that may hold a number of its own, such as `for 5 days` or `with 6 pens in each box`."""

    kind: str
    value: Fraction | None = None
    unit: str = ""


Amount = dict[str, object]
"""The fields of a clause that tell how much: value, unit, size, other."""


def _times_as_many(match: re.Match[str], unit_before: str) -> Amount:
    fixed = {"twice": Fraction(2), "half": Fraction(1, 2)}.get(match["word"] or "")
    value = fixed if fixed is not None else value_in(match["value"])
    unit = match["noun"] or unit_before
    return {"value": value, "size": "times", "unit": "$" if unit == "money" else unit, "other": match["other"]}


def _more_or_fewer(match: re.Match[str], unit_before: str) -> Amount:
    unit = match["noun"] or ("$" if "$" in (match["value"] or "") else unit_before)
    size = "more" if match["size"] == "more" else "fewer"
    return {"value": value_in(match["value"] or ""), "size": size, "unit": unit, "other": match["other"]}


def _money(match: re.Match[str], unit_before: str) -> Amount:
    return {"value": value_in(match["value"] or ""), "unit": "$"}


def _what_remains(match: re.Match[str], unit_before: str) -> Amount:
    noun = match["noun"] or match["all"] or unit_before
    return {"size": "rest", "unit": "$" if noun == "money" else noun}


def _so_many(match: re.Match[str], unit_before: str) -> Amount:
    article = match["value"] in {"a", "an", "another"}
    noun = (match["noun"] or "").strip()
    noun = unit_before if noun in {"", "of them"} else noun
    if not noun:
        raise Unsolvable(f"no unit in {match.string!r}")
    return {"value": Fraction(1) if article else value_in(match["value"]), "unit": noun}


def _uncounted(match: re.Match[str], unit_before: str) -> Amount:
    return {"size": "none", "unit": match["noun"]}


_AMOUNTS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], str], Amount]], ...] = tuple(
    (re.compile(pattern), read)
    for pattern, read in (
        (
            rf"(?:(?P<value>{QUANTITY}) )?(?P<size>more|fewer|less)(?: (?P<noun>{NOUN}))? than (?P<other>.+)",
            _more_or_fewer,
        ),
        (
            rf"(?:(?P<value>{QUANTITY}) times|(?P<word>twice|half)) as (?:many|much)(?: (?P<noun>{NOUN}))?"
            r"(?P<tail> .*?)? as (?P<other>.+)",
            _times_as_many,
        ),
        (r"(?:with )?(?:a |one )(?:\$(?P<value>\d+)(?: note)?|note\b)", _money),
        (
            rf"\$(?P<value>{NUMBER})(?P<more> more)?(?: of this money)?"
            r"|(?:some (?:more )?|the same amount of )money\b|the same(?= each|$)",
            _money,
        ),
        (
            r"(?:them all|them|all of them|it all)\b|all the (?P<all>[a-z]+)"
            rf"|the (?:remaining|other|rest of the|leftover) (?P<noun>{NOUN})|the rest\b",
            _what_remains,
        ),
        (
            rf"(?:another )?(?P<value>{QUANTITY}|an?\b|another\b)"
            rf"(?: more| other| extra| further| additional| new)?(?P<noun> (?:of them\b|{NOUN}))?",
            _so_many,
        ),
        (rf"(?:all )?(?P<noun>{NOUN}) (?=at the same price|for \$)", _uncounted),
    )
)
"""What may follow a verb, the first that fits counts; `tail` is what stands inside a comparison."""
_SOFTENER = re.compile(r"^(?:only|exactly|a total of|also|already|together|with|about|out|there) ")
_RECEIVER = re.compile(rf"(him|her|them|(?:his|her|their|the) [a-z]+|[A-Z]\w+) (?={QUANTITY}|an? )")


def read_amount(text: str, unit_before: str) -> tuple[Amount, str]:
    """Return the fields of the amount that `text` opens with, and the text after it.

    `unit_before` is what an earlier clause counted, for an amount without a noun. Raises `Unsolvable` without either.
    """
    text = _SOFTENER.sub("", text)
    receiver: Amount = {}
    if match := _RECEIVER.match(text):
        receiver = {"receiver": match[1]}
        text = text[match.end() :]
    for pattern, read in _AMOUNTS:
        if match := pattern.match(text):
            tail = match.groupdict().get("tail") or ""
            return receiver | read(match, unit_before), tail + text[match.end() :].strip()
    return (receiver | {"size": "none"}, text) if receiver else ({}, text)


def value_in(text: str) -> Fraction | None:
    """Return the number that `text` is, in figures or words, with or without `$`; None for any other words."""
    text = text.strip("$ ").lower()
    if text in NUMBER_WORDS:
        return NUMBER_WORDS[text]
    return Fraction(text.replace(",", "")) if re.fullmatch(r"\d[\d,]*(?:\.\d+)?", text) else None


_OWN = r"(?:of )?(?:his |her |their |its |the )?"
_PHRASES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(rf"(?:{pattern})(?![\w$])"))
    for kind, pattern in (
        ("contents", rf"with (?P<value>{QUANTITY}) (?P<unit>{NOUN}) (?:in|on|at) each(?: {WORD})?"),
        ("contents", rf"of (?P<value>{QUANTITY}) (?P<unit>{NOUN})(?: each)?"),
        ("contents", rf"with (?P<value>{QUANTITY}) (?P<unit>{NOUN})"),
        ("price", rf"(?:for|at) (?P<value>\$?{NUMBER}) (?:each|apiece|per {WORD}|an? {WORD})"),
        ("price", r",? ?(?:each )?at (?P<value>the same price)(?: each)?"),
        ("total_price", rf"for (?P<value>\${NUMBER}|some money)"),
        ("of_each", rf"(?:for|to|in|into|on|from) each {_OWN}(?P<value>{QUANTITY}) (?P<unit>{NOUN})"),
        ("for_each", rf"(?:for|to|in|into|on) (?:each|every) (?P<unit>{WORD})"),
        (
            "speed",
            rf"at (?P<value>{NUMBER}|the same number of) (?P<unit>{WORD}) (?:per|an|a) (?P<per>hour|minute|second)",
        ),
        (
            "per",
            r"(?:per|an?|each|every) (?P<unit>day|week|month|year|hour|minute|second|evening|morning|night"
            r"|metre|meter|litre|kilogram|kilometre|game|lesson|trip)\b",
        ),
        (
            "during",
            rf"for (?P<value>{QUANTITY}) (?P<unit>seconds?|minutes?|hours?|days?|weeks?|months?|years?"
            r"|evenings|mornings|nights|games|lessons|trips)",
        ),
        (
            "among",
            rf"(?:equally )?(?:among|between|into|in|onto|on|with) {_OWN}(?P<value>{QUANTITY}) (?P<unit>{NOUN})"
            r"(?: equally)?",
        ),
        ("sets", rf"(?:into|in|onto) (?P<unit>{NOUN}) of (?P<value>{QUANTITY}|equal size)(?: each)?"),
        ("receiver", rf"(?:to|from) (?P<unit>[A-Z]\w+|(?:his|her|their|the|a) {WORD}(?: {WORD})?)(?= |$)"),
    )
)
"""The phrases that may follow an amount, each with its kind; the first that fits counts."""


def read_phrases(text: str) -> tuple[tuple[Phrase, ...], str]:
    """Return the phrases in `text`, and the words that belong to none."""
    phrases: list[Phrase] = []
    tail: list[str] = []
    rest = text.strip()
    while rest:
        for kind, pattern in _PHRASES:
            if match := pattern.match(rest):
                groups = match.groupdict()
                value = value_in(groups["value"]) if groups.get("value") else None
                phrases.append(Phrase(kind=kind, value=value, unit=groups.get("unit") or ""))
                if groups.get("per"):
                    phrases.append(Phrase(kind="per", unit=groups["per"]))
                rest = rest[match.end() :].lstrip(" ,")
                break
        else:
            word, _, rest = rest.partition(" ")
            tail.append(word)
    return tuple(phrases), " ".join(tail).strip(" ,")
