"""Whether anything goes on in a run: known by what says that it is busy, and by how long nothing has moved."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

_TURNS = 100
"""Turns of the event loop in which nothing moves: a slow loop is not taken for a quiet run."""


class Activity:
    """What goes on in a run, as far as it is told."""

    def __init__(self) -> None:
        self._busy = self._moves = 0
        self._moved = asyncio.Event()

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Say that something goes on while the block runs."""
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1
            self.stir()

    def stir(self) -> None:
        """Say that something has moved, which may move others."""
        self._moves += 1
        self._moved.set()

    async def quiet(self, seconds: float) -> None:
        """Return when something has moved since the last time, then nothing for `seconds`, and nothing is busy."""
        await self._moved.wait()
        self._moved.clear()
        while True:
            before = self._moves
            await asyncio.sleep(seconds)
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            if before == self._moves and not self._busy:
                return
