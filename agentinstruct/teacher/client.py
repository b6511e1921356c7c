"""What this package's own clients share of AutoGen's interface; each brings its `identity` and its `create`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Unpack

from autogen_core.models import ChatCompletionClient, CreateResult, LLMMessage, ModelInfo, RequestUsage
from autogen_core.tools import Tool, ToolSchema

from agentinstruct.teacher.layer import RequestOptions
from agentinstruct.teacher.tokens import estimated_tokens, prompt_bytes

_INFO = ModelInfo(
    vision=False,
    function_calling=True,
    json_output=True,
    structured_output=True,
    multiple_system_messages=True,
    family="unknown",
)
_CONTEXT = 128_000
"""Tokens assumed to fit into a model, for agents that ask; servers do not tell."""


class Client(ChatCompletionClient):
    """A client that answers in one piece, and counts the tokens of its answers with `count`."""

    component_type = "model"
    notice = ""
    """What a person should know before they use what it says, if there is anything."""

    def __init__(self) -> None:
        self._usage = RequestUsage(prompt_tokens=0, completion_tokens=0)

    def count(self, usage: RequestUsage) -> None:
        """Add what an answer has used."""
        self._usage.prompt_tokens += usage.prompt_tokens
        self._usage.completion_tokens += usage.completion_tokens

    async def create_stream(
        self, messages: Sequence[LLMMessage], **options: Unpack[RequestOptions]
    ) -> AsyncGenerator[str | CreateResult, None]:
        """Yield the whole content as one piece, then the result."""
        result = await self.create(messages, **options)
        if isinstance(result.content, str):
            yield result.content
        yield result

    async def close(self) -> None:
        """Do nothing: nothing is held open."""

    def actual_usage(self) -> RequestUsage:
        """Return the tokens of all answers so far."""
        return RequestUsage(self._usage.prompt_tokens, self._usage.completion_tokens)

    def total_usage(self) -> RequestUsage:
        """Return the same as `actual_usage`: nothing is answered from a cache here."""
        return self.actual_usage()

    def count_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = ()) -> int:
        """Return an estimate, by the rule of thumb of `tokens.py`."""
        return estimated_tokens(prompt_bytes(messages, {"tools": tools}))

    def remaining_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = ()) -> int:
        """Return what is left of an assumed context of 128,000 tokens."""
        return _CONTEXT - self.count_tokens(messages, tools=tools)

    @property
    def capabilities(self) -> ModelInfo:
        """Return the same as `model_info`."""
        return _INFO

    @property
    def model_info(self) -> ModelInfo:
        """Return what is assumed of any compatible server: text, tools and structured output."""
        return _INFO
