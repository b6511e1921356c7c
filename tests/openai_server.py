"""A real server on loopback that speaks OpenAI's chat completions and batches, answers as told, and fails as told.

In a test: the fixture `openai_server`, or `with OpenAIServer(answer) as server: … server.base_url …`.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, Literal

from aiohttp import web

from tests.batch_api import BatchAPI
from tests.batch_file import fingerprint

Answer = Callable[[dict[str, Any]], str | dict[str, Any]]
"""Gets the request's JSON and returns the reply's content, or the whole `message`."""
Kind = Literal[
    "status",  # an error reply with `status`, `body` and `headers`
    "reset_before_headers",
    "reset_within_headers",
    "reset_within_body",
    "cut_short",  # valid JSON that ends before the length that was told
    "cut_chunk",  # valid JSON in a chunked body that is never ended
    "trickle",  # the right reply, one byte every `seconds`
    "hang",  # nothing at all for `seconds`
    "truncated_json",  # half a body, said to be whole
    "not_json",
    "no_choices",
    "malformed_reply",  # a whole reply whose content is not what was asked for
    "length",  # half the content, finish_reason length
    "content_filter",  # finish_reason content_filter
    "refusal",  # structured output's own field for a model that refuses
    "without_usage",
    "raw",  # an error reply whose whole body is `message`
    "endless",  # a body that does not stop
    "compressed",  # 100 MB of body in 100 kB, though nobody asked for gzip
]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that goes wrong with one request."""

    kind: Kind = "status"
    status: int = 500
    code: str | None = None
    message: str = "the server is not well"
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.05

    @classmethod
    def throttled(cls, seconds: float | None = None, *, date: bool = False) -> Fault:
        """Make a 429, with Retry-After as seconds or as a date if `seconds` is given."""
        headers: dict[str, str] = {}
        if seconds is not None:
            headers["Retry-After"] = formatdate(time.time() + seconds, usegmt=True) if date else f"{seconds:g}"
        return cls(status=429, code="rate_limit_exceeded", message="too many requests", headers=headers)


ReplyHeaders = Callable[[dict[str, Any], Fault | None], Mapping[str, str]]
"""Gets a request's JSON and what goes wrong with it; returns headers for its reply, besides the fault's own."""
Faults = Callable[[int, dict[str, Any]], Fault | None]
"""Gets the number of the request, from 0, and its JSON; returns what goes wrong with it."""


def echo(request: dict[str, Any]) -> str:
    """Answer with the last message."""
    return str(request["messages"][-1]["content"])


class OpenAIServer:
    """Serves in a thread of its own while the `with` block lasts; its counts may be read at any time.

    `faults` is a callable, or a sequence of which each request takes one until it is used up (None: all is well).
    """

    def __init__(
        self,
        answer: Answer = echo,
        *,
        faults: Faults | Iterable[Fault | None] = (),
        latency: float = 0.0,
        jitter: float = 0.0,
        key: str | None = None,
        port: int = 0,
    ) -> None:
        self.answer = answer
        self.batches = BatchAPI(self)
        self.fail(faults)
        self.latency, self.jitter, self.key, self.port = latency, jitter, key, port
        self.reply_headers: ReplyHeaders = lambda _request, _fault: {}
        self.requests: list[dict[str, Any]] = []
        """Every question, whether sent by itself or in a batch."""
        self.headers: list[dict[str, str]] = []
        self.arrivals: list[float] = []
        """Monotonic seconds."""
        self.bodies: Counter[str] = Counter()
        """How often each distinct question came, by its hash."""
        self.answered = 0
        self.billed = {"prompt_tokens": 0, "completion_tokens": 0}
        """The tokens of every reply that was made, whether it arrived or not."""
        self.in_flight = self.in_flight_max = 0
        self._random = random.Random(0)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = threading.Event()
        self._started = threading.Event()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def duplicates(self) -> int:
        """Requests whose body had come before."""
        return self.bodies.total() - len(self.bodies)

    def fail(self, faults: Faults | Iterable[Fault | None]) -> None:
        """Plan what goes wrong from now on."""
        if callable(faults):
            self._faults = faults
            return
        plan: Iterator[Fault | None] = iter(faults)
        self._faults = lambda _number, _request: next(plan, None)

    def __enter__(self) -> OpenAIServer:
        self._thread = threading.Thread(target=lambda: asyncio.run(self.serve()), daemon=True)
        self._thread.start()
        if not self._started.wait(10):
            raise RuntimeError("the test server did not start")
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(10)

    async def serve(self) -> None:
        """Serve until `__exit__`, or for ever when run as a process."""
        app = web.Application(client_max_size=2**26)
        for path in ("/v1/chat/completions", "/openai/deployments/{deployment}/chat/completions"):
            app.router.add_post(path, self._complete)
        self.batches.add_routes(app.router)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.port, backlog=4096)
        await site.start()
        self.port = runner.addresses[0][1]
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._started.set()
        try:
            await self._ended.wait()
        finally:
            await runner.cleanup()

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        question = json.loads(await request.read())
        number = len(self.arrivals)
        self.arrivals.append(time.monotonic())
        self.headers.append(dict(request.headers))
        self.count(question)
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight_max, self.in_flight)
        try:
            if self.latency or self.jitter:
                await asyncio.sleep(self.latency + self._random.uniform(0, self.jitter))
            return await self._answer(request, question, self._faults(number, question))
        finally:
            self.in_flight -= 1

    def count(self, question: dict[str, Any]) -> None:
        self.requests.append(question)
        self.bodies[fingerprint(question)] += 1

    def refusal(self, request: web.Request) -> Fault | None:
        """Return what a request with another key than the server's gets."""
        shown = request.headers.get("Authorization", "")
        if self.key is None or shown == f"Bearer {self.key}":
            return None
        return Fault(status=401, code="invalid_api_key", message=f"Incorrect API key provided: {shown}")

    async def _answer(self, request: web.Request, question: dict[str, Any], fault: Fault | None) -> web.StreamResponse:
        fault = self.refusal(request) or fault
        headers = self.reply_headers(question, fault)
        if fault is not None and fault.kind == "status":
            return await self.reply(request, b"", fault, headers)
        return await self.reply(request, json.dumps(self.complete(question, fault)).encode(), fault, headers)

    async def reply(
        self, request: web.Request, body: bytes, fault: Fault | None, headers: Mapping[str, str] | None = None
    ) -> web.StreamResponse:
        """Send a body, or what becomes of it."""
        if fault is not None and fault.kind == "status":
            error = {"message": fault.message, "type": "error", "param": None, "code": fault.code}
            return web.json_response(
                {"error": error}, status=fault.status, headers={**(headers or {}), **fault.headers}
            )
        if fault is not None and fault.kind in _WIRE_FAULTS:
            return await _WIRE_FAULTS[fault.kind](request, body, fault)
        return web.Response(body=body, content_type="application/json", headers=headers)

    def complete(self, question: dict[str, Any], fault: Fault | None) -> dict[str, Any]:
        """Make and bill a reply's body."""
        given = self.answer(question)
        message = {"role": "assistant", "content": given} if isinstance(given, str) else {"role": "assistant", **given}
        content = message.get("content") or ""
        finish = "tool_calls" if message.get("tool_calls") else "stop"
        match fault.kind if fault else None:
            case "length":
                message["content"], finish = content[: len(content) // 2], "length"
            case "content_filter":
                message["content"], finish = "", "content_filter"
            case "refusal":
                message |= {"content": None, "refusal": "I cannot help with that."}
            case "malformed_reply":
                message["content"] = '{"unexpected": ' + json.dumps(content)
            case _:
                pass
        said = sum(len(str(turn.get("content") or "")) for turn in question["messages"])
        usage = {"prompt_tokens": 4 + said // 4, "completion_tokens": 1 + len(str(message["content"] or "")) // 4}
        self.answered += 1
        for name, tokens in usage.items():
            self.billed[name] += tokens
        body: dict[str, Any] = {
            "id": f"chatcmpl-{self.answered}",
            "object": "chat.completion",
            "created": 0,
            "model": question.get("model", ""),
            "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
            "usage": {**usage, "total_tokens": sum(usage.values())},
        }
        if fault is not None and fault.kind == "no_choices":
            body["choices"] = []
        if fault is not None and fault.kind == "without_usage":
            del body["usage"]
        return body


WireFault = Callable[[web.Request, bytes, Fault], Awaitable[web.StreamResponse]]


def _abort(request: web.Request) -> web.StreamResponse:
    """Close the connection so that the other side gets a reset, not an end."""
    transport = request.transport
    if transport is not None:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    raise asyncio.CancelledError  # ends this handler without a word more


async def _reset_before_headers(request: web.Request, _body: bytes, _fault: Fault) -> web.StreamResponse:
    return _abort(request)


async def _reset_within_headers(request: web.Request, _body: bytes, fault: Fault) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: applica")
    await asyncio.sleep(fault.seconds)  # what is still on its way when a reset is sent may never be read
    return _abort(request)


async def _begin(request: web.Request, length: int | None) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.content_length = length
    await response.prepare(request)
    return response


async def _reset_within_body(request: web.Request, body: bytes, fault: Fault) -> web.StreamResponse:
    response = await _begin(request, len(body))
    await response.write(body[: len(body) // 2])
    await asyncio.sleep(fault.seconds)
    return _abort(request)


async def _cut_short(request: web.Request, body: bytes, fault: Fault) -> web.StreamResponse:
    response = await _begin(request, len(body) + 100)
    await response.write(body)
    return await _close(request, fault)


async def _cut_chunk(request: web.Request, body: bytes, fault: Fault) -> web.StreamResponse:
    response = await _begin(request, None)
    await response.write(body)
    return await _close(request, fault)


async def _close(request: web.Request, fault: Fault) -> web.StreamResponse:
    """End the connection in good order, though not the reply."""
    assert request.transport is not None
    await asyncio.sleep(fault.seconds)
    request.transport.close()
    raise asyncio.CancelledError


async def _trickle(request: web.Request, body: bytes, fault: Fault) -> web.StreamResponse:
    response = await _begin(request, len(body))
    for place in range(len(body)):
        await response.write(body[place : place + 1])
        await asyncio.sleep(fault.seconds)
    return response


async def _hang(request: web.Request, _body: bytes, fault: Fault) -> web.StreamResponse:
    await asyncio.sleep(fault.seconds)
    return _abort(request)


async def _truncated(_request: web.Request, body: bytes, _fault: Fault) -> web.StreamResponse:
    return web.Response(body=body[: len(body) // 2], content_type="application/json")


async def _not_json(_request: web.Request, _body: bytes, _fault: Fault) -> web.StreamResponse:
    return web.Response(text="<html>Bad gateway</html>", content_type="text/html")


async def _endless(request: web.Request, _body: bytes, _fault: Fault) -> web.StreamResponse:
    response = await _begin(request, None)
    while True:
        await response.write(b" " * 2**20)


async def _raw(_request: web.Request, _body: bytes, fault: Fault) -> web.StreamResponse:
    return web.Response(text=fault.message, status=fault.status, content_type="application/json")


async def _compressed(_request: web.Request, body: bytes, _fault: Fault) -> web.StreamResponse:
    bomb = gzip.compress(body[:-1] + b" " * 100_000_000 + body[-1:], 1)
    return web.Response(body=bomb, content_type="application/json", headers={"Content-Encoding": "gzip"})


_WIRE_FAULTS: Mapping[str, WireFault] = {
    "reset_before_headers": _reset_before_headers,
    "reset_within_headers": _reset_within_headers,
    "reset_within_body": _reset_within_body,
    "cut_short": _cut_short,
    "cut_chunk": _cut_chunk,
    "trickle": _trickle,
    "hang": _hang,
    "truncated_json": _truncated,
    "not_json": _not_json,
    "endless": _endless,
    "compressed": _compressed,
    "raw": _raw,
}
