"""The layer that holds back how many calls are in flight, by what the server bears.

It stands outside `Retry`, so a call keeps its slot while it waits to be tried again, and a throttled server sees fewer.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from typing import Unpack

from autogen_core.models import ChatCompletionClient, CreateResult, LLMMessage

from agentinstruct.teacher.layer import Layer, RequestOptions, cancellable
from agentinstruct.teacher.retry import Clock
from agentinstruct.teacher.switch import Switch


class Concurrency:
    """How many calls may be in flight: halved once per burst of 429, then growing back to `most`.

    It grows by a sixteenth of `most` in the time that as many calls succeed as may be in flight. Who waits for a slot
    when `switch` closes gets none.
    """

    def __init__(self, most: int, *, clock: Clock = time.monotonic, switch: Switch | None = None) -> None:
        self.most = most
        self.allowed = float(most)
        self.in_flight = 0
        self.reductions = 0
        self.clock = clock
        self._reduced_at = float("-inf")
        self._switch = switch or Switch()
        self._waiting: deque[asyncio.Future[bool]] = deque()

    @property
    def waiting(self) -> int:
        """The calls that wait for a slot."""
        return sum(not turn.done() for turn in self._waiting)

    def __str__(self) -> str:
        throttled = f", reduced {self.reductions} times" if self.reductions else ""
        return f"{self.in_flight} in flight, {int(self.allowed)} of {self.most} allowed{throttled}"

    def slot(self) -> _Slot:
        """Hold a slot while an `async with` block lasts, first come first served."""
        return _Slot(self)

    async def enter(self) -> None:
        """Take a slot; whoever does leaves it with `leave`."""
        if self._waiting or self.in_flight >= int(self.allowed):
            await self._turn()
        else:
            self.in_flight += 1

    def leave(self) -> None:
        """Pass a slot on."""
        self.in_flight -= 1
        self._wake()

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
            await self._switch.wait(turn)
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.result():
                self.leave()  # it was this call's turn just as the call was cancelled: pass the slot on
            raise

    def _wake(self) -> None:
        while self._waiting and self.in_flight < int(self.allowed):
            turn = self._waiting.popleft()
            if not turn.done():
                self.in_flight += 1
                turn.set_result(True)


class _Slot:
    """An `asynccontextmanager` would take ten times as long, and every call comes here."""

    __slots__ = ("_concurrency",)

    def __init__(self, concurrency: Concurrency) -> None:
        self._concurrency = concurrency

    async def __aenter__(self) -> None:
        await self._concurrency.enter()

    async def __aexit__(self, *_: object) -> None:
        self._concurrency.leave()


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
