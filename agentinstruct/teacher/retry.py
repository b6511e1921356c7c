"""The layer that asks again when another try can cure what went wrong, and never otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from random import Random
from typing import Any, Unpack

from autogen_core.models import ChatCompletionClient, CreateResult, LLMMessage

from agentinstruct.errors import TeacherUnavailable
from agentinstruct.teacher.layer import Layer, RequestOptions, cancellable

Sleep = Callable[[float], Coroutine[Any, Any, None]]
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0
_LONGEST_TOLD_WAIT = 300.0
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
        sleep: Sleep = asyncio.sleep,
        random: Random | None = None,
    ) -> None:
        super().__init__(inner)
        self._attempts = attempts
        self._sleep = sleep
        self._random = random or Random()
        self.retries = 0
        """How often it asked again so far."""

    async def create(self, messages: Sequence[LLMMessage], **options: Unpack[RequestOptions]) -> CreateResult:
        """Ask until there is an answer; raises the last `TeacherUnavailable` when the attempts are used up."""
        attempt = 1
        while True:
            try:
                return await self.inner.create(messages, **options)
            except TeacherUnavailable as error:
                if attempt == self._attempts or (error.retry_after or 0) > _LONGEST_TOLD_WAIT:
                    raise
                wait = self._wait(attempt, error.retry_after)
            attempt += 1
            self.retries += 1
            await cancellable(self._sleep(wait), options.get("cancellation_token"))

    def _wait(self, attempt: int, told: float | None) -> float:
        bound = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** (attempt - 1))
        if told is None:
            return self._random.uniform(0, bound)
        return told + self._random.uniform(0, min(bound, 1 + told / 10))
