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
from agentinstruct.teacher import Budget, Layer, Ledger, Price, RequestOptions, Retry, cancellable, unencodable
from agentinstruct.teacher.openai import OpenAITeacher


class Parked(Layer):
    """Asks one question by way of `batcher`; body and answer are as, and mean what, they do when `teacher` asks."""

    def __init__(self, teacher: OpenAITeacher, batcher: Batcher, back_end: BackEnd, question: str) -> None:
        super().__init__(teacher)
        self._teacher = teacher
        self._batcher = batcher
        self._back_end = back_end
        self._question = question
        self._place = f"{teacher.model} at {teacher.endpoint.shown}"  # a batch takes one model

    async def create(self, messages: Sequence[LLMMessage], **options: Unpack[RequestOptions]) -> CreateResult:
        """Park the question and wait for its answer; raises what the teacher itself would raise for it."""
        name = self._question
        # the body is nobody's but the batcher's: while thousands of questions wait, it is on disk
        asked = self._batcher.answer(
            Question(id=name, place=self._place, body=_json(self._teacher.body(messages, options))), self._back_end
        )
        answer = await cancellable(asked, options.get("cancellation_token"))
        try:
            return self._teacher.read(*read_answer(answer))
        except (TeacherUnavailable, TeacherRefused):
            await self._batcher.discard(name)
            raise


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

    No limits and no pace: how much goes out at a time is the batcher's. Every attempt may be charged for.
    """

    def __init__(
        self,
        teacher: ChatCompletionClient,
        batcher: Batcher,
        *,
        attempts: int = 3,
        ledger: Ledger | None = None,
        price: Price | None = None,
    ) -> None:
        if not isinstance(teacher, OpenAITeacher):
            raise ConfigurationError(
                "only teachers such as openai:MODEL and azure:DEPLOYMENT can be asked by batch: "
                "name one for every role, or leave --batch away"
            )
        super().__init__(teacher)
        self._teacher = teacher
        self._batcher = batcher
        self._back_end = OpenAIBatches(teacher)
        self._attempts = attempts
        self._ledger = ledger
        self._price = price
        self._random = Random()
        self.asking("")  # a budget that could not hold is refused now

    def asking(self, question: str) -> ChatCompletionClient:
        """Return the client that asks one question."""
        parked: ChatCompletionClient = Parked(self._teacher, self._batcher, self._back_end, question)
        if self._ledger is not None:
            parked = Budget(parked, self._ledger, price=self._price)
        return Retry(parked, attempts=self._attempts, sleep=_at_once, random=self._random)

    async def create(self, messages: Sequence[LLMMessage], **options: Unpack[RequestOptions]) -> CreateResult:
        """Raise `ConfigurationError`: without a question's id an answer could not find back."""
        raise ConfigurationError("a teacher that asks by batch answers only within a run: see `generate --batch`")

    async def close(self) -> None:
        """Close all connections."""
        await self._back_end.close()
        await super().close()
