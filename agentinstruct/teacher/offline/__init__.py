"""The offline teacher: fills in the form of any reply type from the prompt's words, at once and always in the same way.

It exists so that engines, scaffolds and benchmarks can be tried without a model. It understands nothing: what it writes
are placeholders, and nobody is to train on them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import Any, Unpack

from autogen_core.models import CreateResult, LLMMessage, ModelInfo, RequestUsage, SystemMessage, UserMessage
from autogen_core.tools import Tool, ToolSchema
from pydantic import BaseModel, JsonValue

from agentinstruct.teacher.client import Client
from agentinstruct.teacher.layer import RequestOptions
from agentinstruct.teacher.offline.material import Material
from agentinstruct.teacher.offline.schema import fill_schema
from agentinstruct.teacher.offline.wording import plain_reply

VERSION = 4
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


class OfflineTeacher(Client):
    """Answers in process; a question decides its answer, whoever asks it and when."""

    notice = "The offline teacher is not a model: it fills in forms with words of the prompt. Do not train on this."

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
        self.count(usage)
        return CreateResult(content=content, finish_reason="stop", usage=usage, cached=False)

    def count_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = ()) -> int:
        """Count four characters as a token."""
        return sum(len(str(message.content)) for message in messages) // _CHARACTERS_PER_TOKEN + 1

    @property
    def model_info(self) -> ModelInfo:
        """Return what the teacher can do."""
        return _INFO


def answer(material: Material, schema: dict[str, Any] | None) -> str:
    """Return the reply to `material`: JSON that fits `schema`, or text where there is none."""
    return plain_reply(material) if schema is None else json.dumps(fill_schema(schema, material), ensure_ascii=False)


@cache
def _schema(returns: type[BaseModel]) -> dict[str, Any]:
    return returns.model_json_schema()


def _joined(messages: Sequence[LLMMessage], kind: type[SystemMessage] | type[UserMessage]) -> str:
    return "\n".join(str(message.content) for message in messages if isinstance(message, kind))
