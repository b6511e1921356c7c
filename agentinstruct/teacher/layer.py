"""What every layer of the teacher stack is: an AutoGen client around an AutoGen client."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from typing import Any, Literal, Protocol, TypedDict, TypeVar, Unpack, cast
from urllib.parse import urlsplit, urlunsplit
from weakref import WeakKeyDictionary

from autogen_core import CancellationToken
from autogen_core.models import ChatCompletionClient, CreateResult, LLMMessage, ModelInfo, RequestUsage
from autogen_core.tools import Tool, ToolSchema
from pydantic import BaseModel, JsonValue, SecretStr

Result = TypeVar("Result")


class RequestOptions(TypedDict, total=False):
    """What AutoGen's `create` takes besides the messages."""

    tools: Sequence[Tool | ToolSchema]
    tool_choice: Tool | Literal["auto", "required", "none"]
    json_output: bool | type[BaseModel] | None
    extra_create_args: Mapping[str, Any]
    cancellation_token: CancellationToken | None


class Identified(Protocol):
    """A client that says what decides its answers."""

    def identity(self) -> dict[str, JsonValue]:
        """Return what decides an answer besides the messages (model, endpoint, sampling), and never a key.

        `model` and `max_tokens`, where there are such, stand under these names.
        """
        ...


class Layer(ChatCompletionClient):
    """Passes everything to `inner`; a layer overrides `create`, and streaming goes through it too."""

    component_type = "model"

    def __init__(self, inner: ChatCompletionClient) -> None:
        self.inner = inner

    async def create(self, messages: Sequence[LLMMessage], **options: Unpack[RequestOptions]) -> CreateResult:
        """Ask `inner`."""
        return await self.inner.create(messages, **options)

    async def create_stream(
        self, messages: Sequence[LLMMessage], **options: Unpack[RequestOptions]
    ) -> AsyncGenerator[str | CreateResult, None]:
        """Yield the whole content as one piece, then the result: an answer is used only when it is complete."""
        result = await self.create(messages, **options)
        if isinstance(result.content, str):
            yield result.content
        yield result

    def identity(self) -> dict[str, JsonValue]:
        """Return what decides `inner`'s answers: layers change when an answer comes, not what it is."""
        return identity_of(self.inner)

    async def close(self) -> None:
        """Close `inner`."""
        await self.inner.close()

    def actual_usage(self) -> RequestUsage:
        """Return `inner`'s."""
        return self.inner.actual_usage()

    def total_usage(self) -> RequestUsage:
        """Return `inner`'s."""
        return self.inner.total_usage()

    def count_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = ()) -> int:
        """Return `inner`'s count."""
        return self.inner.count_tokens(messages, tools=tools)

    def remaining_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = ()) -> int:
        """Return `inner`'s count."""
        return self.inner.remaining_tokens(messages, tools=tools)

    @property
    def capabilities(self) -> ModelInfo:
        """Return `inner`'s model information."""
        return self.inner.model_info

    @property
    def model_info(self) -> ModelInfo:
        """Return `inner`'s model information."""
        return self.inner.model_info


async def cancellable(work: Coroutine[Any, Any, Result], token: CancellationToken | None) -> Result:
    """Await `work`; AutoGen's cancellation token, where there is one, ends it."""
    if token is None:
        return await work
    task = asyncio.ensure_future(work)
    token.link_future(task)
    return await task


_SECRET = re.compile(r"(^|_)(api_?)?(key|token|secrets?|headers?|password|credentials?|authorization)(_|$)")
_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_dumped: WeakKeyDictionary[ChatCompletionClient, dict[str, JsonValue]] = WeakKeyDictionary()


def identity_of(client: ChatCompletionClient) -> dict[str, JsonValue]:
    """Return what decides `client`'s answers: its own `identity()`, or what its AutoGen component dump tells.

    A dump leaves out what AutoGen leaves out of it (`extra_body`, an `http_client`); a client that has such settings,
    or cannot be dumped and has settings at all, should bring an `identity()`.
    """
    while getattr(type(client), "identity", None) is Layer.identity:  # a call for each layer would cost 1 % of a run
        client = cast(Layer, client).inner
    if hasattr(client, "identity"):  # isinstance with a Protocol takes 3 µs
        return cast(Identified, client).identity()
    if client not in _dumped:
        _dumped[client] = _dump(client)
    return _dumped[client]


def _dump(client: ChatCompletionClient) -> dict[str, JsonValue]:
    name = f"{type(client).__module__}.{type(client).__qualname__}"
    try:
        config: Mapping[str, object] = client.dump_component().config
    except (NotImplementedError, AttributeError, TypeError, ValueError):  # what AutoGen raises for "cannot be dumped"
        config = {"model_info": dict(client.model_info)}
    shown = without_secrets(config)
    return {"client": name, **(shown if isinstance(shown, dict) else {})}


def without_secrets(value: object) -> JsonValue:
    """Return `value` as JSON, without entries that are, or are named like, secrets, and without passwords in URLs."""
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return public_url(value) if "://" in value else value
        case Mapping():
            names = [name for name, entry in value.items() if not _is_secret(str(name), entry)]
            return {str(name): without_secrets(value[name]) for name in names}
        case list() | tuple():
            return [without_secrets(entry) for entry in value]
        case _:
            # not str(): an object's text may hold its address, which differs from run to run
            return f"{type(value).__module__}.{type(value).__qualname__}"


def _is_secret(name: str, value: object) -> bool:
    return isinstance(value, SecretStr) or _SECRET.search(_CAPITAL.sub("_", name).lower().replace("-", "_")) is not None


def public_url(url: str) -> str:
    """Return `url` without user, password and query, any of which may hold a key."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(not a URL)"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
