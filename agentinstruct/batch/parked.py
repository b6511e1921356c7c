"""The teacher that parks its questions: it hands them to a batcher, and reads the answers whenever they come."""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random
from typing import Unpack

from autogen_core.models import ChatCompletionClient, CreateResult, LLMMessage

from agentinstruct.batch.lines import read_answer
from agentinstruct.batch.openai import OpenAIBatches
from agentinstruct.batch.protocols import BackEnd, Batcher, Question
from agentinstruct.errors import ConfigurationError, TeacherRefused, TeacherUnavailable
from agentinstruct.teacher import (
    AuthoredResult,
    Budget,
    Elsewhere,
    Layer,
    Ledger,
    Place,
    Price,
    RequestOptions,
    Retry,
    by_batch,
    cancellable,
    identity_of,
    unencodable,
)
from agentinstruct.teacher.openai import OpenAITeacher

ParkableClient = OpenAITeacher | Elsewhere


class Parked(Layer):
    """Asks one question by way of `batcher`; body and answer are as, and mean what, they do when `teacher` asks."""

    def __init__(self, teacher: ParkableClient, batcher: Batcher, back_end: BackEnd | None, asked: Place) -> None:
        super().__init__(teacher)
        self._teacher = teacher
        self._batcher = batcher
        self._back_end = back_end
        self._asked = asked

    async def create(self, messages: Sequence[LLMMessage], **options: Unpack[RequestOptions]) -> CreateResult:
        """Park the question and wait for its answer; raises what the teacher itself would raise for it."""
        # the body is nobody's but the batcher's: while thousands of questions wait, it is on disk
        body = _json(self._teacher.body(messages, options))
        asked = self._batcher.answer(Question(asked=self._asked, place=self._teacher.place, body=body), self._back_end)
        answer = await cancellable(asked, options.get("cancellation_token"))
        try:
            return read_brought(self._teacher, answer)
        except (TeacherUnavailable, TeacherRefused):
            await self._batcher.discard(self._asked.id)
            raise


def read_brought(teacher: ParkableClient, answer: str) -> CreateResult:
    """Read a kept answer as `teacher` reads its own: by whoever is named as its author, else by it, through a batch."""
    status, reply, author = read_answer(answer)
    result = teacher.read(status, reply)
    return AuthoredResult(**dict(result), author=author or by_batch(str(identity_of(teacher).get("model", ""))))


def _json(body: object) -> str:
    text = json.dumps(body, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError as error:  # one such line, and a provider refuses the whole file
        raise unencodable(error) from None
    return json.dumps(body)  # in ASCII: some take other line separators than \n for the end of a line


async def _at_once(_seconds: float) -> None:
    """Do not wait: the next wave comes when it comes."""


class ParkedTeacher(Layer):
    """A teacher that asks each question within `Retry(Budget(Parked(teacher)))`: what `Protected` is to one asked live.

    It takes no limits and no pace: how much goes out at a time is the batcher's. Every attempt may be charged for.
    """

    def __init__(
        self,
        teacher: ChatCompletionClient,
        batcher: Batcher,
        *,
        sends: bool = True,
        attempts: int = 3,
        ledger: Ledger | None = None,
        price: Price | None = None,
    ) -> None:
        if not isinstance(teacher, OpenAITeacher if sends else OpenAITeacher | Elsewhere):
            asked = "openai:MODEL and azure:DEPLOYMENT" if sends else "openai:MODEL, elsewhere:NAME and recorded:FILE"
            how = "by a provider's batches" if sends else "through files"
            raise ConfigurationError(
                f"only teachers such as {asked} can be asked {how}: name one for every role, or leave out --batch"
            )
        super().__init__(teacher)
        self._teacher = teacher
        self._batcher = batcher
        self._back_end = OpenAIBatches(teacher) if isinstance(teacher, OpenAITeacher) else None
        self._attempts = attempts
        self._ledger = ledger
        self._price = price
        self._random = Random()
        if ledger is not None:
            Budget(teacher, ledger, price=price)  # one that could not hold is refused now

    def asking(self, place: Place) -> ChatCompletionClient:
        """Return the client that asks one question."""
        parked: ChatCompletionClient = Parked(self._teacher, self._batcher, self._back_end, place)
        if self._ledger is not None:
            parked = Budget(parked, self._ledger, price=self._price)
        return Retry(parked, attempts=self._attempts, sleep=_at_once, random=self._random)

    async def create(self, messages: Sequence[LLMMessage], **options: Unpack[RequestOptions]) -> CreateResult:
        """Raise `ConfigurationError`: without a question's id an answer could not find back."""
        raise ConfigurationError("a teacher that asks by batch answers only within a run: see `generate --batch`")

    async def close(self) -> None:
        """Close all connections."""
        if self._back_end is not None:
            await self._back_end.close()
        await super().close()
