"""The outermost layer of the teacher stack: a question asked before is answered from the journal.

It knows what identifies a question and what a recorder must do, not how anything is stored.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, Unpack, cast

from autogen_core import FunctionCall, Image
from autogen_core.models import ChatCompletionClient, CreateResult, LLMMessage, RequestUsage
from autogen_core.tools import Tool
from pydantic import BaseModel

from agentinstruct.errors import Rejected
from agentinstruct.records import Asked, content_hash
from agentinstruct.teacher.layer import Layer, RequestOptions, identity_of
from agentinstruct.telemetry import UNWATCHED, Span

_encode = json.JSONEncoder(ensure_ascii=False).encode
_FORMAT = 1
"""Part of every key: raise it when the meaning of a recorded request changes, and no old answer is ever used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One question and its answer, as the journal keeps them. `request` and `reply` are JSON texts."""

    key: str
    agent: str
    model: str
    """Who answered: the teacher's model, or whoever else is known to have done it."""
    request: str
    reply: str
    prompt_tokens: int
    completion_tokens: int
    question: str = ""
    branch: str = ""
    occurrence: int = 0
    """With `question` and `branch`, what `key` was made from; see `Place`."""
    answered: float | None = None
    """When, as Unix time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in a run a question is asked. `id` names it in the whole run, `key` in its item, in journal and lineage.

    `question` is the hash of its words and of all that decides the answer: agent, teacher, reply schema and sampling.
    """

    id: str
    key: str
    flow: str
    seed: str
    agent: str
    question: str
    branch: str
    occurrence: int


class Asking(Protocol):
    """A teacher that must know which question it is asked: the answer may be there, or come to another process."""

    def asking(self, place: Place) -> ChatCompletionClient:
        """Return the client that asks the question at `place`, once."""
        ...


class AuthoredResult(CreateResult):
    """An answer by somebody whom the teacher's identity does not name, and when they gave it, where that is known."""

    author: str
    answered: float | None = None


class Recorder(Protocol):
    """One item's memory of what it asked."""

    def find(self, key: str) -> str | None:
        """Return the recorded reply of `key` as JSON, or None."""
        ...

    async def record(self, exchange: Exchange) -> None:
        """Keep `exchange`; return only when it would survive a crash."""
        ...

    def question(self, key: str) -> str:
        """Return the id of the question `key` in the whole run: items that ask the same have the same keys."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """A branch of the item of `flow` and `seed`: equal questions asked in it are told apart by their occurrence.

    Branches of an item that run side by side each have a scope, so timing never decides which answer goes where.
    """

    path: str
    flow: str
    seed: str
    occurrences: Counter[str]
    asked: list[Asked]

    @classmethod
    def at(cls, path: str, *, flow: str = "", seed: str = "") -> Scope:
        """Open the scope at `path`."""
        return cls(path=path, flow=flow, seed=seed, occurrences=Counter(), asked=[])


class Journaled(Layer):
    """Answers known questions from `recorder`, and records the answers to new ones before anyone sees them.

    Each becomes a call in `span`.
    """

    def __init__(
        self,
        inner: ChatCompletionClient,
        *,
        recorder: Recorder,
        scope: Scope,
        agent: str,
        prompt_hash: str,
        span: Span = UNWATCHED,
    ) -> None:
        super().__init__(inner)
        self._recorder = recorder
        self._scope = scope
        self._agent = agent
        self._prompt_hash = prompt_hash
        self._span = span

    async def create(self, messages: Sequence[LLMMessage], **options: Unpack[RequestOptions]) -> CreateResult:
        """Answer from the journal, else ask `inner` and record."""
        request = _describe(messages, options)
        identity = identity_of(self.inner)
        same = content_hash(_FORMAT, self._agent, identity, request)
        occurrence = self._scope.occurrences[same]
        self._scope.occurrences[same] += 1
        place = self._place(same, occurrence)
        key = place.key
        self._scope.asked.append(Asked(agent=self._agent, prompt=self._prompt_hash, request=key))
        known = self._recorder.find(key)
        with self._span.open(
            "call",
            self._agent,
            operation="chat",
            provider=str(identity.get("client", "")),
            model=str(identity.get("model", "")),
            agent=self._agent,
            request=key,
            replayed=known is not None,
        ) as call:
            if known is not None:
                return restore(known)
            return await self._ask(place, request, messages, options, call)

    def _place(self, question: str, occurrence: int) -> Place:
        scope = self._scope
        key = content_hash(question, scope.path, occurrence)
        return Place(
            id=self._recorder.question(key),
            key=key,
            flow=scope.flow,
            seed=scope.seed,
            agent=self._agent,
            question=question,
            branch=scope.path,
            occurrence=occurrence,
        )

    async def _ask(
        self, place: Place, request: dict[str, Any], messages: Sequence[LLMMessage], options: RequestOptions, call: Span
    ) -> CreateResult:
        inner = self.inner
        if hasattr(inner, "asking"):
            inner = cast(Asking, inner).asking(place)
        try:
            result = await inner.create(messages, **options)
        except Rejected as rejected:  # a refusal was paid for as well, and would be given again
            await self._record(place, request, json.dumps({"reason": rejected.reason, "detail": rejected.detail}))
            raise
        call.note(
            prompt_tokens=result.usage.prompt_tokens,
            completion_tokens=result.usage.completion_tokens,
            finish_reason=result.finish_reason,
        )
        told = _dump(result)
        reply = _writable(told)
        await self._record(place, request, reply, result)
        return result if reply is told else restore(reply)

    async def _record(
        self, place: Place, request: dict[str, Any], reply: str, result: CreateResult | None = None
    ) -> None:
        authored = result if isinstance(result, AuthoredResult) else None
        exchange = Exchange(
            key=place.key,
            agent=self._agent,
            model=authored.author if authored else str(identity_of(self.inner).get("model", "")),
            request=_writable(_encode(request["messages"])),
            reply=reply,
            prompt_tokens=result.usage.prompt_tokens if result else 0,
            completion_tokens=result.usage.completion_tokens if result else 0,
            question=place.question,
            branch=place.branch,
            occurrence=place.occurrence,
            answered=(authored and authored.answered) or time.time(),
        )
        await self._recorder.record(exchange)


def _describe(messages: Sequence[LLMMessage], options: RequestOptions) -> dict[str, Any]:
    """Return everything in a request that decides its answer, in plain JSON values."""
    json_output, choice = options.get("json_output"), options.get("tool_choice", "auto")
    return {
        "messages": [_message(message) for message in messages],
        "tools": [tool.schema if isinstance(tool, Tool) else tool for tool in options.get("tools", ())],
        "tool_choice": choice if isinstance(choice, str) else choice.name,
        "schema": _schema_hash(json_output) if isinstance(json_output, type) else json_output,
        "extra": {
            name: repr(value) if isinstance(value, type) else value
            for name, value in options.get("extra_create_args", {}).items()
        },
    }


@lru_cache(maxsize=256)
def _schema_hash(returns: type[BaseModel]) -> str:
    return content_hash(returns.model_json_schema())


def _message(message: LLMMessage) -> dict[str, Any]:
    content = message.content
    if isinstance(content, list):
        parts = [part.to_base64() if isinstance(part, Image) else part for part in content]
        plain: Any = [part if isinstance(part, str) else _plain(part) for part in parts]
    else:
        plain = content
    role = message.type.removesuffix("Message").lower()
    # AutoGen's own clients send the speaker's name, and an assistant's thought, along
    others = {name: value for name in ("source", "thought") if (value := getattr(message, name, None))}
    return {"role": role, "content": plain, **others}


def _plain(part: object) -> Any:
    if isinstance(part, BaseModel):
        return part.model_dump(mode="json")
    if isinstance(part, FunctionCall):
        return {"id": part.id, "name": part.name, "arguments": part.arguments}
    return repr(part)


def _dump(result: CreateResult) -> str:
    content: Any = result.content
    if not isinstance(content, str):
        content = [_plain(call) for call in content]
    usage = [result.usage.prompt_tokens, result.usage.completion_tokens]
    return _encode([content, result.finish_reason, usage, result.thought])


def _writable(text: str) -> str:
    """Return `text` with halves of surrogate pairs, as in a reply cut within an emoji, replaced: no file takes them."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def restore(text: str) -> CreateResult:
    """Return the recorded reply that `text` holds; raises `Rejected` where it was a refusal."""
    recorded = json.loads(text)
    if isinstance(recorded, dict):
        raise Rejected(**recorded)
    content, finish_reason, usage, thought = recorded
    if not isinstance(content, str):
        content = [FunctionCall(**call) for call in content]
    return CreateResult(
        content=content,
        finish_reason=finish_reason,
        usage=RequestUsage(prompt_tokens=usage[0], completion_tokens=usage[1]),
        cached=True,
        thought=thought,
    )
