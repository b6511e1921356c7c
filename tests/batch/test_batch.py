"""Runs by OpenAI's batches, against a real server: the live run's dataset, and every question asked and paid once."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from math import ceil
from pathlib import Path
from typing import Any, get_args

import pytest

from agentinstruct import Summary, TeacherOptions, cli, generate
from agentinstruct.api import failures, status
from agentinstruct.errors import BudgetExceeded, ConfigurationError, TeacherRefused
from agentinstruct.paths import SEEDS
from agentinstruct.teacher.spec import Sampling
from tests.batch_api import BatchAPI, Ending, Operation
from tests.batch_file import Line, cut_off, doubled, turned_round, with_a_stranger, with_garbage
from tests.batching import (
    CHAIN,
    ITEMS,
    POEMS,
    STEPS,
    options_for,
    quickly,
    run_batches,
    run_live,
    tell_on,
    without_requests,
    words_for,
    write_seeds,
)
from tests.engine import dataset_bytes, pairs_of, rejected_of, sample_answer, write_flow
from tests.openai_server import Fault, OpenAIServer

pytestmark = pytest.mark.slow

ALL = ITEMS * STEPS
_BRANCHES = '''"""A question, three side by side, and one on each."""

import asyncio
from collections.abc import AsyncIterator

from agentinstruct import Ask, Pair, Seed
from agentinstruct.flow import flow


@flow(skill="Branches", kinds=("text",))
async def branches(seed: Seed, ask: Ask) -> AsyncIterator[Pair]:
    told = await ask("teller", step="first", mark="", text=seed.text)

    async def side(number: int) -> str:
        branch = ask.branch("side", number)
        title = await branch("teller", step="title", mark=branch.random.random(), text=told)
        return await branch("teller", step="answer", mark=number, text=title)

    for number, answer in enumerate(await asyncio.gather(*map(side, range(3)))):
        yield Pair.of(f"{seed.text} {number}", answer)
'''
_DUET = {
    "flow.py": '''"""Two agents side by side, twice."""

import asyncio

from agentinstruct import Pair
from agentinstruct.flow import flow


@flow(skill="Duet", kinds=("text",))
async def duet(seed, ask):
    told = seed.text
    for number in range(2):
        first, second = ask.branch("first", number), ask.branch("second", number)
        told = " ".join(await asyncio.gather(first("first", text=told), second("second", text=told)))
    yield Pair.of(seed.text, told)
''',
    "first.md": "You sing high.\n---\n{{ text }}\n",
    "second.md": "You sing low.\n---\n{{ text }}\n",
}
_UNEVEN = '''"""One question for some seeds, two or three for others."""

from agentinstruct import Pair
from agentinstruct.flow import flow


@flow(skill="Uneven", kinds=("text",))
async def uneven(seed, ask):
    told = seed.text
    for step in range(1 + int(seed.text.split(":")[0].split()[1]) % 3):
        told = await ask("teller", step=step, text=told, mark="")
    yield Pair.of(seed.text, told)
'''


@pytest.fixture
def batches(server: OpenAIServer) -> BatchAPI:
    return server.batches


@pytest.fixture
def run(server: OpenAIServer, stories: Path, chain: Path, tmp_path: Path) -> Callable[..., Summary]:
    """Make or resume the run of the chain over all stories, in `tmp_path / "run"`."""

    def start(out: str = "run", **options: Any) -> Summary:
        return run_batches(server, stories, chain, tmp_path / out, **options)

    return start


@pytest.fixture(scope="module")
def live(stories: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What the same run gives when it asks question by question."""
    folder = tmp_path_factory.mktemp("live")
    with OpenAIServer(tell_on) as server:
        flow = write_flow(folder / "chain", CHAIN)
        run_live(server, stories, flow, folder / "run")
    return without_requests(folder / "run")


def _sizes(batches: BatchAPI) -> list[int]:
    return [len(batch.lines) for batch in batches.made.values() if batch.lines]


@pytest.fixture
def run_whole(
    server: OpenAIServer, run: Callable[..., Summary], live: list[dict[str, Any]], tmp_path: Path
) -> Callable[[], Summary]:
    """Make the run, and hold it to the live one's pairs, and to asking nothing twice."""

    def start() -> Summary:
        summary = run()
        assert (summary.done, summary.failed, summary.pending) == (ITEMS, 0, 0)
        assert without_requests(tmp_path / "run") == live
        _asked_once(server)
        return summary

    return start


def _asked_once(server: OpenAIServer, number: int = ALL) -> None:
    assert (server.batches.asked.total(), server.batches.asked_twice) == (number, 0)
    assert (len(server.requests), server.duplicates) == (number, 0)


def test_eight_dependent_questions_take_eight_batches_and_give_the_live_dataset(
    server: OpenAIServer, chain: Path, tmp_path: Path
) -> None:
    many, items = write_seeds(tmp_path / "many.jsonl", 30), 30
    summary = run_batches(server, many, chain, tmp_path / "run")
    assert (summary.done, summary.failed, summary.pending, summary.pairs) == (items, 0, 0, items)
    assert summary.calls == items * STEPS
    assert _sizes(server.batches) == [items] * STEPS
    _asked_once(server, items * STEPS)
    assert not server.arrivals, "a question was asked live"
    assert server.batches.submitted.total() == items * STEPS
    assert summary.prompt_tokens == server.billed["prompt_tokens"]
    assert summary.completion_tokens == server.billed["completion_tokens"]
    run_live(server, many, chain, tmp_path / "live")
    assert dataset_bytes(tmp_path / "run") == dataset_bytes(tmp_path / "live")


def test_a_finished_run_asks_nothing_again(server: OpenAIServer, run: Callable[..., Summary]) -> None:
    run()
    before = dict(server.batches.calls)
    assert run().done == ITEMS
    assert server.batches.calls["create"] == before["create"]
    _asked_once(server)


@pytest.mark.parametrize("size", [1, 3, 9])
def test_small_batches_are_more_but_no_more_than_needed_and_change_no_pair(
    server: OpenAIServer, run: Callable[..., Summary], live: list[dict[str, Any]], tmp_path: Path, size: int
) -> None:
    run(batch={"size": size})
    sizes = _sizes(server.batches)
    assert max(sizes) <= size
    assert ceil(ALL / size) <= len(sizes) <= STEPS * ceil(ITEMS / size) + STEPS
    assert without_requests(tmp_path / "run") == live
    _asked_once(server)


def test_questions_side_by_side_share_a_batch(server: OpenAIServer, stories: Path, tmp_path: Path) -> None:
    flow = write_flow(tmp_path / "branches", {**CHAIN, "flow.py": _BRANCHES})
    run_live(server, stories, flow, tmp_path / "live")
    run_batches(server, stories, flow, tmp_path / "run")
    assert _sizes(server.batches) == [ITEMS, 3 * ITEMS, 3 * ITEMS]
    assert dataset_bytes(tmp_path / "run") == dataset_bytes(tmp_path / "live")
    run_batches(server, stories, flow, tmp_path / "small", batch={"size": 4})
    assert max(_sizes(server.batches)[3:]) == 4
    assert dataset_bytes(tmp_path / "small") == dataset_bytes(tmp_path / "live")


@pytest.mark.parametrize(
    ("flow", "source", "limit"),
    [("reading_comprehension", "texts", 4), ("math_word_problems", "word_problems.jsonl", 5)],
)
def test_shipped_flows_give_in_batches_what_they_give_live(
    server: OpenAIServer, tmp_path: Path, flow: str, source: str, limit: int
) -> None:
    server.answer = sample_answer
    seeds = SEEDS / "sample" / source
    run_live(server, seeds, flow, tmp_path / "live", limit=limit)
    asked = len(server.arrivals)
    summary = run_batches(server, seeds, flow, tmp_path / "run", limit=limit)
    assert summary.pairs >= limit
    assert dataset_bytes(tmp_path / "run") == dataset_bytes(tmp_path / "live")
    assert (server.batches.asked.total(), server.batches.asked_twice) == (asked, 0)
    assert len(server.batches.made) < asked / 3


_HURDLES = {
    "500": Fault(status=500),
    "429": Fault.throttled(0.01),
    "reset": Fault(kind="reset_before_headers"),
    "half a body": Fault(kind="truncated_json"),
    "a reset within the body": Fault(kind="reset_within_body"),
    "a page": Fault(kind="not_json"),
    "an empty list": Fault(kind="raw", status=200, message="[]"),
    "an empty object": Fault(kind="raw", status=200, message="{}"),
    "null": Fault(kind="raw", status=200, message="null"),
    "other types": Fault(
        kind="raw",
        status=200,
        message='{"id": 7, "status": [], "metadata": [1], "request_counts": 3, "data": {"a": 1}}',
    ),
}


@pytest.mark.parametrize("hurdle", _HURDLES)
def test_requests_that_fail_are_made_again_and_no_question_is(
    batches: BatchAPI, run_whole: Callable[[], Summary], hurdle: str
) -> None:
    fault = _HURDLES[hurdle]
    for operation in get_args(Operation):
        batches.fail(operation, [fault, None, None, None, None, fault])
        batches.fail(operation, [None, fault, None, None, None, fault], afterwards=True)
    run_whole()
    assert batches.submitted.total() == ALL


def _once(fault: Fault, batches: BatchAPI) -> Callable[[int, Line], Fault | None]:
    """Let every third line fail the first time."""
    return lambda number, line: fault if number % 3 == 0 and not batches.asked[line.identity] else None


_ENDINGS: dict[str, Callable[[BatchAPI], list[Ending | None]]] = {
    "one fails validation": lambda _: [None, Ending(status="failed"), Ending(status="failed"), None],
    "one expires at half": lambda _: [None, Ending(status="expired", share=0.5)],
    "two expire unasked": lambda _: [Ending(status="expired", share=0.0), Ending(status="expired", share=0.0)],
    "one is cancelled by somebody": lambda _: [None, Ending(status="cancelled", share=0.3)],
}
_MENDED: dict[str, Callable[[BatchAPI], Ending]] = {
    "lines throttled": lambda batches: Ending(lines=_once(Fault.throttled(), batches)),
    "lines broken": lambda batches: Ending(lines=_once(Fault(status=500), batches)),
    "lines broken in the output": lambda batches: Ending(lines=_once(Fault(status=503), batches), errors_in="output"),
    "replies without an answer": lambda batches: Ending(lines=_once(Fault(kind="no_choices"), batches)),
    "lines missing": lambda _: Ending(missing=lambda number: number % 4 == 1),
    "the last line cut off": lambda _: Ending(damage=cut_off),
}
_HARMLESS: dict[str, Ending] = {
    "doubled": Ending(damage=doubled),
    "turned round": Ending(damage=turned_round),
    "garbage": Ending(damage=with_garbage),
    "a stranger": Ending(damage=with_a_stranger),
}


@pytest.mark.parametrize("kind", _ENDINGS)
def test_what_a_batch_left_unanswered_is_asked_in_another_and_nothing_else_is(
    batches: BatchAPI, run_whole: Callable[[], Summary], kind: str
) -> None:
    batches.ends(_ENDINGS[kind](batches))
    run_whole()


@pytest.mark.parametrize("kind", _MENDED)
def test_only_lines_without_an_answer_are_asked_again(
    server: OpenAIServer,
    batches: BatchAPI,
    run: Callable[..., Summary],
    live: list[dict[str, Any]],
    tmp_path: Path,
    kind: str,
) -> None:
    batches.ends([_MENDED[kind](batches)])  # only the first batch: all are well afterwards
    summary = run()
    assert (summary.done, summary.failed, summary.calls) == (ITEMS, 0, ALL)
    assert without_requests(tmp_path / "run") == live
    without = {"lines missing": 3, "the last line cut off": 1}.get(kind, 4)
    assert batches.asked_twice == without
    assert set(batches.asked.values()) == {1, 2}
    assert server.billed["completion_tokens"] >= summary.completion_tokens


@pytest.mark.parametrize("kind", _HARMLESS)
def test_an_output_file_is_read_by_its_custom_ids_and_past_what_is_no_line_of_it(
    batches: BatchAPI, run_whole: Callable[[], Summary], kind: str
) -> None:
    batches.ends(lambda _number, _lines: _HARMLESS[kind])
    assert run_whole().calls == ALL


_HOSTILE: list[object] = [
    None,
    7,
    "ok",
    {"status_code": 200},
    {"status_code": "200", "body": {}},
    {"status_code": True, "body": {}},
    {"status_code": 200, "body": None},
    {"status_code": 200, "body": {"choices": [[]]}},
    {"status_code": 200, "body": {"choices": [{"message": {"content": {}}}]}},
    {"status_code": 10**30, "body": "gone"},
]


def test_answers_that_are_none_are_asked_for_again(
    server: OpenAIServer, batches: BatchAPI, run: Callable[..., Summary], live: list[dict[str, Any]], tmp_path: Path
) -> None:
    def damage(output: bytes) -> bytes:
        entries = [json.loads(line) for line in output.splitlines()]
        changed = [{**entry, "response": hostile} for entry, hostile in zip(entries, _HOSTILE, strict=False)]
        return "".join(json.dumps(entry) + "\n" for entry in (*changed, *entries[len(_HOSTILE) :])).encode()

    batches.ends([Ending(damage=damage)])
    summary = run()
    assert (summary.done, summary.failed, summary.calls) == (ITEMS, 0, ALL)
    assert without_requests(tmp_path / "run") == live
    assert batches.asked_twice == len(_HOSTILE)


def test_questions_whose_file_is_gone_are_asked_again(
    server: OpenAIServer, batches: BatchAPI, run: Callable[..., Summary], live: list[dict[str, Any]], tmp_path: Path
) -> None:
    def ending(number: int, _lines: list[Line]) -> None:
        if number == 1:
            batches.contents.clear()
            batches.fail("content", [Fault(status=404)] * 20)
        elif number == 2:
            batches.fail("content", [])

    batches.ends(ending)
    assert run().calls == ALL
    assert without_requests(tmp_path / "run") == live
    assert batches.asked_twice == ITEMS


def test_each_model_has_batches_of_its_own_in_a_wave(server: OpenAIServer, stories: Path, tmp_path: Path) -> None:
    flow = write_flow(tmp_path / "duet", _DUET)
    teacher = options_for(server, roles={"second": "openai:large"})
    summary = run_batches(server, stories, flow, tmp_path / "run", teacher=teacher)
    assert summary.pairs == ITEMS
    batches = server.batches.made.values()
    models = [{line.body["model"] for line in batch.lines} for batch in batches]
    assert sorted(models, key=str) == [{"large"}, {"large"}, {"small"}, {"small"}]
    assert [len(batch.lines) for batch in batches] == [ITEMS] * 4


def test_pairs_are_published_as_soon_as_their_items_are_finished(
    server: OpenAIServer, stories: Path, tmp_path: Path
) -> None:
    seen: list[tuple[int, int]] = []
    out = tmp_path / "run"
    server.batches.ends(lambda _number, lines: seen.append((len(lines), len(pairs_of(out)))))
    flow = write_flow(tmp_path / "uneven", {**CHAIN, "flow.py": _UNEVEN})
    run_batches(server, stories, flow, out)
    ended = [len(range(steps, ITEMS, 3)) for steps in range(3)]
    assert seen == [(ITEMS, 0), (ITEMS - ended[0], ended[0]), (ended[2], ITEMS - ended[2])]
    assert len(pairs_of(out)) == ITEMS


_PRICES = """
[[price]]
models = ["small"]
input = 2.0
output = 8.0
batch = 0.5
"""


def test_a_run_in_batches_costs_half_and_keeps_to_a_cap_in_dollars(
    server: OpenAIServer, stories: Path, chain: Path, tmp_path: Path
) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text(_PRICES, encoding="utf-8")
    teacher = options_for(server, prices=prices)
    live = generate([stories], [chain], tmp_path / "live", teacher=teacher)
    assert live.dollars
    capped = options_for(server, prices=prices, budget=live.dollars / 4, sampling=Sampling(max_tokens=100))
    server.billed = {"prompt_tokens": 0, "completion_tokens": 0}
    with pytest.raises(BudgetExceeded):
        run_batches(server, stories, chain, tmp_path / "run", teacher=capped)
    spent = (server.billed["prompt_tokens"] * 1.0 + server.billed["completion_tokens"] * 4.0) / 1e6
    assert live.dollars / 8 < spent <= live.dollars / 4  # more than it could have been at the full price
    summary = run_batches(server, stories, chain, tmp_path / "whole", teacher=teacher)
    assert summary.dollars == pytest.approx(live.dollars / 2)


def test_a_batch_too_large_for_the_account_is_asked_in_parts_or_later(
    server: OpenAIServer, batches: BatchAPI, run: Callable[..., Summary], live: list[dict[str, Any]], tmp_path: Path
) -> None:
    batches.enqueued_tokens = 500
    run(batch={"size": 4})
    assert without_requests(tmp_path / "run") == live
    _asked_once(server)


def test_a_filtered_question_is_a_rejection_and_never_asked_again(
    server: OpenAIServer, batches: BatchAPI, run: Callable[..., Summary], tmp_path: Path
) -> None:
    filtered = Fault(status=400, code="content_filter", message="this is not for you")
    batches.ends([Ending(lines=lambda number, _line: filtered if number < 4 else None)])
    for _ in range(2):
        summary = run()
        assert (summary.done, summary.failed, summary.pairs) == (ITEMS, 0, ITEMS - 4)
    assert [row["reason"] for row in rejected_of(tmp_path / "run")] == ["content_filter"] * 4
    assert batches.asked_twice == 0
    assert batches.asked.total() == ALL - 4 * (STEPS - 1)


def test_a_question_that_always_fails_fails_its_item_after_a_few_attempts_and_the_others_go_on(
    server: OpenAIServer, batches: BatchAPI, run: Callable[..., Summary], tmp_path: Path
) -> None:
    def broken(_number: int, line: Line) -> Fault | None:
        return Fault(status=500, message="no such story") if "Story 7:" in str(line.body["messages"]) else None

    batches.ends(lambda _number, _lines: Ending(lines=broken))
    summary = run()
    assert (summary.done, summary.failed, summary.pending, summary.pairs) == (ITEMS - 1, 1, 0, ITEMS - 1)
    assert 2 <= batches.asked.most_common(1)[0][1] <= 6
    ((_, _, told),) = failures(tmp_path / "run")
    assert "500" in told and "no such story" in told
    batches.ends([])
    assert run().done == ITEMS


@pytest.mark.parametrize("operation", ["upload", "create"])
@pytest.mark.parametrize(
    ("status", "told"), [(413, "smaller --batch-size"), (400, "out of credit"), (404, "has no batch API")]
)
def test_a_batch_that_is_refused_stops_the_run_with_what_to_do(
    batches: BatchAPI, run: Callable[..., Summary], operation: Operation, status: int, told: str
) -> None:
    batches.fail(operation, [Fault(status=status, message="the account is out of credit")])
    with pytest.raises((TeacherRefused, ConfigurationError), match=told):
        run()
    assert not batches.asked
    assert run().done == ITEMS


def test_batches_that_never_pass_validation_end_in_an_error_that_says_why(
    batches: BatchAPI, run: Callable[..., Summary]
) -> None:
    batches.ends(lambda _number, _lines: Ending(status="failed", code="model_not_found"))
    with pytest.raises(TeacherRefused, match="model_not_found"):
        run()
    assert len(batches.made) <= 6
    assert not batches.asked


def test_batches_that_always_expire_come_to_an_end(
    batches: BatchAPI, run: Callable[..., Summary], tmp_path: Path
) -> None:
    batches.ends(lambda _number, _lines: Ending(status="expired", share=0.0))
    summary = run()
    assert (summary.done, summary.failed) == (0, ITEMS)
    assert len(batches.made) <= 6
    assert "expired" in failures(tmp_path / "run")[0][2]


def _run_command(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["agentinstruct", *words])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert isinstance(left.value.code, int)
    said = capsys.readouterr()
    return left.value.code, said.out + said.err


_KEY = "sk-a-very-secret-0123456789"


@pytest.mark.parametrize("where", ["every request", "within a batch", "in its lines", "in its errors", "nowhere"])
def test_a_refused_key_stops_the_run_with_exit_2_and_a_key_is_never_told(
    server: OpenAIServer,
    batches: BatchAPI,
    stories: Path,
    chain: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    where: str,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", _KEY)
    refused = Fault(status=401, code="invalid_api_key", message=f"Incorrect API key provided: {_KEY}")
    match where:
        case "every request":
            server.key = "another"
        case "within a batch":
            batches.fail("retrieve", [None, refused, refused, refused])
            batches.hold = True
        case "in its lines":
            batches.ends([None, Ending(lines=lambda _number, _line: refused)])
        case "in its errors":
            batches.ends(lambda _number, _lines: Ending(status="expired", share=0.0, message=f"late for {_KEY}"))
        case _:
            server.key = _KEY
    code, said = _run_command(words_for(server, stories, chain, tmp_path / "run"), monkeypatch, capsys)
    if where in ("nowhere", "in its errors"):
        assert code == (0 if where == "nowhere" else 1)
    else:
        assert code == 2
        assert "does not accept the key in OPENAI_API_KEY: check that variable" in said
    assert "Traceback" not in said
    assert _KEY not in said
    for path in (tmp_path / "run").rglob("*"):
        assert path.is_dir() or _KEY.encode() not in path.read_bytes()


@pytest.mark.parametrize("live_first", [True, False])
def test_a_run_begun_one_way_is_ended_the_other_and_nothing_asked_twice(
    server: OpenAIServer, stories: Path, chain: Path, live: list[dict[str, Any]], tmp_path: Path, live_first: bool
) -> None:
    capped = options_for(server, budget_tokens=6_000, sampling=Sampling(max_tokens=4096))
    options: dict[str, Any] = {} if live_first else {"batch": quickly()}
    with pytest.raises(BudgetExceeded):
        generate([stories], [chain], tmp_path / "run", teacher=capped, **options)
    asked = len(server.requests)
    assert 0 < asked < ALL
    assert bool(server.arrivals) == live_first
    (run_batches if live_first else run_live)(server, stories, chain, tmp_path / "run")
    assert without_requests(tmp_path / "run") == live
    assert (len(server.requests), server.duplicates) == (ALL, 0)


@pytest.mark.parametrize(("size", "caps"), [(3, [1_200]), (100, [1_000, 2_000])])
def test_a_cap_in_tokens_holds_and_the_run_goes_on_under_a_higher_one(
    server: OpenAIServer, run: Callable[..., Summary], tmp_path: Path, size: int, caps: list[int]
) -> None:
    for cap in caps:
        before = len(server.requests)
        capped = options_for(server, budget_tokens=cap, sampling=Sampling(max_tokens=200))
        with pytest.raises(BudgetExceeded, match="tokens"):
            run(teacher=capped, batch={"size": size})
        assert before < len(server.requests)
        assert sum(server.billed.values()) <= cap
    run(teacher=options_for(server, sampling=Sampling(max_tokens=200)))
    assert len(pairs_of(tmp_path / "run")) == ITEMS
    _asked_once(server)


def test_a_limit_bounds_the_seeds_of_a_run_in_batches(
    server: OpenAIServer, run: Callable[..., Summary], tmp_path: Path
) -> None:
    assert run(limit=4).items == 4
    assert len(pairs_of(tmp_path / "run")) == 4
    assert _sizes(server.batches) == [4] * STEPS
    assert run().pairs == ITEMS
    assert _sizes(server.batches) == [4] * STEPS + [ITEMS - 4] * STEPS
    _asked_once(server)


def test_a_target_ends_a_run_in_batches(server: OpenAIServer, run: Callable[..., Summary], tmp_path: Path) -> None:
    summary = run(target=3, batch={"size": 2})
    assert summary.pairs == 3
    assert len(pairs_of(tmp_path / "run")) == 3
    assert server.batches.asked.total() < ALL / 2
    assert run().pairs == ITEMS
    _asked_once(server)


def test_repairs_and_longer_replies_are_asked_in_further_batches(
    server: OpenAIServer, stories: Path, tmp_path: Path
) -> None:
    def answer(request: dict[str, Any]) -> str:
        story = int(str(request["messages"][1]["content"]).partition("Story ")[2].partition(":")[0])
        good = f'{{"subject": "{tell_on(request)}", "lines": {story}}}'
        is_repair = any(turn["role"] == "assistant" for turn in request["messages"])
        return "Rain!" if story % 3 == 0 and not is_repair else "Rain, still." if story == 6 else good

    def cut_short(request: dict[str, Any]) -> Fault | None:
        return Fault(kind="length") if "Story 4:" in str(request) and request["max_tokens"] < 5_000 else None

    server.answer = answer
    server.fail(lambda _number, request: cut_short(request))
    server.batches.ends(lambda _number, _lines: Ending(lines=lambda _each, line: cut_short(line.body)))
    flow = write_flow(tmp_path / "poems", {**CHAIN, "flow.py": POEMS})
    run_live(server, stories, flow, tmp_path / "live")
    summary = run_batches(server, stories, flow, tmp_path / "run")
    assert _sizes(server.batches) == [ITEMS, len(range(0, ITEMS, 3)) + 1]
    assert (summary.done, summary.pairs) == (ITEMS, ITEMS - 1)
    assert dataset_bytes(tmp_path / "run") == dataset_bytes(tmp_path / "live")


def test_status_can_be_asked_while_batches_are_in_progress(
    server: OpenAIServer, run: Callable[..., Summary], tmp_path: Path
) -> None:
    seen: list[Summary] = []

    def ending(number: int, _lines: list[Line]) -> None:
        if number == 4:
            seen.append(status(tmp_path / "run"))

    server.batches.ends(ending)
    run()
    (within,) = seen
    assert (within.items, within.pending, within.calls) == (ITEMS, ITEMS, 4 * ITEMS)


def test_a_teacher_that_has_no_batches_is_refused_before_anything_is_asked(
    stories: Path, chain: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="openai:"):
        generate([stories], [chain], tmp_path / "run", teacher=TeacherOptions(teacher="offline"), batch="openai")
