"""The layer that sends no more requests and tokens a minute than a server allows, and nothing while it asks to wait.

It stands inside `Retry`, so that every attempt counts, and tells `Concurrency` how each one went.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Unpack

from autogen_core.models import ChatCompletionClient, CreateResult, LLMMessage

from agentinstruct.errors import TeacherUnavailable
from agentinstruct.teacher.layer import Layer, RequestOptions, cancellable, identity_of
from agentinstruct.teacher.limits import Concurrency
from agentinstruct.teacher.minute import Minute, Slot
from agentinstruct.teacher.rates import RatedResult, Rates
from agentinstruct.teacher.retry import LONGEST_TOLD_WAIT, Sleep
from agentinstruct.teacher.tokens import estimated_tokens, longest_reply, prompt_bytes

_USUAL_REPLY = 1024
"""Tokens assumed for a reply whose length nothing bounds."""
_LOOK = 1.0
"""Seconds after which whoever waits looks again: a reply shorter than feared, or a raised limit, makes room earlier."""
_SPREAD = 1.0
"""Seconds over which the calls that were held back are sent, so that a server that comes back is not run over."""


class Hold:
    """A time before which a server wants nothing, and why."""

    def __init__(self) -> None:
        self.until = float("-inf")
        self.why = ""
        self._next = float("-inf")

    def extend(self, until: float, why: str) -> None:
        """Hold until then, unless a longer hold is on."""
        if until > self.until:
            self.until, self.why = until, why

    def wait(self, now: float) -> float:
        """Return the seconds until the next call may go: 0 or less when it may go now."""
        return 0.0 if now >= self.until + _SPREAD else max(self.until, self._next) - now

    def passed(self, now: float, allowed: float) -> None:
        """Note that a call goes, of at most `allowed` at once."""
        self._next = now + _SPREAD / max(1.0, allowed)


class Pace(Layer):
    """Keeps to a minute's requests and tokens, given or learnt, and to Retry-After, which is meant for all calls.

    Calls that must wait stand in line: the first of them sleeps, and each lets the next one come to the front.
    """

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
        self.requests = Minute(requests_per_minute)
        self.tokens = Minute(tokens_per_minute)
        self.hold = Hold()
        self.in_flight = self.waiting = 0
        """Calls sent and not answered yet, and calls that are not sent yet."""
        self.held = 0.0
        """Seconds during which calls stood in line."""
        self._concurrency = concurrency
        self._clock = concurrency.clock
        self._sleep = sleep
        self._line = asyncio.Lock()
        self._first = 0  # tokens of the first in line
        self._quiet_since: float | None = None
        setting = identity_of(inner).get("max_tokens")
        self._longest = int(setting) if isinstance(setting, int | float) else _USUAL_REPLY

    async def create(self, messages: Sequence[LLMMessage], **options: Unpack[RequestOptions]) -> CreateResult:
        """Wait until the server wants the question, then ask; tokens are estimated before and corrected after."""
        tokens = estimated_tokens(prompt_bytes(messages, options)) + (longest_reply(options, self._longest) or 0)
        started = self._clock()
        if self._line.locked() or self._wait(started, tokens) > 0:
            started, slot = await cancellable(self._admit(tokens), options.get("cancellation_token"))
        else:
            slot = self._use(started, tokens)
        if self._quiet_since is None:
            self._quiet_since = started
        self.in_flight += 1
        lost = False
        try:
            result = await self.inner.create(messages, **options)
        except TeacherUnavailable as error:
            lost = error.perhaps_billed  # else it was an answer, if not the one that was hoped for
            self._note_failure(error, started)
            raise
        finally:
            self.in_flight -= 1
            if not lost:
                self._quiet_since = self._clock() if self.in_flight else None
        self._concurrency.succeeded()
        used = result.usage.prompt_tokens + result.usage.completion_tokens
        if used:
            self.tokens.correct(slot, used - tokens)
        if isinstance(result, RatedResult):
            self._learn(result.rates)
        return result

    def held_back(self) -> tuple[float, str] | None:
        """Return for how many seconds the next call is not sent, and why; None when it would be sent."""
        now = self._clock()
        waits = [
            (self.hold.until - now, self.hold.why),
            (self.requests.wait(now, 1) if self.waiting else 0.0, "requests a minute"),
            (self.tokens.wait(now, self._first) if self.waiting else 0.0, "tokens a minute"),
        ]
        longest = max(waits)
        return longest if longest[0] > 0 else None

    def quiet(self) -> float | None:
        """Return the seconds since the teacher was last heard of, failed attempts aside; None when it owes nothing."""
        return None if self._quiet_since is None else self._clock() - self._quiet_since

    def _note_failure(self, error: TeacherUnavailable, started: float) -> None:
        if error.throttled:
            self._concurrency.throttled(started)
        if error.retry_after and error.retry_after <= LONGEST_TOLD_WAIT:
            self.hold.extend(self._clock() + error.retry_after, "the server asked")

    def _learn(self, rates: Rates) -> None:
        for minute, told, name in (
            (self.requests, rates.requests, "no requests left"),
            (self.tokens, rates.tokens, "no tokens left"),
        ):
            if told is not None and (seconds := minute.learn(told)):
                self.hold.extend(self._clock() + seconds, name)

    async def _admit(self, tokens: int) -> tuple[float, Slot]:
        self.waiting += 1
        try:
            async with self._line:
                self._first = tokens
                began = now = self._clock()
                while (wait := self._wait(now, tokens)) > 0:
                    await self._sleep(min(max(wait, 0.001), _LOOK))
                    now = self._clock()
                    self.held += now - began
                    began = now
                return now, self._use(now, tokens)
        finally:
            self.waiting -= 1

    def _wait(self, now: float, tokens: int) -> float:
        return max(self.hold.wait(now), self.requests.wait(now, 1), self.tokens.wait(now, tokens))

    def _use(self, now: float, tokens: int) -> Slot:
        self.hold.passed(now, self._concurrency.allowed)
        self.requests.use(now, 1)
        return self.tokens.use(now, tokens)
