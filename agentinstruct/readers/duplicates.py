"""Whether a seed was already yielded, remembered as short hashes of a bounded number of seeds."""

from __future__ import annotations

import hashlib

from agentinstruct.records import Seed

REMEMBERED = 500_000  # seeds; about 200 bytes each. Beyond it the oldest are forgotten


class Duplicates:
    """Names the earlier of two seeds that share a text or an id."""

    def __init__(self) -> None:
        self._texts: dict[int, str] = {}
        self._ids: dict[int, int] = {}

    def reason(self, seed: Seed, place: str) -> str:
        """Return why `seed` must not be yielded again, or nothing and remember it as found at `place`."""
        text, identity = _short_hash(seed.text), _short_hash(seed.id)
        if text in self._texts:
            return f"has the same text as {self._texts[text]}"
        if identity in self._ids:
            other = self._texts.get(self._ids[identity], "another text")
            return f"has the id {seed.id!r}, which already stands for {other}"
        self._texts[text], self._ids[identity] = place, text
        if len(self._texts) > REMEMBERED:
            del self._texts[next(iter(self._texts))], self._ids[next(iter(self._ids))]
        return ""


def _short_hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
