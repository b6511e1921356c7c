"""Whole runs against a server that fails: each item ends as done, or as failed with its reason, and nothing is lost."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentinstruct import Summary, TeacherOptions, generate, status
from agentinstruct.api import failures
from agentinstruct.errors import TeacherRefused
from agentinstruct.teacher.spec import Sampling
from tests.engine import Question, Teacher, pairs_of, rejected_of, seeds, write_flow
from tests.openai_server import Fault, Kind, OpenAIServer

pytestmark = pytest.mark.slow

_FLOW = '''"""Two names and an account of them, which depends on both."""

import asyncio
from collections.abc import AsyncIterator

from pydantic import BaseModel

from agentinstruct import Ask, Pair, Seed
from agentinstruct.flow import flow


class Account(BaseModel):
    words: str


@flow
async def naming(seed: Seed, ask: Ask) -> AsyncIterator[Pair]:
    sides = [ask.branch("side", number) for number in range(2)]
    names = await asyncio.gather(*(side("namer", text=seed.text, number=str(n)) for n, side in enumerate(sides)))
    account = await ask("teller", names=" ".join(names), returns=Account)
    yield Pair.of(seed.text, account.words)
'''
_FILES = {
    "flow.py": _FLOW,
    "namer.md": "You find names.\n---\n{{ text }} {{ number }}",
    "teller.md": "You tell.\n---\n{{ names }}",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_flow(tmp_path / "naming", _FILES)


def _answer(request: dict[str, Any]) -> str:
    said = request["messages"][1]["content"]
    return json.dumps({"words": f"It is told: {said}"}) if "response_format" in request else f"[{said}]"


def _texts(number: int) -> list[str]:
    return [f"Text {place}." for place in range(number)]


def _expected(text: str) -> str:
    return f"It is told: [{text} 0] [{text} 1]"


def _run(texts: list[str], folder: Path, server: OpenAIServer, *, timeout: float = 60, **options: Any) -> Summary:
    sampling = Sampling(timeout=timeout, max_tokens=200)
    teacher = TeacherOptions(teacher="openai:m", base_url=server.base_url, sampling=sampling, **options)
    return generate(seeds(*texts), [folder], folder.parent / "run", teacher=teacher)


class _Told:
    """A plan of faults that remembers which questions it let through."""

    def __init__(self, plan: Callable[[int, str], Fault | None]) -> None:
        self.plan = plan
        self.faults: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()

    def __call__(self, number: int, request: dict[str, Any]) -> Fault | None:
        said = str(request["messages"])
        fault = self.plan(number, said)
        if fault is None:
            self.answered[said] += 1
        else:
            self.faults[fault.kind] += 1
        return fault


def _all_at_once(chance: random.Random) -> Callable[[int, str], Fault | None]:
    """30 % 429 in bursts, and of all others 5 % 500, 2 % resets, 2 % truncated, 1 % hung."""
    resets: list[Kind] = ["reset_before_headers", "reset_within_headers", "reset_within_body"]

    def plan(number: int, _said: str) -> Fault | None:
        if number % 60 < 18:
            return Fault.throttled(chance.choice([0.05, 0.3]))
        match chance.randrange(100):
            case 0 | 1 | 2 | 3 | 4:
                return Fault(status=chance.choice([500, 502, 503, 529]))
            case 5 | 6:
                return Fault(kind=chance.choice(resets))
            case 7 | 8:
                return Fault(kind="truncated_json")
            case 9:
                return Fault(kind="hang", seconds=60)
        return None

    return plan


def test_with_everything_failing_at_once_the_counts_add_up_and_a_second_call_asks_only_what_is_missing(
    tmp_path: Path, folder: Path, openai_server: OpenAIServer
) -> None:
    texts = _texts(90)
    openai_server.answer = _answer
    first = _Told(_all_at_once(random.Random(17)))
    openai_server.fail(first)
    summary = _run(texts, folder, openai_server, timeout=2)
    assert summary.items == 90 == summary.done + summary.failed
    assert summary.pending == 0
    assert summary.done == summary.pairs > 70
    assert {"status", "hang", "truncated_json"} < set(first.faults)
    # each answer that was given whole is in the journal, and each question that failed was counted as such
    assert summary.calls == first.answered.total() == len(first.answered)
    assert len(openai_server.requests) == summary.calls + first.faults.total()
    reasons = failures(tmp_path / "run")
    assert len(reasons) == summary.failed
    assert all(f"127.0.0.1:{openai_server.port}" in reason for _, _, reason in reasons)

    second = _Told(lambda _number, _said: None)
    openai_server.fail(second)
    whole = _run(texts, folder, openai_server)
    assert (whole.done, whole.failed, whole.pairs) == (90, 0, 90)
    assert first.answered.keys().isdisjoint(second.answered)
    assert whole.calls == 270
    said = {pair["messages"][0]["content"]: pair["messages"][1]["content"] for pair in pairs_of(tmp_path / "run")}
    assert said == {text: _expected(text) for text in texts}


FOR_GOOD: list[tuple[Fault, str]] = [
    (Fault.throttled(), "answered 429"),
    (Fault(status=503), "answered 503"),
    (Fault(kind="reset_before_headers"), "connection"),
    (Fault(kind="reset_within_headers"), "connection"),
    (Fault(kind="reset_within_body"), "connection"),
    (Fault(kind="cut_short"), "connection"),
    (Fault(kind="cut_chunk"), "connection"),
    (Fault(kind="truncated_json"), "not JSON"),
    (Fault(kind="hang", seconds=60), "within 0.8 s"),
    (Fault(kind="trickle", seconds=0.02), "within 0.8 s"),
]


def test_what_fails_for_good_fails_its_item_with_the_reason_and_the_next_call_tries_again(
    tmp_path: Path, folder: Path, openai_server: OpenAIServer
) -> None:
    """Each fault has a text of its own, whose account of the names fails every time; sixty others fare well."""
    texts = _texts(len(FOR_GOOD) + 60)
    openai_server.answer = _answer
    broken = {_expected(text).partition(": ")[2]: fault for text, (fault, _) in zip(texts, FOR_GOOD, strict=False)}
    told = _Told(lambda _number, said: next((fault for names, fault in broken.items() if names in said), None))
    openai_server.fail(told)
    summary = _run(texts, folder, openai_server, timeout=0.8)
    assert (summary.done, summary.failed, summary.pending) == (60, len(FOR_GOOD), 0)
    ids = {seed.id: number for number, seed in enumerate(seeds(*texts))}
    for _, seed, reason in failures(tmp_path / "run"):
        fault, words = FOR_GOOD[ids[seed]]
        assert words in reason, f"{fault}: {reason}"
        assert "Traceback" not in reason
    asked = len(openai_server.requests)
    assert asked == summary.calls + told.faults.total()
    assert told.faults.total() == 5 * len(FOR_GOOD)
    openai_server.fail(())
    whole = _run(texts, folder, openai_server)
    assert (whole.done, whole.failed) == (len(texts), 0)
    assert len(openai_server.requests) == asked + len(FOR_GOOD)
    assert sorted(pair["messages"][1]["content"] for pair in pairs_of(tmp_path / "run")) == sorted(
        map(_expected, texts)
    )


def test_what_is_no_whole_answer_is_rejected_with_its_words_kept_and_not_asked_for_without_end(
    tmp_path: Path, folder: Path, openai_server: OpenAIServer
) -> None:
    faults: list[tuple[Fault, str, int]] = [
        (Fault(kind="length"), "truncated_reply", 2),
        (Fault(kind="malformed_reply"), "malformed_reply", 2),
        (Fault(kind="content_filter"), "content_filter", 1),
        (Fault(status=400, code="content_filter"), "content_filter", 1),
        (Fault(kind="refusal"), "refused", 1),
        (Fault(status=400, code="context_length_exceeded"), "too_long", 1),
    ]
    texts = _texts(len(faults) + 1)
    openai_server.answer = _answer
    broken = {f"[{text} 0] [{text} 1]": fault for text, (fault, _, _) in zip(texts, faults, strict=False)}
    openai_server.fail(lambda _number, request: broken.get(request["messages"][1]["content"]))
    summary = _run(texts, folder, openai_server)
    assert (summary.done, summary.failed, summary.pairs) == (len(texts), 0, 1)
    rejected = {row["lineage"]["seed_id"]: row for row in rejected_of(tmp_path / "run")}
    told: dict[str, list[dict[str, Any]]] = {names: [] for names in broken}
    for request in openai_server.requests:
        if (names := request["messages"][1]["content"]) in told:
            told[names].append(request)
    for seed, names, (fault, reason, tries) in zip(seeds(*texts), told, faults, strict=False):
        row = rejected[seed.id]
        assert (row["reason"], len(told[names])) == (reason, tries), fault
        if fault.kind == "length":
            assert [request["max_tokens"] for request in told[names]] == [200, 400]
            assert "It is" in row["detail"]
        if fault.kind == "malformed_reply":
            assert '{"unexpected"' in row["detail"]
            again = told[names][1]["messages"]
            assert again[2]["content"].startswith('{"unexpected"'), "the reply that was wrong"
            assert "JSON" in again[3]["content"], "what was wrong with it"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(status=401, code="invalid_api_key"), "OPENAI_API_KEY"),
        (Fault(status=403), "rights"),
        (Fault(status=404, code="model_not_found"), "--base-url"),
        (Fault(status=400, code="invalid_value"), "settings"),
        (Fault(status=429, code="insufficient_quota"), "credit"),
    ],
)
def test_a_teacher_that_refuses_halfway_stops_the_run_at_once_and_what_is_finished_is_kept(
    tmp_path: Path, folder: Path, openai_server: OpenAIServer, fault: Fault, words: str
) -> None:
    openai_server.answer, openai_server.latency = _answer, 0.01
    told = _Told(lambda number, _said: fault if number >= 100 else None)
    openai_server.fail(told)
    with pytest.raises(TeacherRefused, match=words):
        _run(_texts(200), folder, openai_server, concurrency=4)
    assert told.faults.total() <= 4, "those in flight"
    stopped = status(tmp_path / "run")
    assert (stopped.failed, stopped.calls) == (0, 100)
    assert stopped.done == stopped.pairs == len(pairs_of(tmp_path / "run")) > 10
    openai_server.fail(())
    whole = _run(_texts(200), folder, openai_server, concurrency=32)
    assert (whole.done, whole.calls) == (200, 600)
    assert len(openai_server.requests) == 600 + told.faults.total()


@pytest.mark.parametrize(
    "mistake", ["raise KeyError(names[0])", "assert not names", "bytes(2**60)", "sys.setrecursionlimit(0)"]
)
def test_a_flow_that_raises_fails_that_item_with_seed_place_and_traceback(
    tmp_path: Path, folder: Path, openai_server: OpenAIServer, mistake: str
) -> None:
    code = f'    if "Text 3" in seed.text:\n        import sys\n\n        {mistake}\n    account'
    write_flow(folder, {"flow.py": _FLOW.replace("    account", code)})
    openai_server.answer = _answer
    summary = _run(_texts(6), folder, openai_server)
    assert (summary.done, summary.failed) == (5, 1)
    ((flow, seed, error),) = failures(tmp_path / "run")
    assert (flow, seed) == ("naming", seeds("Text 3.")[0].id)
    assert error.startswith("Traceback")
    assert mistake in error
    assert "naming/flow.py" in error
    assert summary.calls == 17


def test_a_wall_clock_that_jumps_changes_neither_waits_nor_limits(
    folder: Path, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = random.Random(3)
    monkeypatch.setattr(time, "time", lambda: clock.uniform(-1e9, 4e9))
    openai_server.answer = _answer
    told = _Told(lambda number, _said: Fault.throttled(0.1) if number % 7 == 0 else None)
    openai_server.fail(told)
    summary = _run(
        _texts(20), folder, openai_server, requests_per_minute=1000, tokens_per_minute=1e6, budget_tokens=10**6
    )
    assert (summary.done, summary.failed) == (20, 0)
    assert len(openai_server.requests) == 60 + told.faults.total()


def test_a_run_below_its_own_seeds_does_not_feed_on_itself(tmp_path: Path, folder: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    text = "The harbour of Ambleton was dug by forty men, whose names stand on a stone at the quay to this day. "
    for number in range(3):
        (corpus / f"{number}.txt").write_text(f"{text * 4} {number}")
    for source in (corpus, corpus, f"{corpus}/**", f"{corpus}/**/*"):
        summary = generate([source], [folder], corpus / "deep" / "run", teacher=Teacher(_echo))
        assert (summary.items, summary.pairs) == (3, 3)
    pairs = generate([f"{corpus}/*/run/README.md"], [folder], tmp_path / "other", teacher=Teacher(_echo))
    assert pairs.items == 1, "whoever names it gets it"


def _echo(question: Question) -> dict[str, Any] | str:
    return {"words": question.user} if question.wanted else question.user
