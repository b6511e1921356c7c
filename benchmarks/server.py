"""An OpenAI-compatible chat server for load: fast enough that one core of it keeps any client busy.

It knows nothing of chains but the words it answers with. The counters are at /stats; the first request is told on
standard output, so that whoever measures can tell start-up from work.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import time
from dataclasses import dataclass, field
from random import Random
from typing import Any, cast

from benchmarks.chain import question_key, reply_to

_REASONS = {200: "OK", 404: "Not Found", 429: "Too Many Requests", 500: "Internal Server Error"}


@dataclass(slots=True)
class Counters:
    """What has been asked and answered so far."""

    requests: int = 0
    answered: int = 0
    repeated: int = 0
    """Questions that had been answered before, and were asked and answered again."""
    faults: int = 0
    abandoned: int = 0
    """Questions whose connection was gone before their answer."""
    connections: int = 0
    in_flight: int = 0
    in_flight_max: int = 0
    first: float = 0.0
    last: float = 0.0
    _area: float = 0.0
    _marked: float = 0.0
    _known: set[str] = field(default_factory=set)

    def fly(self, change: int) -> None:
        """Count a question in or out."""
        now = time.monotonic()
        self._area += self.in_flight * (now - self._marked)
        self._marked = self.last = now
        self.in_flight += change
        self.in_flight_max = max(self.in_flight_max, self.in_flight)

    def answer(self, question: str) -> None:
        """Count an answer."""
        self.answered += 1
        if question:
            key = question_key(question)
            self.repeated += key in self._known
            self._known.add(key)

    def told(self) -> dict[str, float]:
        """Return the counters; times are in seconds, by a clock that all processes of a machine share."""
        names = ("requests", "answered", "repeated", "faults", "abandoned", "connections", "in_flight", "in_flight_max")
        window = self.last - self.first
        return {name: getattr(self, name) for name in names} | {
            "first": self.first,
            "last": self.last,
            "in_flight_mean": self._area / window if window else 0.0,
            "cpu": time.process_time(),
        }


class Connection(asyncio.Protocol):
    """One client's connection: requests with a Content-Length, one after the other."""

    def __init__(self, counters: Counters, *, latency: float, faults: float, random: Random) -> None:
        self._counters = counters
        self._latency = latency
        self._faults = faults
        self._random = random
        self._buffer = bytearray()
        self._due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._counters.connections += 1

    def connection_lost(self, _error: Exception | None) -> None:
        if self._due:
            self._due.cancel()
            self._counters.abandoned += 1
            self._counters.fly(-1)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._buffer[:end]).lower()
        length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0] or 0)
        if len(self._buffer) < end + 4 + length:
            return
        body = bytes(self._buffer[end + 4 : end + 4 + length])
        self._buffer.clear()  # no client asks again before it has its answer
        self._route(head.split(b" ", 2)[1].partition(b"?")[0].decode(), body)

    def _route(self, path: str, body: bytes) -> None:
        if path.endswith("/chat/completions"):
            self._ask(json.loads(body))
        elif path == "/stats":
            self._send(200, self._counters.told())
        elif path.endswith("/models"):
            self._send(200, {"object": "list", "data": [{"id": "benchmark", "object": "model"}]})
        else:
            self._send(404, {"error": {"message": f"there is no {path}", "type": "invalid_request_error"}})

    def _ask(self, request: dict[str, Any]) -> None:
        counters = self._counters
        if not counters.requests:
            counters.first = time.monotonic()
            print("first request", flush=True)
        counters.requests += 1
        counters.fly(1)
        fault = self._random.choice((429, 500, 0)) if self._faults and self._random.random() < self._faults else None
        if self._latency and fault != 429:
            self._due = asyncio.get_running_loop().call_later(self._latency, self._reply, request, fault)
        else:
            self._reply(request, fault)

    def _reply(self, request: dict[str, Any], fault: int | None) -> None:
        self._due = None
        self._counters.fly(-1)
        if fault is None:
            messages = request["messages"]  # curator tries its key with none
            question = _text_of(messages[-1]["content"]) if messages else ""
            self._counters.answer(question)
            self._send(200, _completion(request, question))
            return
        self._counters.faults += 1
        if fault:
            self._send(fault, {"error": {"message": "on purpose", "type": "server_error", "code": None}})
        else:
            self._transport.abort()

    def _send(self, status: int, content: object) -> None:
        body = json.dumps(content).encode()
        head = f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n"
        self._transport.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)


def _text_of(content: str | list[dict[str, str]]) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def _completion(request: dict[str, Any], question: str) -> dict[str, Any]:
    answer = reply_to(question)
    asked_for = request.get("response_format") or {}
    if asked_for.get("type") == "json_schema":
        schema = asked_for["json_schema"]["schema"]
        answer = json.dumps(_fitting(schema, schema, answer))
    said = sum(len(_text_of(message["content"])) for message in request["messages"]) // 4
    usage = {"prompt_tokens": said, "completion_tokens": len(answer) // 4, "total_tokens": said + len(answer) // 4}
    choice = {"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": request["model"],
        "choices": [choice],
        "usage": usage,
    }


def _fitting(schema: dict[str, Any], root: dict[str, Any], text: str) -> Any:
    """Return a small value that fits a JSON schema of the kind pydantic writes, with `text` for every string."""
    match schema:
        case {"$ref": str(reference)}:
            return _fitting(root["$defs"][reference.rpartition("/")[2]], root, text)
        case {"enum": [first, *_]} | {"const": first}:
            return first
        case {"anyOf": [first, *_]}:
            return _fitting(first, root, text)
        case {"type": "object"}:
            return {name: _fitting(each, root, text) for name, each in schema.get("properties", {}).items()}
        case {"type": "array"}:
            return [_fitting(schema.get("items", {"type": "string"}), root, text)]
        case {"type": kind}:
            return {"boolean": True, "integer": 1, "number": 1.0, "null": None}.get(kind, text)
        case _:
            return text


async def serve(*, latency: float, faults: float) -> None:
    """Serve on a free port of the loopback until the process is ended; the first line printed is the base URL."""
    counters, random = Counters(), Random(0)
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(counters, latency=latency, faults=faults, random=random), "127.0.0.1", 0, backlog=4096
    )
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


def main() -> None:
    """Serve, on uvloop where it is installed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds from a request to its answer")
    parser.add_argument("--faults", type=float, default=0.0, help="share of requests met with 429, 500 or a reset")
    options = parser.parse_args()
    fast = importlib.util.find_spec("uvloop") and importlib.import_module("uvloop").new_event_loop
    with asyncio.Runner(loop_factory=fast or None) as runner:
        runner.run(serve(latency=options.latency, faults=options.faults))


if __name__ == "__main__":
    main()
