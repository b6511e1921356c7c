"""The layer that asks again when another try can cure what went wrong, and never otherwise."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from random import Random
from typing import Any, Unpack

from autogen_core.models import ChatCompletionClient, CreateResult, LLMMessage

from agentinstruct.errors import BudgetExceeded, Rejected, TeacherError, TeacherRefused, TeacherUnavailable
from agentinstruct.teacher.layer import Layer, RequestOptions, cancellable
from agentinstruct.teacher.outcomes import Outcomes

Sleep = Callable[[float], Coroutine[Any, Any, None]]
Clock = Callable[[], float]
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0
LONGEST_TOLD_WAIT = 300.0
"""Seconds. A server that asks to come back later than this is not waited for: the item fails and a later run asks."""


class Retry(Layer):
    """Makes up to `attempts` attempts at what raises `TeacherUnavailable`; every other error passes at once.

    It waits as long as the server asks, else a random time below a bound that doubles (full jitter), so that calls
    that failed together do not come back together.
    """

    def __init__(
        self,
        inner: ChatCompletionClient,
        *,
        attempts: int = 5,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
        random: Random | None = None,
    ) -> None:
        super().__init__(inner)
        self._attempts = attempts
        self._clock = clock
        self._sleep = sleep
        self._random = random or Random()
        self._next: dict[object, float] = {}
        self.outcomes = Outcomes()
        """How the calls that have ended went."""
        self.retries = 0
        """How often it asked again so far."""
        self.last_failure = ""
        """What the last failed attempt said, cured or not."""

    @property
    def waiting(self) -> int:
        """The calls that wait to be tried again."""
        return len(self._next)

    def next_try(self) -> float | None:
        """Return the seconds until the first of the waiting calls is tried again."""
        return max(0.0, min(self._next.values()) - self._clock()) if self._next else None

    async def create(self, messages: Sequence[LLMMessage], **options: Unpack[RequestOptions]) -> CreateResult:
        """Ask until there is an answer; raises the last `TeacherUnavailable` when the attempts are used up."""
        attempt = 1
        while True:
            try:
                result = await self.inner.create(messages, **options)
            except TeacherUnavailable as error:
                self.last_failure = str(error)
                if attempt == self._attempts or (error.retry_after or 0) > LONGEST_TOLD_WAIT:
                    self.outcomes.failed(error)
                    raise
                wait = self._wait(attempt, error.retry_after)
            except (TeacherRefused, BudgetExceeded):
                raise  # these end the run by themselves
            except TeacherError as error:
                self.last_failure = str(error)
                self.outcomes.failed(error)
                raise
            except Rejected:
                self.outcomes.answered()
                raise
            else:
                self.outcomes.answered()
                return result
            attempt += 1
            self.retries += 1
            await cancellable(self._pause(wait), options.get("cancellation_token"))

    async def _pause(self, seconds: float) -> None:
        self._next[call := object()] = self._clock() + seconds
        try:
            await self._sleep(seconds)
        finally:
            del self._next[call]

    def _wait(self, attempt: int, told: float | None) -> float:
        bound = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** (attempt - 1))
        if told is None:
            return self._random.uniform(0, bound)
        return told + self._random.uniform(0, min(bound, 1 + told / 10))
