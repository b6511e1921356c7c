"""OpenAI's own client for an endpoint, for what is not asked by the thousand: files and batches."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import openai

from agentinstruct.teacher.connection import check_coding, check_size


def open_official(
    url: str, key: str, *, api_version: str | None, concurrency: int, timeout: float, whole_files: bool
) -> openai.AsyncOpenAI:
    """Open the client with a pool of its own; no connection is made before the first call."""
    limits = httpx2.Limits(max_connections=concurrency, max_keepalive_connections=concurrency, keepalive_expiry=60.0)
    common: dict[str, Any] = {
        "max_retries": 0,  # retrying is a layer's work
        "timeout": timeout,
        # a compressed body could grow without bounds behind the cap on its size
        "default_headers": {"Accept-Encoding": "identity"},
        "http_client": openai.DefaultAioHttpClient(
            timeout=timeout,
            limits=limits,
            follow_redirects=False,  # the questions, and Azure's key, would travel on to wherever it says
            event_hooks={"response": [_uncompressed if whole_files else _cap]},
        ),
    }
    if api_version is not None:
        return openai.AsyncAzureOpenAI(azure_endpoint=url, api_version=api_version, api_key=key, **common)
    return openai.AsyncOpenAI(base_url=url, api_key=key, **common)


async def _uncompressed(response: httpx2.Response) -> None:
    check_coding(response.headers)


async def _cap(response: httpx2.Response) -> None:
    check_coding(response.headers)
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    response.stream = _Capped(response.stream)


class _Capped(httpx2.AsyncByteStream):
    """A body that may not be larger than a reply may be."""

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for piece in self._stream:
            size += len(piece)
            check_size(size)
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()
