"""Reads numbers as people write them, exactly: a lone answer, or every number in running text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

_LONGEST_ANSWER = 200
"""Characters; an answer that is a number is far shorter, and Python refuses to read integers of thousands of digits."""

_WORDS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
]
NUMBER_WORDS = {word: Fraction(value) for value, word in enumerate(_WORDS)}
"""The number words that are read, zero to twenty."""

_AMOUNT = (
    r"(?P<whole>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
    r"(?:\s?/\s?(?P<denominator>\d+)|\s(?P<numerator>\d+)\s?/\s?(?P<divisor>\d+))?"
)
_LONE = re.compile(
    rf"(?P<sign>[-−–+])?\s?(?P<currency>(?:US)?[$€£¥₹])?\s?(?P<inner>[-−])?{_AMOUNT}"
    r"(?P<rest>\s?%|\s?[$€£¥₹]|[\s°][^\d]*|[a-zA-Zµ²³°/]+[^\d]*)?\s*[.!]?",
)
_LONE_WORD = re.compile(r"(?P<sign>minus |negative )?(?P<word>[a-z]+)(?:\s[^\d]*)?\.?", re.I)
_RUNNING = re.compile(
    rf"(?<![\w.,/:])(?P<sign>(?<![^\s(\[=])[-−])?(?<!\d-)(?P<currency>[$€£¥₹])?{_AMOUNT}(?![\w/])(?![.,:]\d)"
)
_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_BEFORE_YEAR = re.compile(rf"\b(?:in|since|until|till|year|before|after|during|by|from|of|{_MONTHS}),? \Z", re.I)
_AFTER_YEAR = re.compile(r"\s*(?:[.,;:!?)]|\Z|[A-Z]|(?:he|she|they|it|we|the|a|an|to|and|until|was|were|is|when)\b)")
_BEFORE_DAY = re.compile(rf"\b(?:{_MONTHS}) \Z")
_AFTER_DAY = re.compile(rf" (?:of )?(?:{_MONTHS})\b")
_AFTER_CLOCK = re.compile(r"\s?(?:[ap]\.?m\b|o'clock|o’clock)", re.I)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundNumber:
    """A number in running text: `text[start:end]` is its digits, without sign of currency or per cent."""

    start: int
    end: int
    value: Fraction


def parse_number(text: str) -> Fraction | None:
    """Return the one number that `text` is, or None when it is no number or more than one.

    Read: `1,250`, `$3.50`, `-4`, `3/4`, `1 1/2`, `17 apples.`, `seven`. A percentage is its figure: `25%` is 25.
    """
    stripped = text.strip()
    if len(stripped) > _LONGEST_ANSWER:
        return None
    if match := _LONE.fullmatch(stripped):
        value = _value(match)
        signs = (match["sign"] or "") + (match["inner"] or "")
        return None if value is None else -value if signs.strip("+") else value
    match = _LONE_WORD.fullmatch(stripped)
    word = NUMBER_WORDS.get(match["word"].lower()) if match else None
    return -word if word is not None and match and match["sign"] else word


def same_number(left: str, right: str) -> bool:
    """Say whether both texts are the same number: whole numbers exactly, others within a millionth."""
    one, other = parse_number(left), parse_number(right)
    if one is None or other is None:
        return False
    if one.denominator == other.denominator == 1:
        return one == other
    return abs(one - other) <= Fraction(1, 10**6) * max(abs(one), abs(other))


def find_numbers(text: str) -> list[FoundNumber]:
    """Return the quantities written in digits, in order.

    Left out, because nobody could work them out: ordinals (3rd), parts of words (B2), times of day, dates and years.
    """
    return [
        FoundNumber(start=match.start("whole"), end=match.end(), value=-value if match["sign"] else value)
        for match in _RUNNING.finditer(text)
        if match.end() - match.start() <= _LONGEST_ANSWER
        and (value := _value(match)) is not None
        and not _is_date_or_time(text, match)
    ]


def _value(match: re.Match[str]) -> Fraction | None:
    whole = Fraction(match["whole"].replace(",", ""))
    denominator = int(match["denominator"] or match["divisor"] or 1)
    if denominator == 0:
        return None
    if match["numerator"]:
        return whole + Fraction(int(match["numerator"]), denominator)
    return whole / denominator


def _is_date_or_time(text: str, match: re.Match[str]) -> bool:
    before, after = text[max(0, match.start() - 12) : match.start()], text[match.end() : match.end() + 16]
    if match["currency"]:
        return False
    if re.fullmatch(r"1[5-9]\d\d|20\d\d", match["whole"]) and _BEFORE_YEAR.search(before) and _AFTER_YEAR.match(after):
        return True
    return bool(_BEFORE_DAY.search(before) or _AFTER_DAY.match(after) or _AFTER_CLOCK.match(after))
