"""A teacher asked live, some of whose questions are answered already: fetched from a batch, or brought in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Unpack, cast

from autogen_core.models import ChatCompletionClient, CreateResult, LLMMessage

from agentinstruct.batch.parked import ParkableClient, read_brought
from agentinstruct.errors import TeacherRefused, TeacherUnavailable
from agentinstruct.teacher import Asking, Budget, Layer, Ledger, Place, Price, RequestOptions


def with_answers(
    live: ChatCompletionClient,
    client: ChatCompletionClient,
    find: Callable[[str], str | None],
    *,
    ledger: Ledger | None = None,
    price: Price | None = None,
) -> ChatCompletionClient:
    """Return `live`, which asks `client`, so that it uses the answers that `find` knows and `client` can read."""
    return Brought(live, client, find, ledger=ledger, price=price) if isinstance(client, ParkableClient) else live


class Brought(Layer):
    """Asks `live` only where `find` knows no answer of use; an answer is read as `teacher` reads its own."""

    def __init__(
        self,
        live: ChatCompletionClient,
        teacher: ParkableClient,
        find: Callable[[str], str | None],
        *,
        ledger: Ledger | None = None,
        price: Price | None = None,
    ) -> None:
        super().__init__(live)
        self._teacher = teacher
        self._find = find
        self._ledger = ledger
        self._price = price

    def asking(self, place: Place) -> ChatCompletionClient:
        """Return the client that asks one question."""
        answer = self._find(place.id)
        if answer is None:
            return cast(Asking, self.inner).asking(place) if hasattr(self.inner, "asking") else self.inner
        answered: ChatCompletionClient = _Answered(self._teacher, answer)
        if self._ledger is not None:  # what it cost counts as any reply does
            answered = Budget(answered, self._ledger, price=self._price)
        return _Else(answered, self.inner)


class _Answered(Layer):
    def __init__(self, teacher: ParkableClient, answer: str) -> None:
        super().__init__(teacher)
        self._teacher = teacher
        self._answer = answer

    async def create(self, messages: Sequence[LLMMessage], **options: Unpack[RequestOptions]) -> CreateResult:
        return read_brought(self._teacher, self._answer)


class _Else(Layer):
    """Asks `live` where the answer at hand is of no use."""

    def __init__(self, inner: ChatCompletionClient, live: ChatCompletionClient) -> None:
        super().__init__(inner)
        self._live = live

    async def create(self, messages: Sequence[LLMMessage], **options: Unpack[RequestOptions]) -> CreateResult:
        try:
            return await self.inner.create(messages, **options)
        except (TeacherUnavailable, TeacherRefused):
            return await self._live.create(messages, **options)
