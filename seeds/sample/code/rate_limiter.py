# SPDX-License-Identifier: CC0-1.0
"""Token bucket: lets short bursts through but keeps the long-term rate below a limit.

A bucket holds up to `capacity` tokens and is refilled with `rate` tokens per second. Each request takes one token or
more. A client that has been quiet may send a burst of `capacity` requests; after that it is held to `rate`.
"""

from __future__ import annotations

import time
from collections.abc import Callable


class TokenBucket:
    """Says whether a request may go ahead now, and if not, how long it should wait."""

    def __init__(self, rate: float, capacity: float, clock: Callable[[], float] = time.monotonic) -> None:
        if rate <= 0 or capacity <= 0:
            raise ValueError("rate and capacity must be positive")
        self.rate = rate
        self.capacity = capacity
        # The clock is a parameter so that tests need not wait for real time to pass.
        self._clock = clock
        self._tokens = capacity
        self._updated = clock()

    def _refill(self) -> None:
        now = self._clock()
        # Tokens are added only when somebody asks: no thread or timer is needed.
        self._tokens = min(self.capacity, self._tokens + (now - self._updated) * self.rate)
        self._updated = now

    def allow(self, cost: float = 1.0) -> bool:
        """Take `cost` tokens and return True, or take nothing and return False."""
        self._refill()
        if self._tokens < cost:
            return False
        self._tokens -= cost
        return True

    def wait_time(self, cost: float = 1.0) -> float:
        """Return the number of seconds until `cost` tokens will be there, 0.0 if they are there already."""
        if cost > self.capacity:
            raise ValueError(f"a cost of {cost} can never be met by a capacity of {self.capacity}")
        self._refill()
        missing = cost - self._tokens
        return max(0.0, missing / self.rate)


class RateLimiter:
    """One bucket per client, so that a greedy client cannot use up the share of the others."""

    def __init__(self, rate: float, capacity: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._make_bucket = lambda: TokenBucket(rate, capacity, clock)
        self._buckets: dict[str, TokenBucket] = {}

    def allow(self, client: str) -> bool:
        """Return whether `client` may send a request now."""
        bucket = self._buckets.get(client)
        if bucket is None:
            bucket = self._buckets[client] = self._make_bucket()
        return bucket.allow()


if __name__ == "__main__":
    seconds = 0.0
    bucket = TokenBucket(rate=2, capacity=3, clock=lambda: seconds)
    print([bucket.allow() for _ in range(4)])  # [True, True, True, False]
    print(bucket.wait_time())  # 0.5
    seconds = 0.5
    print(bucket.allow())  # True
