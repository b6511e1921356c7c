"""The layer that holds back how many calls are in flight, by what the server bears.

It stands outside `Retry`, so a call keeps its slot while it waits to be tried again, and a throttled server sees fewer.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Unpack

from autogen_core.models import ChatCompletionClient, CreateResult, LLMMessage

from agentinstruct.teacher.layer import Layer, RequestOptions, cancellable

Clock = Callable[[], float]


class Concurrency:
    """How many calls may be in flight: halved once per burst of 429, then growing back to `most`.

    It grows by a sixteenth of `most` in the time that as many calls succeed as may be in flight.
    """

    def __init__(self, most: int, *, clock: Clock = time.monotonic) -> None:
        self.most = most
        self.allowed = float(most)
        self.in_flight = 0
        self.reductions = 0
        self.clock = clock
        self._reduced_at = float("-inf")
        self._waiting: deque[asyncio.Future[None]] = deque()

    def __str__(self) -> str:
        throttled = f", reduced {self.reductions} times" if self.reductions else ""
        return f"{self.in_flight} in flight, {int(self.allowed)} of {self.most} allowed{throttled}"

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold a slot, first come first served."""
        if self._waiting or self.in_flight >= int(self.allowed):
            await self._turn()
        else:
            self.in_flight += 1
        try:
            yield
        finally:
            self._leave()

    def throttled(self, started: float) -> None:
        """Take note of a 429 to an attempt sent at `started`.

        It is of the same burst as the last reduction if it was sent before that, or if that has not taken effect yet
        because more calls are still in flight than it allows.
        """
        if started > self._reduced_at and self.in_flight <= int(self.allowed):
            self.allowed = max(1.0, self.allowed / 2)
            self.reductions += 1
            self._reduced_at = self.clock()

    def succeeded(self) -> None:
        """Take note of an answer."""
        if self.allowed < self.most:
            self.allowed = min(float(self.most), self.allowed + max(1.0, self.most / 16) / self.allowed)
            self._wake()

    async def _turn(self) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()  # it was this call's turn just as the call was cancelled: pass the slot on
            raise

    def _leave(self) -> None:
        self.in_flight -= 1
        self._wake()

    def _wake(self) -> None:
        while self._waiting and self.in_flight < int(self.allowed):
            turn = self._waiting.popleft()
            if not turn.done():
                self.in_flight += 1
                turn.set_result(None)


class Limits(Layer):
    """Lets no more calls through at once than `concurrency` allows."""

    def __init__(self, inner: ChatCompletionClient, concurrency: Concurrency) -> None:
        super().__init__(inner)
        self.concurrency = concurrency

    async def create(self, messages: Sequence[LLMMessage], **options: Unpack[RequestOptions]) -> CreateResult:
        """Wait for a slot, then ask and hold it to the end, waits between attempts included.

        From here inwards the cancellation token is this call's cancelled task: one task a call is enough.
        """
        return await cancellable(self._ask(messages, options), options.get("cancellation_token"))

    async def _ask(self, messages: Sequence[LLMMessage], options: RequestOptions) -> CreateResult:
        without_token = options.copy()
        without_token["cancellation_token"] = None
        async with self.concurrency.slot():
            return await self.inner.create(messages, **without_token)
