"""The test server's Batch API, used by the openai package as the real one is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import openai
import pytest
from openai.types import Batch

from tests.batch_api import Ending
from tests.batch_file import Bounds, cut_off, doubled, turned_round, with_a_stranger, with_garbage
from tests.openai_server import Fault, OpenAIServer

pytestmark = pytest.mark.slow

Client = openai.AsyncOpenAI


def _run(server: OpenAIServer, work: Callable[[Client], Awaitable[object]], *, key: str = "key") -> None:
    async def main() -> None:
        async with openai.AsyncOpenAI(base_url=server.base_url, api_key=key, max_retries=0) as client:
            await work(client)

    asyncio.run(main())


def _line(custom_id: object, text: str = "Eight.", **changed: object) -> dict[str, Any]:
    body = {"model": "small", "messages": [{"role": "user", "content": text}]}
    return {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body, **changed}


async def _submit(client: Client, lines: Sequence[dict[str, Any]], **options: Any) -> Batch:
    text = "".join(json.dumps(line) + "\n" for line in lines).encode()
    file = await client.files.create(file=("questions.jsonl", text), purpose="batch")
    asked: Any = {"endpoint": "/v1/chat/completions", "completion_window": "24h", **options}
    return await client.batches.create(input_file_id=file.id, **asked)


async def _end(client: Client, batch: Batch) -> Batch:
    while batch.status in {"validating", "in_progress", "finalizing", "cancelling"}:
        batch = await client.batches.retrieve(batch.id)
    return batch


async def _entries(client: Client, name: str | None) -> list[dict[str, Any]]:
    if name is None:
        return []
    return [json.loads(line) for line in (await client.files.content(name)).text.splitlines()]


def test_a_batch_is_answered_and_counted_as_questions_are(openai_server: OpenAIServer) -> None:
    async def work(client: Client) -> None:
        begun = await _submit(client, [_line(f"q{number}", str(number)) for number in range(40)], metadata={"run": "a"})
        assert (begun.status, begun.metadata) == ("validating", {"run": "a"})
        ended = await _end(client, begun)
        assert (ended.status, ended.error_file_id) == ("completed", None)
        assert ended.request_counts is not None
        assert ended.request_counts.to_dict() == {"total": 40, "completed": 40, "failed": 0}
        for entry in await _entries(client, ended.output_file_id):
            content = entry["response"]["body"]["choices"][0]["message"]["content"]
            assert (f"q{content}", 200, None) == (entry["custom_id"], entry["response"]["status_code"], entry["error"])
        assert ended.output_file_id is not None
        assert (await client.files.retrieve(ended.output_file_id)).purpose == "batch_output"
        alone = await client.chat.completions.create(model="small", messages=[{"role": "user", "content": "7"}])
        assert alone.choices[0].message.content == "7"

    _run(openai_server, work)
    assert (len(openai_server.requests), openai_server.duplicates) == (41, 1)
    assert openai_server.answered == 41
    assert openai_server.billed["completion_tokens"] == 41
    counts = openai_server.batches.stats()
    assert (counts["batches"], counts["lines_submitted"], counts["lines_asked"]) == (1, 40, 40)
    assert counts["lines_asked_again"] == 0


def test_a_question_in_two_batches_counts_as_asked_again(openai_server: OpenAIServer) -> None:
    async def work(client: Client) -> None:
        for _ in range(2):
            await _end(client, await _submit(client, [_line("a"), _line("b")]))
        await _end(client, await _submit(client, [_line("a", "Nine.")]))

    _run(openai_server, work)
    batches = openai_server.batches
    assert (batches.asked.total(), batches.asked_twice) == (5, 2)
    assert (batches.stats()["lines_submitted_again"], batches.stats()["custom_ids_asked"]) == (2, 2)


def test_batches_are_listed_newest_first_and_page_by_page(openai_server: OpenAIServer) -> None:
    async def work(client: Client) -> None:
        made = [(await _submit(client, [_line("a")], metadata={"run": str(number)})).id for number in range(5)]
        page = await client.batches.list(limit=2)
        assert ([batch.id for batch in page.data], page.has_more) == (made[:2:-1], True)
        assert [batch.id async for batch in client.batches.list(limit=2)] == made[::-1]
        assert not (await client.batches.list(after=made[0])).data

    _run(openai_server, work)
    assert openai_server.batches.calls["list"] >= 4


def test_a_held_batch_waits_and_can_be_cancelled(openai_server: OpenAIServer) -> None:
    batches = openai_server.batches
    batches.hold = True

    async def work(client: Client) -> None:
        first, second = await _submit(client, [_line("a")]), await _submit(client, [_line("b")])
        for _ in range(20):
            first = await client.batches.retrieve(first.id)
        assert first.status == "in_progress"
        assert (await client.batches.cancel(second.id)).status == "cancelling"
        ended = await _end(client, second)
        assert (ended.status, ended.output_file_id) == ("cancelled", None)
        (entry,) = await _entries(client, ended.error_file_id)
        assert (entry["response"], entry["error"]["code"]) == (None, "batch_cancelled")
        batches.hold = False
        assert (await _end(client, first)).status == "completed"
        with pytest.raises(openai.ConflictError):
            await client.batches.cancel(first.id)

    _run(openai_server, work)
    assert batches.asked.total() == 1


@pytest.mark.parametrize(
    ("lines", "codes"),
    [
        ([], {"empty_file"}),
        ([_line("a"), _line("b"), _line("c"), _line("d")], {"too_many_tasks"}),
        ([_line("a", "long " * 1_000)], {"file_too_large"}),
        ([_line("a"), _line("a")], {"duplicate_custom_id"}),
        ([_line(7)], {"invalid_custom_id"}),
        ([_line("a"), _line("b", body={"model": "large", "messages": [{}]})], {"mismatched_model"}),
        ([_line("a", url="/v1/embeddings")], {"invalid_url"}),
        ([_line("a", method="GET")], {"invalid_method"}),
        ([_line("a", body={"model": "small"})], {"missing_required_parameter"}),
    ],
)
def test_a_wrong_input_file_fails_validation(
    openai_server: OpenAIServer, lines: list[dict[str, Any]], codes: set[str]
) -> None:
    openai_server.batches.bounds = Bounds(requests=3, bytes=4_000)

    async def work(client: Client) -> None:
        ended = await _end(client, await _submit(client, lines))
        assert ended.status == "failed"
        assert ended.errors is not None
        assert {error.code for error in ended.errors.data or []} == codes

    _run(openai_server, work)
    assert not openai_server.requests


@pytest.mark.parametrize(
    "options",
    [
        {"metadata": {str(number): "" for number in range(17)}},
        {"metadata": {"run": "x" * 513}},
        {"metadata": {"run": 7}},
        {"endpoint": "/v1/embeddings"},
        {"completion_window": "1h"},
        {"input_file_id": "file-9"},
    ],
)
def test_a_wrong_batch_is_refused(openai_server: OpenAIServer, options: dict[str, Any]) -> None:
    async def work(client: Client) -> None:
        file = await client.files.create(file=("questions.jsonl", b"{}"), purpose="batch")
        asked: Any = {"endpoint": "/v1/chat/completions", "completion_window": "24h", "input_file_id": file.id}
        with pytest.raises(openai.BadRequestError):
            await client.batches.create(**{**asked, **options})

    _run(openai_server, work)
    assert not openai_server.batches.made


def test_a_batch_ends_as_it_is_told_to(openai_server: OpenAIServer) -> None:
    filtered, again = Fault(status=400, code="content_filter"), Fault(status=429, code="rate_limit_exceeded")
    plan = [
        Ending(status="failed"),
        Ending(status="expired", share=0.5),
        Ending(lines=lambda number, _line: [filtered, again, None, Fault(kind="length")][number]),
        Ending(lines=lambda number, _line: filtered if number == 0 else None, errors_in="output"),
        Ending(missing=lambda number: number == 1),
    ]
    openai_server.batches.ends(plan)
    seen: list[tuple[str, list[str], list[str]]] = []

    async def work(client: Client) -> None:
        for _ in plan:
            ended = await _end(client, await _submit(client, [_line(name, f"Question {name}.") for name in "abcd"]))
            files = [await _entries(client, name) for name in (ended.output_file_id, ended.error_file_id)]
            output, errors = ([entry["custom_id"] for entry in entries] for entries in files)
            seen.append((ended.status, output, errors))

    _run(openai_server, work)
    assert seen == [
        ("failed", [], []),
        ("expired", ["a", "b"], ["c", "d"]),
        ("completed", ["c", "d"], ["a", "b"]),
        ("completed", ["a", "b", "c", "d"], []),
        ("completed", ["a", "c", "d"], []),
    ]
    assert openai_server.batches.asked.total() == 2 + 4 + 4 + 4
    assert openai_server.answered == 2 + 2 + 3 + 4


def test_too_many_tokens_in_progress_fail_a_batch(openai_server: OpenAIServer) -> None:
    openai_server.batches.hold = True
    openai_server.batches.enqueued_tokens = 100

    async def work(client: Client) -> None:
        first = await _submit(client, [_line("a", "x" * 300)])
        ended = await _end(client, await _submit(client, [_line("b", "y" * 300)]))
        assert ended.errors is not None
        assert [error.code for error in ended.errors.data or []] == ["token_limit_exceeded"]
        openai_server.batches.hold = False
        await _end(client, first)
        assert (await _end(client, await _submit(client, [_line("b", "y" * 300)]))).status == "completed"

    _run(openai_server, work)


def test_output_files_are_damaged_as_told(openai_server: OpenAIServer) -> None:
    damages = [doubled, turned_round, cut_off, with_garbage, with_a_stranger]
    openai_server.batches.ends([Ending(damage=damage) for damage in damages])
    seen: list[list[str]] = []

    async def work(client: Client) -> None:
        for _ in damages:
            ended = await _end(client, await _submit(client, [_line("a"), _line("b")]))
            assert ended.output_file_id is not None
            output = (await client.files.content(ended.output_file_id)).content.splitlines()
            whole = [line for line in output if line.endswith(b'"error": null}')]
            seen.append([json.loads(line)["custom_id"] for line in whole])

    _run(openai_server, work)
    assert seen == [["a", "a", "b", "b"], ["b", "a"], ["a"], ["a", "b"], ["nobody-asked-this", "a", "b"]]


def test_requests_about_batches_fail_before_or_after_their_effect(openai_server: OpenAIServer) -> None:
    batches = openai_server.batches

    async def work(client: Client) -> None:
        for fault in (Fault(status=500), Fault.throttled(1), Fault(kind="reset_before_headers")):
            batches.fail("upload", [fault])
            with pytest.raises(openai.APIError):
                await _submit(client, [_line("a")])
        assert not batches.files
        batches.fail("create", [Fault(status=503)])
        with pytest.raises(openai.InternalServerError):
            await _submit(client, [_line("a")])
        assert not batches.made
        batches.fail("create", [Fault(kind="reset_before_headers")], afterwards=True)
        with pytest.raises(openai.APIConnectionError):
            await _submit(client, [_line("a")])
        assert len(batches.made) == 1
        batches.fail("list", [Fault(status=500)])
        with pytest.raises(openai.InternalServerError):
            await client.batches.list()
        (made,) = (await client.batches.list()).data
        batches.fail("retrieve", [Fault.throttled()])
        with pytest.raises(openai.RateLimitError):
            await client.batches.retrieve(made.id)
        ended = await _end(client, made)
        batches.fail("content", [Fault(kind="reset_within_body")], afterwards=True)
        with pytest.raises(openai.APIError):
            await _entries(client, ended.output_file_id)
        assert len(await _entries(client, ended.output_file_id)) == 1

    _run(openai_server, work)


def test_a_wrong_key_is_refused_everywhere(openai_server: OpenAIServer) -> None:
    openai_server.key = "right"

    async def work(client: Client) -> None:
        for call in (client.batches.list(), client.files.retrieve("a"), client.batches.cancel("a")):
            with pytest.raises(openai.AuthenticationError):
                await call
        with pytest.raises(openai.NotFoundError):
            await client.with_options(api_key="right").batches.retrieve("a")

    _run(openai_server, work, key="wrong")
