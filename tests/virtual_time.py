"""An event loop whose time is jumped over instead of waited for: hours pass in milliseconds, in the right order.

Everything that asks the loop for the time or sleeps by it agrees: sleeps, time-outs, timers, and `clock` given as a
clock. A wait that nothing will ever end is an error, and no hang. With `others`, sockets (both ends in this loop) and
threads may end waits too: what they do takes no time, or at times too much of it.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")
_GRACE = 0.0005
"""Real seconds for which others are waited for before time is jumped over: what was written to a socket is there."""
_STUCK = 20.0
"""Real seconds after which nothing is expected of others any more."""


class _Jumping(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.others = False

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if ready := super().select(0):
            return ready
        if timeout == 0:
            return []
        if self.others and (ready := super().select(_STUCK if timeout is None else _GRACE)):
            return ready
        if timeout is None:
            raise RuntimeError("nothing will ever happen any more: everyone waits for something that nobody does")
        self.now += timeout
        return []


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, *, others: bool) -> None:
        self._jumping = _Jumping()
        self._jumping.others = others
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def run(work: Callable[[], Coroutine[Any, Any, Result]], *, others: bool = False) -> Result:
    """Run a coroutine function to its end in virtual time."""
    with asyncio.Runner(loop_factory=lambda: _Loop(others=others)) as runner:
        return runner.run(work())


def clock() -> float:
    """Return the running loop's time."""
    return asyncio.get_running_loop().time()
