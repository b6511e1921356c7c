"""Turns sentences with a roundabout way of saying a fact into the plain form that the clause reader knows."""

from __future__ import annotations

import re

_PLAIN: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"^.+? (?:wants|wanted) to buy (an? [\w ]+?) (?:that|which) (costs?) "), r"\1 \2 "),
    (re.compile(r"\b(?:gave|handed) the (?:shopkeeper|cashier|seller) (a \$\d+ note)"), r"paid with \1"),
)


def plain_sentence(sentence: str) -> str:
    """Return the sentence in its plain form; most stay as they are."""
    for pattern, plain in _PLAIN:
        sentence = pattern.sub(plain, sentence)
    return sentence[:1].upper() + sentence[1:]
