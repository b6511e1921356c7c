"""How many tokens a question may cost before it is sent; nothing here needs a tokenizer's tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache

from autogen_core import FunctionCall
from autogen_core.models import AssistantMessage, LLMMessage
from autogen_core.tools import Tool
from pydantic import BaseModel

from agentinstruct.teacher.layer import RequestOptions

BYTES_PER_TOKEN = 3
"""A rule of thumb. English text has about 4.5, code and other European languages 3 to 4; tokens are then overrated."""
_PER_MESSAGE, _PER_REQUEST = 16, 64
"""Bytes for what a chat template puts around messages, rated generously."""


def prompt_bytes(messages: Sequence[LLMMessage], options: RequestOptions) -> int:
    """Return the prompt's size in UTF-8 bytes, schema and tools included.

    It bounds the prompt's tokens from above: byte-level tokenizers have no token shorter than a byte.
    """
    size = _PER_REQUEST + sum(_PER_MESSAGE + _bytes(text) for message in messages for text in _texts(message))
    for tool in options.get("tools", ()):
        size += _bytes(json.dumps(tool.schema if isinstance(tool, Tool) else tool))
    schema = options.get("json_output")
    return size + (_schema_bytes(schema) if isinstance(schema, type) else 0)


def estimated_tokens(size: int) -> int:
    """Return the tokens that `size` bytes of a prompt probably are."""
    return -(-size // BYTES_PER_TOKEN)


def longest_reply(options: RequestOptions, default: int | None) -> int | None:
    """Return the most tokens this request lets the reply have; `default` is the client's own setting."""
    extra = options.get("extra_create_args", {})
    given = extra.get("max_tokens") or extra.get("max_completion_tokens")
    return int(given) if given else default


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


@cache
def _schema_bytes(schema: type[BaseModel]) -> int:
    return _bytes(json.dumps(schema.model_json_schema()))


def _texts(message: LLMMessage) -> list[str]:
    content = message.content
    texts = [content] if isinstance(content, str) else [_part_text(part) for part in content]
    if isinstance(message, AssistantMessage) and message.thought:
        texts.append(message.thought)
    return texts


def _part_text(part: object) -> str:
    match part:
        case str():
            return part
        case FunctionCall():
            return part.name + part.arguments + part.id
        case BaseModel():
            return part.model_dump_json()
        case _:
            return " " * 6000  # an image: what the largest common ones cost, in bytes at one token each
