"""The layer that sends no more requests and tokens a minute than a server allows.

It stands inside `Retry`, so that every attempt counts, and tells `Concurrency` how each one went.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Unpack

from autogen_core.models import ChatCompletionClient, CreateResult, LLMMessage

from agentinstruct.errors import TeacherUnavailable
from agentinstruct.teacher.layer import Layer, RequestOptions, cancellable, identity_of
from agentinstruct.teacher.limits import Clock, Concurrency
from agentinstruct.teacher.retry import Sleep
from agentinstruct.teacher.tokens import estimated_tokens, longest_reply, prompt_bytes

_WINDOW = 61.0
"""Seconds: the minute providers count, and one more, since calls may take unequal times to reach the server."""
_USUAL_REPLY = 1024
"""Tokens assumed for a reply whose length nothing bounds."""


class Minute:
    """An amount that may be used up to `most` in any minute."""

    def __init__(self, most: float, clock: Clock) -> None:
        self._most = most
        self._clock = clock
        self._uses: deque[list[float]] = deque()  # [when, amount]
        self._used = 0.0

    def wait(self, amount: float) -> float:
        """Return the seconds until `amount` fits; what is larger than `most` goes alone."""
        now = self._clock()
        while self._uses and self._uses[0][0] <= now - _WINDOW:
            self._used -= self._uses.popleft()[1]
        excess = self._used + amount - self._most
        for when, used in self._uses:
            if excess <= 0:
                return 0.0
            excess -= used
            until = when + _WINDOW - now
            if excess <= 0:
                return until
        return 0.0 if not self._uses else self._uses[-1][0] + _WINDOW - now

    def use(self, amount: float) -> list[float]:
        """Count `amount` as used now, and return the entry for `correct`."""
        entry = [self._clock(), amount]
        self._uses.append(entry)
        self._used += amount
        return entry

    def correct(self, entry: list[float], amount: float) -> None:
        """Replace an estimate with what it came to."""
        if entry[0] > self._clock() - _WINDOW:
            self._used += amount - entry[1]
            entry[1] = amount


class Pace(Layer):
    """Sends no more requests and tokens in any 60 seconds than are allowed, and reports every 429 to `concurrency`."""

    def __init__(
        self,
        inner: ChatCompletionClient,
        concurrency: Concurrency,
        *,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        super().__init__(inner)
        self._concurrency = concurrency
        self._sleep = sleep
        self._turn = asyncio.Lock()  # also keeps waiting calls in the order they came
        clock = concurrency.clock
        self._requests = Minute(requests_per_minute, clock) if requests_per_minute else None
        self._tokens = Minute(tokens_per_minute, clock) if tokens_per_minute else None

    async def create(self, messages: Sequence[LLMMessage], **options: Unpack[RequestOptions]) -> CreateResult:
        """Wait until the minute has room, then ask; tokens are estimated before and corrected after."""
        entry = None
        if self._requests or self._tokens:
            entry = await cancellable(self._admit(self._estimate(messages, options)), options.get("cancellation_token"))
        started = self._concurrency.clock()
        try:
            result = await self.inner.create(messages, **options)
        except TeacherUnavailable as error:
            if error.throttled:
                self._concurrency.throttled(started)
            raise
        self._concurrency.succeeded()
        used = result.usage.prompt_tokens + result.usage.completion_tokens
        if self._tokens and entry and used:
            self._tokens.correct(entry, used)
        return result

    def _estimate(self, messages: Sequence[LLMMessage], options: RequestOptions) -> int:
        if not self._tokens:
            return 0
        setting = identity_of(self.inner).get("max_tokens")
        reply = longest_reply(options, int(setting) if isinstance(setting, int | float) else None)
        return estimated_tokens(prompt_bytes(messages, options)) + (reply or _USUAL_REPLY)

    async def _admit(self, tokens: int) -> list[float] | None:
        async with self._turn:
            while (wait := self._wait(tokens)) > 0:
                # by the second, since a reply shorter than estimated makes room earlier
                await self._sleep(min(wait, 1.0))
            if self._requests:
                self._requests.use(1)
            return self._tokens.use(tokens) if self._tokens else None

    def _wait(self, tokens: int) -> float:
        requests = self._requests.wait(1) if self._requests else 0.0
        return max(requests, self._tokens.wait(tokens) if self._tokens else 0.0)
