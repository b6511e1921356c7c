"""When the questions of a run that is asked by batch leave, and that what goes out and comes back is as when live."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agentinstruct import BatchOptions, Seed, Summary, TeacherOptions, generate, stream
from agentinstruct.batch.parking import Parking, Wave, forgotten
from agentinstruct.batch.protocols import Question
from agentinstruct.errors import ConfigurationError
from agentinstruct.journal.writer import Journal
from agentinstruct.teacher.journaled import Place
from tests.engine import Teacher, awaited, dataset_bytes, seeds, write_flow
from tests.openai_server import OpenAIServer

pytestmark = pytest.mark.slow

_FLOW = """
import asyncio
import time
from collections.abc import AsyncIterator

from agentinstruct import Ask, Pair, Seed
from agentinstruct.flow import flow


@flow
async def chain(seed: Seed, ask: Ask) -> AsyncIterator[Pair]:
    \"\"\"Questions of which each is about the answer to the one before.\"\"\"
    text = seed.text
    for number in range({steps}):
        {between}
        text = await ask("echo", text={asked})
    yield Pair.of(f"Count from {{seed.text}}", text)
"""


@pytest.fixture
def chain(tmp_path: Path) -> Callable[..., Path]:
    def write(steps: int = 8, *, between: str = "pass", asked: str = 'f"{text} {number}"') -> Path:
        code = _FLOW.format(steps=steps, between=between, asked=asked)
        return write_flow(tmp_path / "chain", {"flow.py": code, "echo.md": "Say it.\n---\n{{ text }}\n"})

    return write


@pytest.fixture
def run(tmp_path: Path, openai_server: OpenAIServer) -> Callable[..., Summary]:
    teacher = TeacherOptions(teacher="openai:some-model", base_url=openai_server.base_url)

    def start(flow: Path, given: Any, name: str, **options: Any) -> Summary:
        return generate(given, [flow], tmp_path / name, **{"teacher": teacher, **options})

    return start


TEXTS = [f"text {number}" for number in range(12)]
SOON = BatchOptions(poll=0.02, quiet=0.1)


def test_eight_dependent_questions_take_eight_waves_of_the_same_requests_as_live(
    chain: Callable[..., Path], run: Callable[..., Summary], tmp_path: Path, openai_server: OpenAIServer
) -> None:
    flow = chain(8)
    assert run(flow, seeds(*TEXTS), "live").calls == 8 * len(TEXTS)
    live = [json.dumps(body) for body in openai_server.requests]
    openai_server.requests.clear()
    assert run(flow, seeds(*TEXTS), "batch", batch=SOON).calls == 8 * len(TEXTS)
    assert len(openai_server.batches.made) == 8
    assert sorted(json.dumps(body) for body in openai_server.requests) == sorted(live)
    assert dataset_bytes(tmp_path / "batch") == dataset_bytes(tmp_path / "live")


def test_a_wave_waits_for_seeds_that_are_slow_to_read(
    chain: Callable[..., Path], run: Callable[..., Summary], openai_server: OpenAIServer
) -> None:
    texts = [f"text {number}" for number in range(20)]

    def slowly() -> Iterator[Seed]:
        yield from seeds(*texts[:17])  # more than are read ahead: their questions wait while the others are read
        time.sleep(4 * SOON.quiet)
        yield from seeds(*texts[17:])

    assert run(chain(2), slowly(), "run", batch=SOON).done == len(texts)
    assert len(openai_server.batches.made) == 2


@pytest.mark.parametrize(
    "between", ["await asyncio.to_thread(time.sleep, 0.03)", "time.sleep(0.02)", "await asyncio.sleep(0)"]
)
def test_a_wave_waits_for_flows_that_do_other_things_than_ask(
    chain: Callable[..., Path], run: Callable[..., Summary], openai_server: OpenAIServer, between: str
) -> None:
    assert run(chain(3, between=between), seeds(*TEXTS), "run", batch=SOON).done == len(TEXTS)
    assert len(openai_server.batches.made) == 3


def test_a_wave_waits_while_the_turns_of_the_loop_take_longer_than_it_waits(
    chain: Callable[..., Path], run: Callable[..., Summary], openai_server: OpenAIServer
) -> None:
    half_of_them = "for _ in range(int(seed.text[-1]) % 2 * 20): await asyncio.sleep(time.sleep(0.005) or 0)"
    short = BatchOptions(poll=0.02, quiet=0.01)
    assert run(chain(2, between=half_of_them), seeds(*TEXTS), "run", batch=short).done == len(TEXTS)
    assert len(openai_server.batches.made) == 2


def test_equal_questions_of_two_items_are_two_questions(
    chain: Callable[..., Path], run: Callable[..., Summary], openai_server: OpenAIServer
) -> None:
    assert run(chain(2, asked='"the same"'), seeds(*TEXTS[:5]), "run", batch=SOON).calls == 10
    assert len(openai_server.batches.asked) == 10


def test_as_many_items_wait_as_a_wave_holds_whatever_the_concurrency(
    chain: Callable[..., Path], run: Callable[..., Summary], openai_server: OpenAIServer
) -> None:
    teacher = TeacherOptions(teacher="openai:some-model", base_url=openai_server.base_url, concurrency=1)
    assert run(chain(2), seeds(*TEXTS), "run", teacher=teacher, batch=SOON).done == len(TEXTS)
    assert len(openai_server.batches.made) == 2


def test_a_wave_is_bounded_in_bytes(
    chain: Callable[..., Path], run: Callable[..., Summary], openai_server: OpenAIServer
) -> None:
    small = BatchOptions(poll=0.02, quiet=0.1, bytes=500)
    assert run(chain(1), seeds(*TEXTS), "run", batch=small).done == len(TEXTS)
    sizes = [entry["bytes"] for entry in openai_server.batches.files.values() if entry["purpose"] == "batch"]
    assert len(sizes) > 2
    assert max(sizes) < 1000


def test_a_question_larger_than_a_wave_may_be_goes_alone(
    chain: Callable[..., Path], run: Callable[..., Summary], openai_server: OpenAIServer
) -> None:
    assert run(chain(1), seeds(*TEXTS[:3]), "run", batch=BatchOptions(poll=0.02, quiet=0.05, bytes=1)).done == 3
    assert len(openai_server.batches.made) == 3


@awaited
async def test_pairs_are_streamed_as_their_items_are_finished(
    chain: Callable[..., Path], tmp_path: Path, openai_server: OpenAIServer
) -> None:
    teacher = TeacherOptions(teacher="openai:some-model", base_url=openai_server.base_url)
    two = BatchOptions(poll=0.02, quiet=0.05, size=2)
    pairs = stream(seeds(*TEXTS[:6]), [chain(1)], tmp_path / "run", teacher=teacher, batch=two)
    seen = [len(openai_server.batches.made) async for _ in pairs]
    assert seen[0] < seen[-1]
    assert len(seen) == 6


@pytest.mark.parametrize("teacher", ["offline", Teacher(lambda _: "yes")])
def test_a_teacher_that_cannot_be_asked_by_batch_is_refused_with_those_that_can(
    chain: Callable[..., Path], tmp_path: Path, teacher: Any
) -> None:
    with pytest.raises(ConfigurationError, match=r"openai:MODEL and azure:DEPLOYMENT"):
        generate(seeds("a"), [chain(1)], tmp_path / "run", teacher=teacher, batch="openai")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"via": "post"}, "openai and export"),
        ({"size": 0}, "1 to 50000"),
        ({"size": 50_001}, "1 to 50000"),
        ({"bytes": 200_000_001}, "1 to 200000000"),
        ({"poll": 0.0}, "over 0 seconds"),
    ],
)
def test_options_that_no_batch_can_have_are_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        BatchOptions(**options)


def test_a_journal_of_before_there_were_batches_is_gone_on_with(
    chain: Callable[..., Path], run: Callable[..., Summary], tmp_path: Path, openai_server: OpenAIServer
) -> None:
    flow = chain(3)
    run(flow, seeds(*TEXTS[:2]), "run")
    with sqlite3.connect(tmp_path / "run" / "journal.sqlite") as connection:
        connection.executescript("DROP TABLE parked; DROP TABLE waves")
    assert run(flow, seeds(*TEXTS), "run", batch=SOON).done == len(TEXTS)
    assert openai_server.duplicates == 0


@pytest.fixture
def parking(tmp_path: Path) -> Iterator[Parking]:
    with Journal(tmp_path / "journal.sqlite") as journal:
        yield Parking(journal)


def _question(name: str, *, place: str, body: str) -> Question:
    asked = Place(id=name, key="k", flow="f", seed="s", agent="a", question="h", branch="", occurrence=0)
    return Question(asked=asked, place=place, body=body)


async def _launched(parking: Parking, wave: str, *questions: str) -> None:
    for each in questions:
        await parking.park(_question(each, place="here", body="{}"), 0)
    await parking.launch(Wave(id=wave, place="here", created=1.0, questions=len(questions)), questions)


@awaited
async def test_a_wave_answers_its_own_questions_once_and_frees_the_others_when_it_ends(parking: Parking) -> None:
    await _launched(parking, "one", "a", "b")
    await _launched(parking, "two", "c")
    await parking.keep("one", {"a": "first", "c": "of another wave", "d": "of nobody"})
    await parking.keep("one", {"a": "second"})
    assert [parking.find(each) for each in "abcd"] == [("one", "first"), ("one", None), ("two", None), (None, None)]
    assert parking.counts() == (0, 2, 1)
    await parking.end("one", "completed")
    assert [parking.find(each) for each in "abc"] == [("one", "first"), (None, None), ("two", None)]
    assert parking.wave("one") is None
    assert parking.wave("two") is not None


@awaited
async def test_a_wave_that_wants_nothing_any_more_is_settled_and_one_that_does_is_not(parking: Parking) -> None:
    for wave, question in (("one", "a"), ("two", "b"), ("three", "c")):
        await _launched(parking, wave, question)
        if wave != "three":
            await parking.submitted(wave, f"batch of {wave}")
    await parking.keep("one", {"a": "answer"})
    await parking.settle()
    assert [(wave.id, wave.state) for wave in parking.waves()] == [
        ("one", "done"),
        ("three", "sending"),
        ("two", "out"),
    ]


@awaited
async def test_what_is_parked_again_stays_where_it_is_and_belongs_to_the_last_call(parking: Parking) -> None:
    await _launched(parking, "one", "a")
    await parking.park(_question("a", place="elsewhere", body="other"), 7)
    assert parking.find("a") == ("one", None)
    assert list(parking.bodies("one")) == [("a", "{}")]
    assert parking.counts() == (0, 0, 0)
    await parking._journal.set_meta("calls", "7")
    assert parking.counts() == (0, 1, 0)


@awaited
async def test_a_question_is_forgotten_with_the_reply_it_waited_for(parking: Parking) -> None:
    await _launched(parking, "one", "a")
    await parking._journal.write(forgotten("a"))
    assert not parking.holds("a")
