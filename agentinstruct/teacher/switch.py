"""The switch that ends a run's waits: only what is in flight is paid for, so only that is let finish."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Unpack

from autogen_core.models import ChatCompletionClient, CreateResult, LLMMessage

from agentinstruct.errors import RunStopped, TeacherRefused
from agentinstruct.teacher.layer import Layer, RequestOptions


class Switch:
    """Open until `close`; from then on whoever waits by it, and whoever comes to wait, gets `RunStopped` at once."""

    def __init__(self) -> None:
        self.closed = False
        self._waits: dict[asyncio.Future[bool], None] = {}  # in order, which a set is not

    def close(self) -> None:
        """End every wait."""
        self.closed = True
        waits, self._waits = self._waits, {}
        for wait in waits:
            _resolve(wait, False)

    def check(self) -> None:
        """Raise `RunStopped` once the switch is closed."""
        if self.closed:
            raise RunStopped("the run is stopping")

    async def wait(self, event: asyncio.Future[bool]) -> None:
        """Wait until `event` is true; it is made false when the switch closes."""
        if self.closed:
            event.cancel()
        self.check()
        self._waits[event] = None
        try:
            if not await event:
                self.check()
        finally:
            self._waits.pop(event, None)

    async def sleep(self, seconds: float) -> None:
        """Sleep, unless the switch closes."""
        loop = asyncio.get_running_loop()
        over = loop.create_future()
        timer = loop.call_later(seconds, _resolve, over, True)
        try:
            await self.wait(over)
        finally:
            timer.cancel()


class Gate(Layer):
    """Lets questions through until `switch` is closed; what is in flight then still comes back.

    A teacher that refuses would refuse every question: that closes the switch, before another one is sent.
    """

    def __init__(self, inner: ChatCompletionClient, switch: Switch) -> None:
        super().__init__(inner)
        self._switch = switch

    async def create(self, messages: Sequence[LLMMessage], **options: Unpack[RequestOptions]) -> CreateResult:
        """Ask `inner`; raises `RunStopped` once the switch is closed."""
        self._switch.check()
        try:
            return await self.inner.create(messages, **options)
        except TeacherRefused:
            self._switch.close()
            raise


def loop_time() -> float:
    """Return the running event loop's monotonic time, by which `Switch.sleep` sleeps."""
    return asyncio.get_running_loop().time()


def _resolve(event: asyncio.Future[bool], outcome: bool) -> None:
    if not event.done():
        event.set_result(outcome)
