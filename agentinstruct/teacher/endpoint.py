"""Where an OpenAI-compatible server is, and the connection pool to it. The key lives here and is never shown."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

import httpx2
import openai

from agentinstruct.errors import ConfigurationError
from agentinstruct.teacher.failures import without_keys
from agentinstruct.teacher.layer import public_url

OPENAI = "https://api.openai.com/v1"
LARGEST_REPLY = 32 * 2**20
"""Bytes. The longest replies models give are a few hundred kilobytes; a body without end must not fill the memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A server and the right to use it. `api_version` makes it an Azure one."""

    url: str
    key: str = field(repr=False)
    key_variable: str
    api_version: str | None = None

    @classmethod
    def find(cls, base_url: str | None, *, api_version: str | None = None, key_variable: str | None = None) -> Endpoint:
        """Complete what was given from the environment; raises `ConfigurationError` that says what to set."""
        azure = api_version is not None
        variable = key_variable or ("AZURE_OPENAI_API_KEY" if azure else "OPENAI_API_KEY")
        url = base_url or os.environ.get("AZURE_OPENAI_ENDPOINT" if azure else "OPENAI_BASE_URL")
        if azure and not url:
            raise ConfigurationError(
                "an Azure teacher needs its resource: give --base-url or set AZURE_OPENAI_ENDPOINT"
            )
        url = (url or OPENAI).rstrip("/")
        if not _is_http(url):
            raise ConfigurationError(f"the base URL {public_url(url)!r} is not of the form http://host:port/v1")
        if urlsplit(url).username is not None:
            raise ConfigurationError(f"the base URL {public_url(url)} must hold no user: give the key in {variable}")
        key = os.environ.get(variable, "").strip()
        if not (key.isascii() and key.isprintable()):
            raise ConfigurationError(f"the key in {variable} holds characters that no key has: set it again")
        if not key and (azure or key_variable or _is_openai(url)):
            raise ConfigurationError(
                f"no key for {public_url(url)}: set the environment variable {variable}, "
                "or give --base-url for a server that needs none"
            )
        return cls(url=url, key=key or "none", key_variable=variable, api_version=api_version)

    @property
    def is_openai(self) -> bool:
        """Whether it is OpenAI's own, and not merely compatible."""
        return self.api_version is None and _is_openai(self.url)

    @property
    def shown(self) -> str:
        """The URL without anything secret."""
        return public_url(self.url)

    def scrub(self, text: str) -> str:
        """Return `text` with the key, and anything that looks like one, blotted out."""
        if len(self.key) >= 5:  # a dummy such as "none" is a word, and no secret
            for form in {self.key, quote(self.key, safe="")}:
                text = text.replace(form, "[key]")
        return without_keys(text)

    def connect(self, *, concurrency: int, timeout: float) -> openai.AsyncOpenAI:
        """Open a pool for `concurrency` calls at once; no connection is made before the first call."""
        limits = httpx2.Limits(
            max_connections=concurrency, max_keepalive_connections=concurrency, keepalive_expiry=60.0
        )
        common: dict[str, Any] = {
            "max_retries": 0,  # retrying is a layer's work
            "timeout": timeout,
            # a compressed body could grow without bounds behind the cap on its size
            "default_headers": {"Accept-Encoding": "identity"},
            "http_client": openai.DefaultAioHttpClient(
                timeout=timeout,
                limits=limits,
                follow_redirects=False,  # the questions, and Azure's key, would travel on to wherever it says
                event_hooks={"response": [_cap]},
            ),
        }
        if self.api_version is not None:
            return openai.AsyncAzureOpenAI(
                azure_endpoint=self.url, api_version=self.api_version, api_key=self.key, **common
            )
        return openai.AsyncOpenAI(base_url=self.url, api_key=self.key, **common)


def _is_openai(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host == "api.openai.com" or host.endswith(".api.openai.com")


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, or half an IPv6 address
        return False


async def _cap(response: httpx2.Response) -> None:
    if (coding := response.headers.get("content-encoding", "identity").lower()) not in ("", "identity"):
        raise OSError(f"the reply is compressed ({coding[:40]}), which was not asked for")
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    response.stream = _Capped(response.stream)


class _Capped(httpx2.AsyncByteStream):
    """A body that may not be larger than `LARGEST_REPLY`."""

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for piece in self._stream:
            size += len(piece)
            if size > LARGEST_REPLY:
                raise OSError(f"the reply is larger than {LARGEST_REPLY // 2**20} MB")
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()
