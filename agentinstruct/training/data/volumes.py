"""How much there is to learn from: examples, tokens, padding and packed sequences, from the examples' lengths alone."""

from __future__ import annotations

import math
import random
from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from agentinstruct.training.settings import Settings, SftSettings

CHARACTERS_PER_TOKEN = 4
"""What a token is taken to be where the student's tokenizer is not at hand; English prose comes near it."""
_PACKED_TOGETHER = 1000
"""trl packs so many examples at a time: the batch of `datasets`' `map`."""
_TRIED = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """One epoch of data. A row is an example, or a preference with both its replies; `sequences` is what is counted
    in steps: rows, or sequences packed from them. `processed` are the tokens with padding, `squares` the sum of the
    squared lengths, with which the cost of attention grows. `exact` is False where tokens were told from characters.
    """

    rows: int
    tokens: int
    sequences: int
    processed: int
    squares: int
    longest: int
    exact: bool = True

    @property
    def padding(self) -> float:
        """The share of the processed tokens that is padding."""
        return 1 - self.tokens / self.processed if self.processed else 0.0


def measure(rows: Sequence[Sequence[int]], settings: Settings, *, exact: bool = True) -> Volume:
    """Return the volume of rows given by the lengths of their sequences in tokens: one of an example, two of a pair.

    Of many rows, how well they pack is tried on a part of them.
    """
    lengths = list(chain.from_iterable(rows))
    tokens = sum(lengths)
    packing = isinstance(settings, SftSettings) and settings.packing
    sequences = len(rows)
    tried = lengths if len(lengths) <= _TRIED else random.Random(settings.seed).sample(lengths, _TRIED)
    if packing and tried:
        sequences = math.ceil(packed(tried, settings.max_length) * len(lengths) / len(tried))
    return Volume(
        rows=len(rows),
        tokens=tokens,
        sequences=sequences,
        processed=tokens if packing else _padded(rows, settings.batch, settings.seed),
        squares=sum(length * length for length in lengths),
        longest=max(lengths, default=0),
        exact=exact,
    )


def packed(lengths: Sequence[int], max_length: int) -> int:
    """Return into how many sequences trl packs examples: each goes where it leaves the least room, longest first.

    An example longer than `max_length` counts as one of that length.
    """
    sequences = 0
    for start in range(0, len(lengths), _PACKED_TOGETHER):
        rooms: list[int] = []
        together = lengths[start : start + _PACKED_TOGETHER]
        for length in sorted((min(each, max_length) for each in together), reverse=True):
            place = bisect_left(rooms, length)
            if place == len(rooms):
                sequences += 1
                room = max_length
            else:
                room = rooms.pop(place)
            insort(rooms, room - length)
    return sequences


def _padded(rows: Sequence[Sequence[int]], batch: int, seed: int) -> int:
    """Return the tokens of an epoch in a random order, each batch padded to its longest sequence."""
    order = list(rows)
    random.Random(seed).shuffle(order)
    batches = (list(chain.from_iterable(order[start : start + batch])) for start in range(0, len(order), batch))
    return sum(max(lengths) * len(lengths) for lengths in batches if lengths)
