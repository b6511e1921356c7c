"""Exact duplicates: two instructions are the same when only case, spacing, quotation marks or Unicode form differ.

Punctuation within the text counts: `a - b` and `a + b` ask different things.
"""

from __future__ import annotations

import unicodedata

from agentinstruct.records import content_hash

_PLAIN_MARKS = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "‐": "-"})


def normalise(text: str) -> str:
    """Fold Unicode form, case, typographic marks and spacing."""
    folded = unicodedata.normalize("NFKC", text.translate(_PLAIN_MARKS)).casefold()
    return " ".join(folded.split()).rstrip(".?! ")


def instruction_key(text: str) -> str:
    """Return the hash by which exact duplicates are found."""
    return content_hash("instruction", normalise(text))
