"""A server's limits a minute: it refuses what is over them, tells of them in headers, and keeps its own record."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate
from typing import Any, Literal

from tests.openai_server import Fault

Style = Literal["bucket", "window", "silent"]
"""Filled up steadily, as OpenAI tells it; whole again at the end of the minute; or telling nothing."""


class RateLimited:
    """Limits for `OpenAIServer`: `server.fail(limits)` and `server.reply_headers = limits.headers`.

    Every request counts, with the tokens its reply will have by `tokens`, whether it is refused or not.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        requests: int = 10**9,
        tokens: int = 10**9,
        style: Style = "bucket",
        cost: Callable[[dict[str, Any]], int] = lambda _request: 1,
    ) -> None:
        self.clock = clock
        self.requests, self.tokens, self.style = requests, tokens, style
        self.cost = cost
        self.arrivals: list[tuple[float, int]] = []
        """When each request came, and its tokens."""
        self.refused: list[float] = []
        self._window: deque[tuple[float, int]] = deque()

    def __call__(self, _number: int, request: dict[str, Any]) -> Fault | None:
        """Return a 429 for what is over a limit; the wait it tells is that until the request would fit."""
        now, tokens = self.clock(), self.cost(request)
        self.arrivals.append((now, tokens))
        while self._window and self._window[0][0] <= now - 60:
            self._window.popleft()
        self._window.append((now, tokens))
        if len(self._window) <= self.requests and sum(cost for _, cost in self._window) <= self.tokens:
            return None
        self.refused.append(now)
        seconds = None if self.style == "silent" else max(1.0, self._window[0][0] + 60 - now)
        return Fault.throttled(seconds)

    def headers(self, _request: dict[str, Any] | None = None, _fault: Fault | None = None) -> Mapping[str, str]:
        """Return the headers of a reply that is made now."""
        if self.style == "silent":
            return {}
        told: dict[str, str] = {}
        used = {"requests": len(self._window), "tokens": sum(cost for _, cost in self._window)}
        for name, limit in (("requests", self.requests), ("tokens", self.tokens)):
            if self.style == "bucket":
                reset = 60 * min(1.0, used[name] / limit)
            else:
                reset = max(0.0, self._window[0][0] + 60 - self.clock()) if self._window else 0.0
            told[f"x-ratelimit-limit-{name}"] = str(limit)
            told[f"x-ratelimit-remaining-{name}"] = str(max(0, limit - used[name]))
            told[f"x-ratelimit-reset-{name}"] = f"{reset * 1000:.0f}ms"
        return told


def fullest_minutes(uses: list[tuple[float, int]]) -> Iterator[tuple[float, int, int]]:
    """Yield, for the minute that ends with each use: when that is, and how many uses and what amount it holds."""
    sums = [0, *accumulate(amount for _, amount in uses)]
    first = 0
    for place, (when, _) in enumerate(uses):
        while uses[first][0] <= when - 60:
            first += 1
        yield when, place + 1 - first, sums[place + 1] - sums[first]
