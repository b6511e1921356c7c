"""A client in memory, for tests of the layers: a real AutoGen client that does what it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, Unpack

from autogen_core.models import (
    ChatCompletionClient,
    CreateResult,
    LLMMessage,
    ModelFamily,
    ModelInfo,
    RequestUsage,
    UserMessage,
)
from autogen_core.tools import Tool, ToolSchema
from pydantic import JsonValue

from agentinstruct.teacher.layer import RequestOptions

Step = Callable[[int], RequestUsage | Exception]
QUESTION = [UserMessage(content="How many legs has a spider?", source="user")]


class ScriptedClient(ChatCompletionClient):
    """Each call yields to the loop `turns` times, then does what `step(number)` says."""

    component_type = "model"

    def __init__(self, step: Step | None = None, *, turns: int = 1, max_tokens: int | None = 100) -> None:
        self.step = step or (lambda _number: RequestUsage(prompt_tokens=10, completion_tokens=5))
        self.turns = turns
        self.max_tokens = max_tokens
        self.calls = 0
        self.in_flight = self.in_flight_max = 0

    def identity(self) -> dict[str, JsonValue]:
        known: dict[str, JsonValue] = {"client": "scripted", "model": "spider-1"}
        return known if self.max_tokens is None else {**known, "max_tokens": self.max_tokens}

    async def create(self, messages: Sequence[LLMMessage], **options: Unpack[RequestOptions]) -> CreateResult:
        number, self.calls = self.calls, self.calls + 1
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight, self.in_flight_max)
        try:
            for _ in range(self.turns):
                await asyncio.sleep(0)
            outcome = self.step(number)
        finally:
            self.in_flight -= 1
        if isinstance(outcome, Exception):
            raise outcome
        return CreateResult(finish_reason="stop", content="Eight.", usage=outcome, cached=False)

    async def create_stream(
        self, messages: Sequence[LLMMessage], **options: Unpack[RequestOptions]
    ) -> AsyncGenerator[str | CreateResult, None]:
        raise AssertionError("layers stream through create")
        yield ""

    async def close(self) -> None:
        pass

    def actual_usage(self) -> RequestUsage:
        return RequestUsage(0, 0)

    def total_usage(self) -> RequestUsage:
        return RequestUsage(0, 0)

    def count_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = ()) -> int:
        return 7

    def remaining_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = ()) -> int:
        return 1000

    @property
    def capabilities(self) -> ModelInfo:
        return self.model_info

    @property
    def model_info(self) -> ModelInfo:
        return ModelInfo(
            vision=False,
            function_calling=False,
            json_output=True,
            structured_output=True,
            family=ModelFamily.UNKNOWN,
        )


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


async def gather(*calls: Any) -> list[Any]:
    """Run calls at once; errors are results."""
    return await asyncio.gather(*calls, return_exceptions=True)
