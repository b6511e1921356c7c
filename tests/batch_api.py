"""OpenAI's Batch API for the test server: files, batches, and everything that may become of them, as told by a test.

`server.batches` is one: `hold` keeps batches in progress, `ends` plans what becomes of each, `fail` what goes wrong
with the requests about them, and its counters say whether any question was asked twice.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from aiohttp import web
from aiohttp.multipart import BodyPartReader

from tests.batch_file import ENDPOINT, Bounds, Line, Refused, check_metadata, read_lines

if TYPE_CHECKING:
    from tests.openai_server import Fault, OpenAIServer

Operation = Literal["upload", "file", "content", "create", "retrieve", "list", "cancel"]
LineFaults = Callable[[int, Line], "Fault | None"]
"""Gets a line's number in its batch, from 0, and the line; a fault of kind `status`, or one of the reply's content."""


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What becomes of one batch."""

    status: Literal["completed", "failed", "expired", "cancelled"] = "completed"
    code: str = "token_limit_exceeded"
    """Why a failed batch failed validation."""
    share: float = 1.0
    """How much of it was answered before it expired or was cancelled."""
    lines: LineFaults = lambda _number, _line: None
    missing: Callable[[int], bool] = lambda _number: False
    """Which lines were answered and billed, and are in no file."""
    message: str = "it was not executed"
    """What is said of each line that was not answered."""
    errors_in: Literal["error", "output"] = "error"
    """The file in which lines with an error stand."""
    damage: Callable[[bytes], bytes] = lambda output: output
    """What the output file has gone through on its way."""


T = TypeVar("T")
Endings = Callable[[int, list[Line]], Ending | None]
"""Gets the number of the batch, from 0, and its lines."""


@dataclass(kw_only=True)
class Batch:
    """One batch: what is shown of it, and what only the server knows."""

    shown: dict[str, Any]
    due: float
    lines: list[Line] = field(default_factory=list)

    @property
    def status(self) -> str:
        return str(self.shown["status"])

    def becomes(self, status: str, **shown: object) -> None:
        self.shown |= {"status": status, f"{status}_at": int(time.time()), **shown}


class BatchAPI:
    """Keeps the files and batches of one server; each line is answered, counted and billed as a question is."""

    def __init__(self, server: OpenAIServer, *, seconds: float = 0.0) -> None:
        self._server = server
        self.seconds = seconds
        """How long a batch is in progress."""
        self.hold = False
        """Whether batches stay in progress until this is False again, or they are cancelled."""
        self.reply_after: dict[Operation, float] = {}
        """Seconds between what a request does and its reply."""
        self.bounds = Bounds()
        self.enqueued_tokens: int | None = None
        """How many tokens may be in progress at once; a batch that would exceed it fails."""
        self.files: dict[str, dict[str, Any]] = {}
        self.contents: dict[str, bytes] = {}
        self.made: dict[str, Batch] = {}
        """Oldest first."""
        self.calls: Counter[str] = Counter()
        """How often each operation was called."""
        self.submitted: Counter[tuple[str, str]] = Counter()
        """How often each line, by custom_id and its body's hash, was in a batch that passed validation."""
        self.asked: Counter[tuple[str, str]] = Counter()
        """How often each was given to the model, whatever came of it."""
        self._faults: dict[str, Iterator[Fault | None]] = {}
        self._endings: Endings = lambda _number, _lines: None
        self._numbers = itertools.count()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def asked_twice(self) -> int:
        """Lines given to the model that had been given to it before."""
        return self.asked.total() - len(self.asked)

    def fail(self, operation: Operation, faults: Iterable[Fault | None], *, afterwards: bool = False) -> None:
        """Plan what goes wrong with the next requests of one kind, before they have any effect or afterwards."""
        self._faults[f"after {operation}" if afterwards else operation] = iter(faults)

    def ends(self, endings: Endings | Iterable[Ending | None]) -> None:
        """Plan what becomes of the batches made from now on; None is well."""
        if callable(endings):
            self._endings = endings
            return
        plan = iter(endings)
        self._endings = lambda _number, _lines: next(plan, None)

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_post("/v1/files", self._route("upload", self._upload))
        router.add_get("/v1/files/{id}", self._route("file", self._file))
        router.add_get("/v1/files/{id}/content", self._route("content", self._content))
        router.add_post("/v1/batches", self._route("create", self._create))
        router.add_get("/v1/batches", self._route("list", self._list))
        router.add_get("/v1/batches/{id}", self._route("retrieve", self._retrieve))
        router.add_post("/v1/batches/{id}/cancel", self._route("cancel", self._cancel))

    def _route(self, operation: Operation, perform: Callable[[web.Request], Any]) -> Any:
        async def answer(request: web.Request) -> web.StreamResponse:
            self.calls[operation] += 1
            fault = self._server.refusal(request) or self._fault(operation)
            if fault is not None:
                return await self._server.reply(request, b"{}", fault)
            try:
                given = await perform(request)
            except Refused as refused:
                error = {"message": str(refused), "type": "invalid_request_error", "param": None, "code": None}
                return web.json_response({"error": error}, status=refused.status)
            await asyncio.sleep(self.reply_after.get(operation, 0.0))
            body = given if isinstance(given, bytes) else json.dumps(given).encode()
            return await self._server.reply(request, body, self._fault(f"after {operation}"))

        return answer

    def _fault(self, name: str) -> Fault | None:
        return next(self._faults.get(name, iter(())), None)

    def _keep(self, content: bytes, purpose: str, filename: str = "") -> dict[str, Any]:
        name = f"file-{next(self._numbers):04}"
        self.contents[name] = content
        self.files[name] = {
            "id": name,
            "object": "file",
            "bytes": len(content),
            "created_at": int(time.time()),
            "filename": filename or f"{name}.jsonl",
            "purpose": purpose,
            "status": "processed",
        }
        return self.files[name]

    async def _upload(self, request: web.Request) -> dict[str, Any]:
        fields: dict[str, bytes] = {}
        filename = ""
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader) and part.name
            fields[part.name] = bytes(await part.read())
            filename = part.filename or filename
        if fields.get("purpose") != b"batch" or "file" not in fields:
            raise Refused("a file with purpose batch is wanted")
        if not filename.endswith(".jsonl"):
            raise Refused("Invalid file format for Batch API. Must be .jsonl")
        return self._keep(fields["file"], "batch", filename)

    def _found(self, kept: Mapping[str, T], request: web.Request) -> T:
        if (name := request.match_info["id"]) not in kept:
            raise Refused(f"there is no {name}", status=404)
        return kept[name]

    async def _file(self, request: web.Request) -> dict[str, Any]:
        return self._found(self.files, request)

    async def _content(self, request: web.Request) -> bytes:
        return self._found(self.contents, request)

    async def _retrieve(self, request: web.Request) -> dict[str, Any]:
        return self._found(self.made, request).shown

    async def _list(self, request: web.Request) -> dict[str, Any]:
        newest_first = [batch.shown for batch in reversed(self.made.values())]
        limit, after = int(request.query.get("limit", 20)), request.query.get("after")
        if not 1 <= limit <= 100:
            raise Refused(f"limit is {limit}; it must be 1 to 100")
        if after is not None:
            newest_first = list(itertools.dropwhile(lambda shown: shown["id"] != after, newest_first))[1:]
        page = newest_first[:limit]
        ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {"first_id": None, "last_id": None}
        return {"object": "list", "data": page, "has_more": len(newest_first) > limit, **ends}

    async def _create(self, request: web.Request) -> dict[str, Any]:
        wanted = await request.json()
        if wanted.get("completion_window") != "24h" or wanted.get("endpoint") != ENDPOINT:
            raise Refused(f"completion_window must be 24h and endpoint {ENDPOINT}")
        if self.files.get(wanted.get("input_file_id"), {}).get("purpose") != "batch":
            raise Refused(f"there is no input file {wanted.get('input_file_id')}")
        check_metadata(metadata := wanted.get("metadata"))
        now, number = int(time.time()), len(self.made)
        shown: dict[str, Any] = {"id": f"batch_{number:04}", "object": "batch", "status": "validating"}
        shown |= {name: wanted[name] for name in ("endpoint", "completion_window", "input_file_id")}
        shown |= {"created_at": now, "expires_at": now + 86_400, "metadata": metadata, "errors": None}
        shown |= {"output_file_id": None, "error_file_id": None}
        shown |= {"request_counts": {"total": 0, "completed": 0, "failed": 0}}
        batch = self.made[shown["id"]] = Batch(shown=shown, due=time.monotonic() + self.seconds)
        task = asyncio.create_task(self._live(batch, number))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return dict(shown)

    async def _cancel(self, request: web.Request) -> dict[str, Any]:
        batch = self._found(self.made, request)
        if batch.status not in {"validating", "in_progress", "cancelling"}:
            raise Refused(f"Cannot cancel a batch with status '{batch.status}'.", status=409)
        batch.becomes("cancelling")
        return dict(batch.shown)

    async def _live(self, batch: Batch, number: int) -> None:
        """Take one batch from its making to its end."""
        lines, errors = read_lines(self.contents[batch.shown["input_file_id"]], self.bounds)
        ending = self._endings(number, lines) or Ending()
        if not errors and (ending.status == "failed" or self._too_many_tokens(lines)):
            code = ending.code if ending.status == "failed" else "token_limit_exceeded"
            errors = [{"code": code, "message": f"This batch is refused: {code}", "param": None, "line": None}]
        if errors:
            batch.becomes("failed", errors={"object": "list", "data": errors})
            return
        batch.lines = lines
        self.submitted.update(line.identity for line in lines)
        if batch.status == "validating":
            batch.becomes("in_progress")
        batch.shown["request_counts"]["total"] = len(lines)
        while batch.status != "cancelling" and (self.hold or time.monotonic() < batch.due):
            await asyncio.sleep(0.003)
        if batch.status == "cancelling" and ending.status != "cancelled":
            ending = Ending(status="cancelled", share=0.0)
        await self._finish(batch, ending)

    def _too_many_tokens(self, lines: list[Line]) -> bool:
        in_progress = (batch.lines for batch in self.made.values() if batch.status == "in_progress")
        tokens = sum(line.tokens for line in itertools.chain(lines, *in_progress))
        return self.enqueued_tokens is not None and tokens > self.enqueued_tokens

    async def _finish(self, batch: Batch, ending: Ending) -> None:
        """Answer the lines that are to be answered, and write the files."""
        answered = round(ending.share * len(batch.lines))
        written: dict[str, list[dict[str, Any]]] = {"output": [], "error": []}
        for number, line in enumerate(batch.lines):
            if number < answered:
                entry = self._answer(line, ending.lines(number, line))
            else:
                reason = f"batch_{ending.status}"
                entry = line.entry(None, {"code": reason, "message": ending.message})
            is_well = entry["response"] is not None and entry["response"]["status_code"] == 200
            if number >= answered or not ending.missing(number):
                written["output" if is_well else ending.errors_in].append(entry)
            batch.shown["request_counts"]["completed" if is_well else "failed"] += 1
            if number % 32 == 31:
                await asyncio.sleep(0)
        files: dict[str, str] = {}
        for name, entries in written.items():
            if entries:
                text = "".join(json.dumps(entry) + "\n" for entry in entries).encode()
                kept = self._keep(ending.damage(text) if name == "output" else text, "batch_output")
                files[f"{name}_file_id"] = kept["id"]
        batch.becomes(ending.status, **files)

    def _answer(self, line: Line, fault: Fault | None) -> dict[str, Any]:
        self.asked[line.identity] += 1
        self._server.count(line.body)
        if fault is None or fault.kind != "status":
            return line.entry({"status_code": 200, "body": self._server.complete(line.body, fault)}, None)
        error = {"message": fault.message, "type": "error", "param": None, "code": fault.code}
        return line.entry({"status_code": fault.status, "body": {"error": error}}, None)
