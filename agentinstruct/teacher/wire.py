"""AutoGen's messages as an OpenAI chat request, and the reply as AutoGen's result; nothing here knows HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from autogen_core import FunctionCall
from autogen_core.models import (
    AssistantMessage,
    CreateResult,
    FinishReasons,
    FunctionExecutionResultMessage,
    LLMMessage,
    RequestUsage,
    SystemMessage,
    UserMessage,
)
from autogen_core.tools import Tool, ToolSchema
from pydantic import BaseModel

from agentinstruct.errors import ConfigurationError, Rejected, TeacherUnavailable
from agentinstruct.teacher.layer import RequestOptions
from agentinstruct.teacher.strict import strict_schema

_FINISH: Mapping[str, FinishReasons] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content_filter",
    "tool_calls": "function_calls",
    "function_call": "function_calls",
}
_MOST_TOKENS = 100_000_000
"""More than any call has; a count beyond it is a lie."""


def request_body(messages: Sequence[LLMMessage], options: RequestOptions) -> dict[str, Any]:
    """Return the part of a request that differs from call to call; raises `ConfigurationError` on images."""
    body: dict[str, Any] = {"messages": [turn for message in messages for turn in _turns(message)]}
    if tools := options.get("tools"):
        body["tools"] = [{"type": "function", "function": _function(tool)} for tool in tools]
        choice = options.get("tool_choice", "auto")
        body["tool_choice"] = (
            choice if isinstance(choice, str) else {"type": "function", "function": {"name": choice.name}}
        )
    match options.get("json_output"):
        case True:
            body["response_format"] = {"type": "json_object"}
        case type() as schema:
            body["response_format"] = {"type": "json_schema", "json_schema": _strict(schema)}
    return body


def unencodable(error: UnicodeEncodeError) -> Rejected:
    """Return the rejection of a question that no request can hold, such as one with half an emoji in it."""
    return Rejected("unencodable_text", f"the question holds {error.object[error.start : error.end]!a}")


def _turns(message: LLMMessage) -> Iterator[dict[str, Any]]:
    match message:
        case SystemMessage():
            yield {"role": "system", "content": message.content}
        case UserMessage():
            yield {"role": "user", "content": _text(message.content)}
        case AssistantMessage(content=str() as text):
            yield {"role": "assistant", "content": text}
        case AssistantMessage(content=list() as calls):
            functions = [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for call in calls
            ]
            yield {"role": "assistant", "content": message.thought, "tool_calls": functions}
        case FunctionExecutionResultMessage():
            for result in message.content:
                yield {"role": "tool", "tool_call_id": result.call_id, "content": result.content}


def _text(content: str | Sequence[object]) -> str:
    if isinstance(content, str):
        return content
    if not all(isinstance(part, str) for part in content):
        raise ConfigurationError(
            "this teacher takes text only, and a message holds an image; "
            "use an AutoGen component file with a vision model for it"
        )
    return "\n".join(map(str, content))


def _function(tool: Tool | ToolSchema) -> Mapping[str, Any]:
    schema = tool.schema if isinstance(tool, Tool) else tool
    return {"description": "", "parameters": {}, **schema}


@cache
def _strict(schema: type[BaseModel]) -> dict[str, Any]:
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", schema.__name__)[:64]
    return {"name": name, "strict": True, "schema": strict_schema(schema)}


def result_of(reply: object) -> CreateResult:
    """Read a reply. Raises `Rejected` for a refusal, and `TeacherUnavailable` for what is no whole reply."""
    match reply:
        case {"choices": [{"message": {**message}, **choice}, *_], **rest}:
            pass
        case {"error": error}:  # some servers send errors with status 200
            raise TeacherUnavailable(f"the teacher sent an error in place of a reply: {_shortened(error)}")
        case _:
            raise TeacherUnavailable(f"the teacher sent no chat completion: {_shortened(reply)}")
    finish = _FINISH.get(str(choice.get("finish_reason")), "unknown")
    if finish == "content_filter":
        raise Rejected("content_filter", "the teacher's content filter stopped the reply")
    if refusal := message.get("refusal"):
        raise Rejected("refused", _shortened(refusal))
    text = "" if (content := message.get("content")) is None else content
    calls = _calls(message.get("tool_calls"))
    if not isinstance(text, str):
        raise TeacherUnavailable(f"the teacher's reply is not text: {_shortened(text)}")
    thought = message.get("reasoning_content") or (text if calls else None)
    return CreateResult(
        # a call that was cut off is not one to execute: `length` stays visible
        finish_reason="function_calls" if calls and finish != "length" else finish,
        content=calls or text,
        usage=_usage(rest.get("usage")),
        cached=False,
        thought=thought if isinstance(thought, str) and thought else None,
    )


def _calls(calls: object) -> list[FunctionCall]:
    read = []
    for call in calls if isinstance(calls, list) else ():
        match call:
            case {"id": str() as call_id, "function": {"name": str() as name, "arguments": str() as arguments}}:
                read.append(FunctionCall(id=call_id, name=name, arguments=arguments))
            case _:
                raise TeacherUnavailable(f"the teacher sent a malformed tool call: {_shortened(call)}")
    return read


def _usage(usage: object) -> RequestUsage:
    """Read the token counts; zeros where the server tells none that could be true, and the budget rates the worst."""
    match usage:
        case {"prompt_tokens": int() as prompt, "completion_tokens": int() as completion} if (
            0 <= prompt <= _MOST_TOKENS and 0 <= completion <= _MOST_TOKENS
        ):
            return RequestUsage(prompt_tokens=prompt, completion_tokens=completion)
        case _:
            return RequestUsage(prompt_tokens=0, completion_tokens=0)


def _shortened(value: object) -> str:
    text = str(value)
    return text if len(text) <= 200 else f"{text[:200]}…"
