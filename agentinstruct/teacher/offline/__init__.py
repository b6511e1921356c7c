"""The offline teacher: a procedural stand-in for a model, so that everything runs and can be tried without a key.

It answers from the material in each prompt: extraction, cloze and order questions, arithmetic with exact solutions;
what it cannot do well it declines. Nobody is to train a product on what it says.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Sequence
from functools import cache
from typing import Any, Unpack

from autogen_core.models import (
    ChatCompletionClient,
    CreateResult,
    LLMMessage,
    ModelInfo,
    RequestUsage,
    SystemMessage,
    UserMessage,
)
from autogen_core.tools import Tool, ToolSchema
from pydantic import BaseModel, JsonValue

from agentinstruct.teacher.layer import RequestOptions
from agentinstruct.teacher.offline import reading, word_problems
from agentinstruct.teacher.offline.material import Material
from agentinstruct.teacher.offline.schema import fill_schema, plain_reply

VERSION = 2
"""Part of the teacher's identity: raise it when any answer changes, and no old one is taken from a journal."""

_INFO = ModelInfo(
    vision=False,
    function_calling=False,
    json_output=True,
    structured_output=True,
    multiple_system_messages=True,
    family="offline",
)
_CHARACTERS_PER_TOKEN = 4
_ANSWERERS: tuple[dict[str, Callable[[Material], dict[str, Any] | None]], ...] = (
    word_problems.ANSWERERS,
    reading.ANSWERERS,
)


class OfflineTeacher(ChatCompletionClient):
    """Answers in process, at once, and the same question always in the same way."""

    component_type = "model"

    def __init__(self) -> None:
        self._usage = RequestUsage(prompt_tokens=0, completion_tokens=0)

    def identity(self) -> dict[str, JsonValue]:
        """Return the teacher's name and version."""
        return {"client": "offline", "model": "offline", "version": VERSION, "max_tokens": 4096}

    async def create(self, messages: Sequence[LLMMessage], **options: Unpack[RequestOptions]) -> CreateResult:
        """Answer the last user messages in the form that `json_output` asks for."""
        material = Material.of(_joined(messages, SystemMessage), _joined(messages, UserMessage))
        wanted = options.get("json_output")
        content = answer(material, _schema(wanted) if isinstance(wanted, type) else None)
        usage = RequestUsage(
            prompt_tokens=self.count_tokens(messages), completion_tokens=len(content) // _CHARACTERS_PER_TOKEN + 1
        )
        self._usage.prompt_tokens += usage.prompt_tokens
        self._usage.completion_tokens += usage.completion_tokens
        return CreateResult(content=content, finish_reason="stop", usage=usage, cached=False)

    async def create_stream(
        self, messages: Sequence[LLMMessage], **options: Unpack[RequestOptions]
    ) -> AsyncGenerator[str | CreateResult, None]:
        """Yield the whole answer, then the result."""
        result = await self.create(messages, **options)
        assert isinstance(result.content, str)
        yield result.content
        yield result

    async def close(self) -> None:
        """Do nothing: nothing is held open."""

    def actual_usage(self) -> RequestUsage:
        """Return the tokens so far, at four characters each."""
        return self._usage

    def total_usage(self) -> RequestUsage:
        """Return the tokens so far."""
        return self._usage

    def count_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = ()) -> int:
        """Count four characters as a token."""
        return sum(len(str(message.content)) for message in messages) // _CHARACTERS_PER_TOKEN + 1

    def remaining_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = ()) -> int:
        """Return what a common context leaves."""
        return 128_000 - self.count_tokens(messages)

    @property
    def capabilities(self) -> ModelInfo:
        """Return `model_info`."""
        return _INFO

    @property
    def model_info(self) -> ModelInfo:
        """Return what the teacher can do."""
        return _INFO


def answer(material: Material, schema: dict[str, Any] | None) -> str:
    """Return the reply to `material`: JSON that fits `schema`, or text where there is none."""
    if schema is None:
        return plain_reply(material)
    fields = set(schema.get("properties", ()))
    for answerers in _ANSWERERS:
        answerer = answerers.get(schema.get("title", ""))
        reply = answerer(material) if answerer else None
        if reply is not None and set(reply) == fields:
            return json.dumps(reply, ensure_ascii=False)
    return json.dumps(fill_schema(schema, material), ensure_ascii=False)


@cache
def _schema(returns: type[BaseModel]) -> dict[str, Any]:
    return returns.model_json_schema()


def _joined(messages: Sequence[LLMMessage], kind: type[SystemMessage] | type[UserMessage]) -> str:
    texts = [message.content for message in messages if isinstance(message, kind)]
    return "\n".join(text if isinstance(text, str) else str(text) for text in texts)
