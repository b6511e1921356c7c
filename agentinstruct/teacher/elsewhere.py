"""A teacher that answers elsewhere, `elsewhere:NAME`: questions are taken out and answers brought in by file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from autogen_core.models import CreateResult, LLMMessage
from pydantic import JsonValue

from agentinstruct.errors import AgentInstructError, ConfigurationError
from agentinstruct.teacher.client import Client
from agentinstruct.teacher.failures import failure_of, without_keys
from agentinstruct.teacher.layer import RequestOptions
from agentinstruct.teacher.wire import request_body, result_of

_SAMPLING = ("temperature", "top_p", "max_tokens", "seed")


class Elsewhere(Client):
    """Knows who is asked, and how a question is written and an answer read; it sends nothing.

    `identity` says who that is: `model` names the author, and the sampling settings travel with each question.
    """

    def __init__(self, identity: Mapping[str, JsonValue]) -> None:
        super().__init__()
        self._identity = dict(identity)

    @property
    def author(self) -> str:
        """Who is asked."""
        return str(self._identity.get("model", ""))

    @property
    def place(self) -> str:
        """What a batch of its questions is called."""
        return f"{self.author} elsewhere"

    def identity(self) -> dict[str, JsonValue]:
        """Return what was given."""
        return self._identity

    def body(self, messages: Sequence[LLMMessage], options: RequestOptions) -> dict[str, Any]:
        """Return a question in the form of a chat completion request; raises `ConfigurationError` on images."""
        sampling = {name: self._identity[name] for name in _SAMPLING if name in self._identity}
        return {"model": self.author, **sampling, **request_body(messages, options)}

    def read(self, status: int, reply: object) -> CreateResult:
        """Read an answer that was brought in; raises what a live teacher raises for it."""
        if not 200 <= status < 300:
            raise self.failure(status, reply, {})
        return result_of(reply)

    def failure(self, status: int, said: object, headers: Mapping[str, str]) -> AgentInstructError:
        """Return the error that an answer with an error status means."""
        words = without_keys(said) if isinstance(said, str) else said
        return failure_of(status, words, headers, model=self.author, endpoint="the batch", key_variable="the key")

    async def create(self, messages: Sequence[LLMMessage], **options: Unpack[RequestOptions]) -> CreateResult:
        """Raise `ConfigurationError`: there is nobody here to ask."""
        raise ConfigurationError(
            f"{self.author} answers elsewhere: give --batch export, and take the questions out with `batch export`"
        )
