"""OpenAI's Batch API, at OpenAI, on Azure or at any server that has the same: files going up, batches, files down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from datetime import timedelta
from typing import Any, BinaryIO, TypeVar

import aiohttp
import httpx2
import openai
from pydantic import BaseModel, Field

from agentinstruct.batch.lines import whole_lines
from agentinstruct.batch.protocols import BatchStatus, Lost
from agentinstruct.errors import AgentInstructError, ConfigurationError, Rejected, TeacherRefused, TeacherUnavailable
from agentinstruct.teacher.openai import OpenAITeacher

Result = TypeVar("Result")
Shape = TypeVar("Shape", bound=BaseModel)
WAVE = "agentinstruct_wave"
"""The metadata under which a batch carries our own name for it: so it is found again when its id was never heard."""
_BROKEN = (openai.OpenAIError, aiohttp.ClientError, httpx2.HTTPError, OSError, ValueError, RecursionError)
_SHORT, _LONG = 120.0, 3600.0
"""Seconds for a request, and for one that carries a file."""
_CLOCKS = timedelta(days=1).total_seconds()
"""How far our clock and the provider's may be apart."""
_NO_BATCHES = (404, 405, 501)


class _File(BaseModel):
    id: str = Field(min_length=1)
    bytes: int = 0


class _Counts(BaseModel):
    total: int = 0
    completed: int = 0
    failed: int = 0


class _Error(BaseModel):
    code: str | None = None
    message: str | None = None


class _Errors(BaseModel):
    data: list[_Error] | None = None


class _Batch(BaseModel):
    id: str = Field(min_length=1)
    status: str
    created_at: float
    metadata: dict[str, str] | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    errors: _Errors | None = None
    request_counts: _Counts | None = None


class _Page(BaseModel):
    data: list[_Batch]


class OpenAIBatches:
    """The batches of one teacher, with its key and at its place."""

    def __init__(self, teacher: OpenAITeacher) -> None:
        self._teacher = teacher
        self._endpoint = teacher.endpoint
        azure = self._endpoint.api_version is not None
        self.url = "/chat/completions" if azure else "/v1/chat/completions"
        self._connections: dict[bool, openai.AsyncOpenAI] = {}

    def _client(self, *, files: bool = False) -> openai.AsyncOpenAI:
        if files not in self._connections:
            timeout = _LONG if files else _SHORT
            self._connections[files] = self._endpoint.connect(concurrency=8, timeout=timeout, whole_files=files)
        return self._connections[files]

    def scrub(self, text: str) -> str:
        """Blot out the key, and anything that looks like one."""
        return self._endpoint.scrub(text)

    async def close(self) -> None:
        """Close the connections."""
        for client in self._connections.values():
            await client.close()
        self._connections.clear()

    async def submit(self, wave: str, lines: BinaryIO) -> str:
        """Upload the questions and start a batch of them."""
        files = self._client(files=True).files.with_raw_response
        upload = files.create(file=(f"{wave}.jsonl", lines), purpose="batch")
        uploaded = await self._ask(upload, _File, seconds=_LONG)
        made = self._client().batches.with_raw_response.create(
            input_file_id=uploaded.id,
            endpoint=self.url,  # type: ignore[arg-type]  # Azure's own path is none that the package knows
            completion_window="24h",
            metadata={WAVE: wave},
        )
        return (await self._ask(made, _Batch)).id

    async def find(self, wave: str, created: float) -> str | None:
        """Look through the batches made since `created`, newest first."""
        after: str | None = None
        while True:
            more: dict[str, Any] = {} if after is None else {"after": after}
            page = (await self._ask(self._client().batches.with_raw_response.list(limit=100, **more), _Page)).data
            for batch in page:
                if (batch.metadata or {}).get(WAVE) == wave:
                    return batch.id
            if not page or page[-1].created_at < created - _CLOCKS or page[-1].id == after:
                return None
            after = page[-1].id

    async def retrieve(self, batch: str) -> BatchStatus:
        """Retrieve one batch."""
        retrieved = self._client().batches.with_raw_response.retrieve(batch)
        found = await self._ask(retrieved, _Batch, missing=f"batch {batch}")
        counts = found.request_counts or _Counts()
        first = found.errors.data[0] if found.errors and found.errors.data else None
        return BatchStatus(
            state=found.status,
            total=counts.total,
            done=counts.completed + counts.failed,
            files=tuple(file for file in (found.output_file_id, found.error_file_id) if file),
            code=(first.code or "") if first else "",
            problem=self._endpoint.scrub(f"{first.code}: {first.message}"[:300]) if first else "",
        )

    async def fetch(self, file: str) -> AsyncIterator[bytes]:
        """Download a file line by line; raises `Lost` where it is not there, or is not all there."""
        missing = f"file {file}"
        told = await self._ask(self._client().files.with_raw_response.retrieve(file), _File, missing=missing)
        response = await self._perform(
            self._client(files=True).files.with_streaming_response.content(file).__aenter__(),
            missing=missing,
            seconds=_LONG,
        )
        failure: AgentInstructError
        size = 0

        async def pieces() -> AsyncIterator[bytes]:
            nonlocal size
            async for piece in response.iter_bytes():
                size += len(piece)
                yield piece

        try:
            async with asyncio.timeout(_LONG):
                async for line in whole_lines(pieces()):
                    yield line
            if not told.bytes or size == told.bytes:
                return
            failure = Lost(f"{self._endpoint.shown} sent {size} of the {told.bytes} bytes of file {file}")
        except (TimeoutError, *_BROKEN) as error:
            failure = self._failure(error, f"file {file}")
        finally:
            await response.close()
        raise failure  # outside: the transport's error holds the request with its key

    async def _ask(
        self,
        work: Awaitable[Any],
        shape: type[Shape],
        *,
        missing: str | None = None,
        seconds: float = _SHORT,
    ) -> Shape:
        """Return a reply of a known shape: the openai package takes anything for one."""
        reply = await self._perform(work, missing=missing, seconds=seconds)
        try:
            return shape.model_validate_json(reply.text)
        except (ValueError, RecursionError):
            told = self._endpoint.scrub(reply.text[:200])
        raise TeacherUnavailable(f"{self._endpoint.shown} sent no {shape.__name__[1:].lower()}: {told!r}")

    async def _perform(self, work: Awaitable[Result], *, missing: str | None = None, seconds: float = _SHORT) -> Result:
        failure: AgentInstructError
        try:
            async with asyncio.timeout(seconds):
                return await work
        except (TimeoutError, *_BROKEN) as error:
            failure = self._failure(error, missing)
        raise failure  # outside: the transport's error holds the request with its key

    def _failure(self, error: Exception, missing: str | None) -> AgentInstructError:
        shown = self._endpoint.shown
        if isinstance(error, TimeoutError):
            return TeacherUnavailable(f"{shown} gave no whole reply in time")
        if not isinstance(error, openai.APIStatusError):
            told = str(error.__cause__ or error).replace(" ssl:default", "")
            return TeacherUnavailable(f"the connection to {shown} failed: {self._endpoint.scrub(told)[:300]}")
        if error.status_code == 404 and missing and missing.startswith("batch "):
            return TeacherRefused(
                f"{shown} does not know {missing}: it was made with another key, which is then needed, or is deleted"
            )
        if error.status_code == 404 and missing:
            return Lost(f"{shown} has no {missing} any more")
        if error.status_code in _NO_BATCHES:
            return ConfigurationError(
                f"{shown} has no batch API (it answers {error.status_code}): leave out --batch, "
                "or give --batch export and have the questions answered elsewhere"
            )
        said = error.body if error.body is not None else error.response.text
        failure = self._teacher.failure(error.status_code, said, error.response.headers)
        if isinstance(failure, Rejected):  # what would end one question live is said here of a whole file
            return TeacherRefused(f"{shown} refuses the batch ({failure}): try a smaller --batch-size")
        return failure
