"""A layer that makes replies fit their type: it sends the schema along, and asks once more where one does not."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import TypeVar, Unpack

from autogen_core.models import (
    AssistantMessage,
    ChatCompletionClient,
    CreateResult,
    LLMMessage,
    SystemMessage,
    UserMessage,
)
from jinja2 import Environment, Template
from pydantic import BaseModel, ValidationError

from agentinstruct.errors import Rejected
from agentinstruct.teacher.layer import Layer, RequestOptions, identity_of

Reply = TypeVar("Reply", bound=BaseModel)
_FENCE = re.compile(r"```(?:json)?[ \t\r]*\n")
_LONGEST_REPLY = 1_000_000
"""Characters: some 250,000 tokens, which no model gives; reading more would hold up the other items."""
_MOST_FAULTS = 20


class Typed(Layer):
    """Asks for replies of one type. A reply that cannot be read ends the branch with `Rejected`, its text kept."""

    def __init__(self, inner: ChatCompletionClient, returns: type[BaseModel] | None) -> None:
        super().__init__(inner)
        self._returns = returns

    async def create(self, messages: Sequence[LLMMessage], **options: Unpack[RequestOptions]) -> CreateResult:
        """Return a whole reply that fits the type; raises `Rejected` if two tries gave none."""
        asked_for = options.get("json_output")
        wanted = self._returns or (asked_for if isinstance(asked_for, type) else None)
        if wanted is None:
            return _not_empty(await self._whole(messages, options))
        if self.inner.model_info.get("structured_output", False):
            conversation, options["json_output"] = list(messages), wanted
        else:
            conversation, options["json_output"] = _with_schema(messages, wanted), None
        result = await self._whole(conversation, options)
        if not isinstance(result.content, str):
            return result
        try:
            read_reply(result.content, wanted)
        except ValidationError as error:
            repair: list[LLMMessage] = [
                AssistantMessage(content=result.content, source="assistant"),
                _repair_request(error),
            ]
            result = await self._whole([*conversation, *repair], options)
            _read_or_reject(result, wanted)
        return result

    async def _whole(self, messages: Sequence[LLMMessage], options: RequestOptions) -> CreateResult:
        """Ask until the reply is not cut off: a text cut short is never taken for a whole one."""
        result = await self.inner.create(messages, **options)
        if result.finish_reason == "length":
            extra = options.get("extra_create_args", {})
            room = extra.get("max_tokens") or identity_of(self.inner).get("max_tokens")
            if isinstance(room, int):
                more_room: RequestOptions = {**options, "extra_create_args": {**extra, "max_tokens": room * 2}}
                result = await self.inner.create(messages, **more_room)
        if result.finish_reason == "length":
            raise Rejected("truncated_reply", str(result.content[:2000]))
        if result.finish_reason == "content_filter":
            raise Rejected("content_filter", "the teacher's content filter refused")
        if isinstance(result.content, str) and len(result.content) > _LONGEST_REPLY:
            raise Rejected("oversized_reply", f"{len(result.content):,} characters: {result.content[:2000]}")
        return result


def read_reply(text: str, returns: type[Reply]) -> Reply:
    """Parse a reply, bare or in a Markdown fence; raises pydantic's `ValidationError`."""
    try:
        return returns.model_validate_json(text)
    except ValidationError:
        if (opened := _FENCE.search(text)) and (end := text.find("```", opened.end())) >= 0:
            return returns.model_validate_json(text[opened.end() : end])
        raise


def _read_or_reject(result: CreateResult, returns: type[BaseModel]) -> None:
    try:
        read_reply(str(result.content), returns)
    except ValidationError as error:
        reason = f"{error.error_count()} validation errors for {error.title}"
        raise Rejected("malformed_reply", f"{reason}\n{str(result.content)[:2000]}") from error


def _not_empty(result: CreateResult) -> CreateResult:
    if isinstance(result.content, str) and not result.content.strip():
        raise Rejected("empty_reply", "the teacher answered with no words")
    return result


@cache
def _letter(filename: str) -> Template:
    return Environment(autoescape=False).from_string((Path(__file__).parent / filename).read_text(encoding="utf-8"))


def _with_schema(messages: Sequence[LLMMessage], returns: type[BaseModel]) -> list[LLMMessage]:
    """Tell the schema after the system message and before all else: some servers take system messages only there."""
    note = SystemMessage(content=_letter("schema.md").render(schema=json.dumps(returns.model_json_schema())))
    told = sum(1 for _ in takewhile(lambda message: isinstance(message, SystemMessage), messages))
    return [*messages[:told], note, *messages[told:]]


def _repair_request(error: ValidationError) -> UserMessage:
    told = error.errors(include_url=False, include_context=False, include_input=False)[:_MOST_FAULTS]
    faults = "\n".join(f"- {'.'.join(map(str, fault['loc'])) or 'reply'}: {fault['msg']}" for fault in told)
    return UserMessage(content=_letter("repair.md").render(error=faults), source="user")
