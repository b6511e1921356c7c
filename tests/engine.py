"""What tests of the engine share: small flows as folders, a client that answers as told, and looking at a run."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, ParamSpec, Unpack

import pyarrow.parquet as pq
from autogen_core.models import (
    AssistantMessage,
    CreateResult,
    LLMMessage,
    ModelInfo,
    RequestUsage,
    SystemMessage,
    UserMessage,
)
from pydantic import JsonValue

from agentinstruct import ReadOptions, Seed, TeacherOptions, read_seeds
from agentinstruct.api import complete
from agentinstruct.flow import find_flows
from agentinstruct.paths import SEEDS
from agentinstruct.run import TeacherStack, preview_item
from agentinstruct.teacher.layer import RequestOptions
from agentinstruct.teacher.offline import answer
from agentinstruct.teacher.offline.material import Material
from tests.teacher.scripted import ScriptedClient

Given = ParamSpec("Given")
Reply = str | dict[str, Any] | CreateResult | Exception


_SAID = """from agentinstruct import Pair
from agentinstruct.flow import flow


@flow
async def said(seed, ask):
    for number in range(3):
        yield Pair.of(f"{seed.text} {number}", await ask("sayer", text=seed.text, number=number))
"""
SAID = {"flow.py": _SAID, "sayer.md": "Say.\n---\n{{ text }} {{ number }}"}
"""A flow of three questions to one agent, and as many pairs."""


def awaited(test: Callable[Given, Coroutine[Any, Any, None]]) -> Callable[Given, None]:
    """Make a test of a coroutine function, run in a loop of its own."""

    @functools.wraps(test)
    def run(*args: Given.args, **options: Given.kwargs) -> None:
        asyncio.run(test(*args, **options))

    return run


class Question:
    """One request as a client gets it: the words of `system` and `user`, the name of the reply's type, and options."""

    def __init__(self, messages: Sequence[LLMMessage], options: RequestOptions) -> None:
        self.messages = messages
        self.options = options
        self.system = _joined(messages, SystemMessage)
        self.user = _joined(messages, UserMessage)
        wanted = options.get("json_output")
        self.wanted = wanted.__name__ if isinstance(wanted, type) else ""

    def section(self, name: str) -> str:
        """Return the text that stands in the tag `name` of the user message."""
        return Material.of(self.system, self.user).text(name)


class Teacher(ScriptedClient):
    """A real AutoGen client that gives what `reply` says; its questions are counted and kept."""

    def __init__(
        self,
        reply: Callable[[Question], Reply | Awaitable[Reply]],
        *,
        structured: bool = True,
        max_tokens: int = 100,
        **identity: JsonValue,
    ) -> None:
        super().__init__(max_tokens=max_tokens)
        self.reply = reply
        self.structured = structured
        self.asked: list[Question] = []
        self._identity = identity

    def identity(self) -> dict[str, JsonValue]:
        return {**super().identity(), **self._identity}

    @property
    def model_info(self) -> ModelInfo:
        return ModelInfo(**{**super().model_info, "structured_output": self.structured})

    async def create(self, messages: Sequence[LLMMessage], **options: Unpack[RequestOptions]) -> CreateResult:
        question = Question(list(messages), options)
        self.asked.append(question)
        given = self.reply(question)
        reply = await given if isinstance(given, Awaitable) else given
        match reply:
            case Exception():
                raise reply
            case CreateResult():
                return reply
            case dict():
                return result(json.dumps(reply))
            case _:
                return result(reply)


def result(content: str, **fields: Any) -> CreateResult:
    """Make a whole result."""
    usage = RequestUsage(prompt_tokens=10, completion_tokens=5)
    return CreateResult(**{"finish_reason": "stop", "content": content, "usage": usage, "cached": False, **fields})


def sample_answer(request: dict[str, Any]) -> str:
    """Answer an OpenAI request by a shipped flow about a sample seed with its recorded reply.

    What was never recorded is answered as the offline teacher would in process.
    """
    recorded = _sample_answers().get(json.dumps([[turn["role"], turn["content"]] for turn in request["messages"]]))
    if recorded is not None:
        return recorded
    said: dict[str, list[str]] = {"system": [], "user": [], "assistant": []}
    for turn in request["messages"]:
        said[turn["role"]].append(turn["content"])
    schema = request.get("response_format", {}).get("json_schema", {}).get("schema")
    return answer(Material.of("\n".join(said["system"]), "\n".join(said["user"])), schema)


def sample_reply(question: Question) -> Reply:
    """Answer in process as `sample_answer` does over HTTP."""
    roles = {SystemMessage: "system", UserMessage: "user", AssistantMessage: "assistant"}
    messages = [{"role": roles[type(each)], "content": each.content} for each in question.messages]
    wanted = question.options.get("json_output")
    schema = {"json_schema": {"schema": wanted.model_json_schema()}} if isinstance(wanted, type) else {}
    return sample_answer({"messages": messages, "response_format": schema})


@functools.cache
def _sample_answers() -> dict[str, str]:
    """Return the recorded replies by their questions' words: the shipped flows ask them again in memory."""
    seeds = [seed for seed in read_seeds([str(SEEDS / "sample")], options=ReadOptions()) if isinstance(seed, Seed)]

    async def replay() -> dict[str, str]:
        stack = TeacherStack(TeacherOptions(teacher="recorded:sample"), spent={})
        found = {}
        for skill in find_flows(["reading_comprehension", "math_word_problems"]):
            for seed in (seed for seed in seeds if seed.kind in skill.flow.kinds):
                tree = await preview_item(seed, skill, stack)
                for exchange in tree.exchanges.values():
                    asked = [[turn["role"], turn["content"]] for turn in json.loads(exchange.request)]
                    found[json.dumps(asked)] = json.loads(exchange.reply)[0]
        return found

    return complete(replay())


def write_flow(folder: Path, files: Mapping[str, str]) -> Path:
    """Write a flow's files, named by their paths; an existing file of the same name is replaced."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def seeds(*texts: str) -> list[Seed]:
    """Make seeds of kind text."""
    return [Seed.of(text, license="CC0-1.0") for text in texts]


def pairs_of(run: Path) -> list[dict[str, Any]]:
    """Return the published pairs, in order."""
    return _rows(run / "pairs")


def rejected_of(run: Path) -> list[dict[str, Any]]:
    """Return the published rejections, in order."""
    return _rows(run / "rejected")


def _rows(folder: Path) -> list[dict[str, Any]]:
    return [row for shard in sorted(folder.glob("*.parquet")) for row in pq.read_table(shard).to_pylist()]


def dataset_bytes(run: Path) -> dict[str, bytes]:
    """Return every file of `pairs` and `rejected` with its bytes."""
    return {
        path.relative_to(run).as_posix(): path.read_bytes()
        for folder in ("pairs", "rejected")
        for path in sorted((run / folder).iterdir())
    }


def _joined(messages: Sequence[LLMMessage], kind: type[SystemMessage] | type[UserMessage]) -> str:
    return "\n".join(str(message.content) for message in messages if isinstance(message, kind))
