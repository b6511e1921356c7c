"""A teacher on any server that speaks OpenAI's chat completions: OpenAI, Azure, vLLM, Ollama, llama.cpp and others."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import aiohttp
from autogen_core.models import CreateResult, LLMMessage
from pydantic import JsonValue

from agentinstruct.errors import AgentInstructError, Rejected, TeacherUnavailable
from agentinstruct.teacher.client import Client
from agentinstruct.teacher.connection import Connection, Reply
from agentinstruct.teacher.endpoint import Endpoint
from agentinstruct.teacher.failures import failure_of
from agentinstruct.teacher.layer import RequestOptions, cancellable, without_secrets
from agentinstruct.teacher.rates import RatedResult, Rates
from agentinstruct.teacher.wire import request_body, result_of, unencodable

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


class OpenAITeacher(Client):
    """Asks one model. It makes one attempt per call: retries, limits and the budget are layers around it.

    The key comes from the environment (`key_variable`, else OPENAI_API_KEY or AZURE_OPENAI_API_KEY) and is never shown.
    `api_version` makes it an Azure teacher, whose `model` is the deployment and whose `base_url` is the resource.
    `timeout` bounds a whole attempt in seconds, however slowly bytes arrive. `max_tokens` bounds the reply; what is
    None is not sent. `extra_body` is merged into each request. It serves one event loop at a time. A `keyless`
    one does without a key, for questions that others send.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_version: str | None = None,
        key_variable: str | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        max_tokens: int | None = 4096,
        seed: int | None = None,
        timeout: float = 300.0,
        concurrency: int = 64,
        extra_body: Mapping[str, JsonValue] | None = None,
        keyless: bool = False,
    ) -> None:
        super().__init__()
        self._endpoint = Endpoint.find(base_url, api_version=api_version, key_variable=key_variable, keyless=keyless)
        self._model = model
        self._timeout = timeout
        self._connection = Connection(self._endpoint.url, self._endpoint.headers, concurrency=concurrency)
        # OpenAI's newer models refuse the old name, and other servers may not know the new one
        self._length_name = "max_completion_tokens" if self._endpoint.is_openai else "max_tokens"
        sampling = {"temperature": temperature, "top_p": top_p, "max_tokens": max_tokens, "seed": seed}
        self._sampling = {name: value for name, value in sampling.items() if value is not None}
        self._extra_body = dict(extra_body or {})
        identity = {
            "client": "azure" if api_version else "openai",
            "model": model,
            "endpoint": self._endpoint.shown,
            "api_version": api_version,
            **self._sampling,
            "extra_body": without_secrets(self._extra_body),
        }
        self._identity: dict[str, JsonValue] = {name: value for name, value in identity.items() if value is not None}

    def __repr__(self) -> str:
        return f"OpenAITeacher({self._model!r}, base_url={self._endpoint.shown!r})"

    @property
    def endpoint(self) -> Endpoint:
        """Where the questions go."""
        return self._endpoint

    @property
    def model(self) -> str:
        """The model, or the deployment, that is asked."""
        return self._model

    @property
    def place(self) -> str:
        """What a batch of its questions is called: a batch takes one model."""
        return f"{self._model} at {self._endpoint.shown}"

    def identity(self) -> dict[str, JsonValue]:
        """Return client, model, endpoint and sampling."""
        return self._identity

    async def create(self, messages: Sequence[LLMMessage], **options: Unpack[RequestOptions]) -> CreateResult:
        """Ask once.

        Raises `TeacherUnavailable` for what another try may cure, `TeacherRefused` for what stops the run, `Rejected`
        for a question this teacher will not answer, and `ConfigurationError` for messages with images.
        """
        outcome = await cancellable(self._attempt(self.body(messages, options)), options.get("cancellation_token"))
        if isinstance(outcome, AgentInstructError):
            raise outcome
        self.count(outcome.usage)
        return outcome

    def body(self, messages: Sequence[LLMMessage], options: RequestOptions) -> dict[str, Any]:
        """Return the whole request as it goes out, whichever way it does; raises `ConfigurationError` on images."""
        extra = options.get("extra_create_args", {})
        body = {"model": self._model, **self._sampling, **request_body(messages, options), **self._extra_body, **extra}
        if "max_tokens" in body:
            body[self._length_name] = body.pop("max_tokens")
        return body

    def read(self, status: int, reply: object) -> CreateResult:
        """Read a reply that came another way than `create`; raises what `create` raises."""
        if not 200 <= status < 300:
            raise self.failure(status, reply, {})
        try:
            return result_of(reply)
        except Rejected as error:
            raise Rejected(error.reason, self._endpoint.scrub(error.detail)) from None
        except TeacherUnavailable as error:
            raise TeacherUnavailable(self._endpoint.scrub(str(error))) from None

    async def _attempt(self, body: dict[str, Any]) -> CreateResult | AgentInstructError:
        # Errors of the transport hold the request with its key. Ours are returned and raised elsewhere, so that they
        # carry none of these as their cause or context.
        try:
            sent = _encode(body).encode()
            async with asyncio.timeout(self._timeout):
                reply = await self._connection.post(self._endpoint.address(str(body["model"])), sent)
            return self._result(reply)
        except UnicodeEncodeError as error:
            return unencodable(error)
        except TimeoutError:
            return TeacherUnavailable(f"{self._endpoint.shown} gave no whole reply within {self._timeout:g} s")
        except Rejected as error:
            return Rejected(error.reason, self._endpoint.scrub(error.detail))
        except TeacherUnavailable as error:
            return TeacherUnavailable(self._endpoint.scrub(str(error)))
        except (aiohttp.ClientError, OSError) as error:
            # the text of a `ClientResponseError` would hold the URL with its query
            told = error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)
            reason = self._endpoint.scrub(told.replace(" ssl:default", ""))[:300] or type(error).__name__
            return TeacherUnavailable(f"the connection to {self._endpoint.shown} failed: {reason}")

    def _result(self, reply: Reply) -> CreateResult | AgentInstructError:
        try:
            said: object = json.loads(reply.body)
        except (ValueError, RecursionError):
            said = reply.body.decode(errors="replace")
            if 200 <= reply.status < 300:
                start = self._endpoint.scrub(said)[:200]
                return TeacherUnavailable(f"{self._endpoint.shown} sent a body that is not JSON: {start!r}")
        if 200 <= reply.status < 300:
            result, rates = result_of(said), Rates.told(reply.headers)
            return result if rates is None else RatedResult(**dict(result), rates=rates)
        return self.failure(reply.status, said, reply.headers)

    def failure(self, status: int, said: object, headers: Mapping[str, str]) -> AgentInstructError:
        """Return the error that a reply with an error status means, without keys in it."""
        return failure_of(
            status,
            self._scrubbed(said),
            headers,
            model=self._model,
            endpoint=self._endpoint.shown,
            key_variable=self._endpoint.key_variable,
        )

    def _scrubbed(self, said: object, depth: int = 6) -> object:
        match said:
            case str():
                return self._endpoint.scrub(said)
            case Mapping() if depth:  # no server's message lies deeper, and nesting without end is one to stumble over
                return {name: self._scrubbed(value, depth - 1) for name, value in said.items()}
            case int() | float():
                return said
            case _:
                return None

    async def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        await self._connection.close()
