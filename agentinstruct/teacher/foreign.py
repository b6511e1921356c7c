"""The layer that turns what other people's clients raise into this library's errors, so the other layers know it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Unpack

from autogen_core.models import ChatCompletionClient, CreateResult, LLMMessage

from agentinstruct.errors import AgentInstructError, TeacherError, TeacherUnavailable
from agentinstruct.teacher.failures import failure_of, without_keys
from agentinstruct.teacher.layer import Layer, RequestOptions, identity_of

_CONNECTION = {"APIConnectionError", "ClientError", "TransportError", "ConnectionError", "Timeout"}
"""Base classes by which the openai, anthropic, aiohttp, httpx and requests packages name a broken connection."""


class Translated(Layer):
    """Knows errors by their shape (a status code, a connection's class name): no provider's package is imported.

    An error it does not know becomes a `TeacherError`: the item fails with it, and it is not tried again.
    """

    def __init__(self, inner: ChatCompletionClient, *, timeout: float = 600.0) -> None:
        super().__init__(inner)
        self._timeout = timeout

    async def create(self, messages: Sequence[LLMMessage], **options: Unpack[RequestOptions]) -> CreateResult:
        """Ask `inner`, for no more than `timeout` seconds in all."""
        failure: AgentInstructError
        try:
            async with asyncio.timeout(self._timeout):
                return await self.inner.create(messages, **options)
        except AgentInstructError:
            raise
        except Exception as error:
            failure = self._translate(error)
        raise failure  # outside the handler: a foreign error may hold the request with its key

    def _translate(self, error: Exception) -> AgentInstructError:
        identity = identity_of(self.inner)
        model = str(identity.get("model", type(self.inner).__name__))
        said = without_keys(f"{type(error).__name__}: {error}")[:300]
        status = getattr(error, "status_code", None) or getattr(error, "code", None)
        if isinstance(status, int) and 400 <= status < 600:
            headers = getattr(getattr(error, "response", None), "headers", {})
            return failure_of(
                status,
                _scrubbed(getattr(error, "body", None) or str(error)),
                headers if isinstance(headers, Mapping) else {},
                model=model,
                endpoint=str(identity.get("base_url") or identity.get("endpoint") or "the provider"),
                key_variable="its configuration",
            )
        names = {kind.__name__ for kind in type(error).__mro__}
        if isinstance(error, OSError | TimeoutError | json.JSONDecodeError) or names & _CONNECTION:
            return TeacherUnavailable(f"no whole reply from {model}: {said}")
        return TeacherError(f"the client of {model} failed: {said}")


def _scrubbed(body: object, depth: int = 6) -> object:
    match body:
        case str():
            return without_keys(body)
        case Mapping() if depth:
            return {name: _scrubbed(value, depth - 1) for name, value in body.items()}
        case int() | float():
            return body
        case _:
            return None
