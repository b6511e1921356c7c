"""The lines of batch files, the price of a batch, and the teacher that parks: each piece by itself."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from autogen_core.models import UserMessage
from hypothesis import given
from hypothesis import strategies as st

from agentinstruct.batch.lines import LONGEST_LINE, question_line, read_answer, read_line, whole_lines, with_author
from agentinstruct.batch.parked import ParkedTeacher
from agentinstruct.batch.protocols import BackEnd, Question
from agentinstruct.errors import ConfigurationError, Rejected, TeacherRefused, TeacherUnavailable
from agentinstruct.teacher.budget import Ledger
from agentinstruct.teacher.journaled import Place
from agentinstruct.teacher.layer import identity_of
from agentinstruct.teacher.openai import OpenAITeacher
from agentinstruct.teacher.prices import Prices, by_batch
from tests.engine import awaited
from tests.teacher.scripted import ScriptedClient


async def _pieces(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


@given(st.lists(st.binary(max_size=6).map(lambda each: each.replace(b"\n", b"")), max_size=6), st.data())
@awaited
async def test_lines_are_the_same_however_the_stream_is_cut(lines: list[bytes], data: st.DataObject) -> None:
    whole = b"\n".join(lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=5)))
    pieces = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert [line async for line in whole_lines(_pieces(pieces))] == [line for line in lines if line]


@awaited
async def test_a_line_without_end_is_left_out_and_those_around_it_are_not() -> None:
    piece = b"x" * (LONGEST_LINE // 2)
    lines = [line async for line in whole_lines(_pieces([b"a\n", piece, piece, piece, b"x\nb\nc"]))]
    assert lines == [b"a", b"b", b"c"]


_BODY = {"choices": [{"message": {"content": "yes"}}]}


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ({"custom_id": "q", "response": {"status_code": 200, "body": _BODY}, "error": None}, 200),
        ({"custom_id": "q", "response": {"status_code": 429, "body": {"error": {}}}}, 429),
        ({"custom_id": "q", "content": "yes"}, 200),
        ({"custom_id": "q", "content": {"answer": 1}}, 200),
    ],
)
def test_a_line_with_an_answer_is_read(told: dict[str, Any], status: int) -> None:
    line = read_line(json.dumps(told))
    assert (line.question, line.status, line.problem) == ("q", status, "")
    assert read_answer(line.answer)[0] == status


def test_content_that_is_no_text_is_taken_as_json() -> None:
    _, reply, author = read_answer(read_line('{"custom_id": "q", "content": {"answer": "ä"}}').answer)
    assert reply["choices"][0]["message"]["content"] == '{"answer": "ä"}'  # type: ignore[index]
    assert author == ""


def test_an_answer_may_name_who_gave_it() -> None:
    answer = with_author(read_line('{"custom_id": "q", "content": "yes"}').answer, "somebody")
    assert read_answer(with_author(answer, "somebody else"))[::2] == (200, "somebody else")


def test_a_line_that_names_an_error_has_no_answer() -> None:
    told = {"custom_id": "q", "response": None, "error": {"code": "batch_expired", "message": "too late"}}
    line = read_line(json.dumps(told))
    assert (line.problem, line.answer) == ("too late", "")


@pytest.mark.parametrize(
    "raw", ["", "{", "[]", "null", "[" * 100_000, '{"custom_id": 1}', '{"custom_id": "q"}', b"\xff\xfe", '{"a": 1}']
)
def test_a_line_that_is_none_says_what_is_wrong(raw: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"^it (is|has)"):
        read_line(raw)


def test_a_question_is_a_line_of_a_batch_s_input() -> None:
    line = question_line('q"', '{"model":"m"}', "/v1/chat/completions")
    assert json.loads(line) == {
        "custom_id": 'q"',
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "m"},
    }
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1


def test_a_batch_has_half_the_price_and_a_file_of_one_s_own_may_say_otherwise(tmp_path: Path) -> None:
    shipped = Prices.load()
    live, batch = shipped.of("gpt-4.1-mini"), shipped.of(by_batch("gpt-4.1-mini"))
    assert live and batch
    assert (batch.input, batch.output) == (live.input / 2, live.output / 2)
    own = tmp_path / "prices.toml"
    own.write_text('[[price]]\nmodels = ["a"]\ninput = 4\noutput = 8\nbatch = 0.75\n')
    price = Prices.load(own).of(by_batch("a"))
    assert price and (price.input, price.output) == (3, 6)
    own.write_text('batch = 0.25\n[[price]]\nmodels = ["a"]\ninput = 4\noutput = 8\n')
    price = Prices.load(own).of(by_batch("a"))
    assert price and (price.input, price.output) == (1, 2)
    usage = {"gpt-4.1-mini": (1, 10**6, 0), by_batch("gpt-4.1-mini"): (1, 10**6, 0)}
    assert shipped.total(usage) == pytest.approx(live.input * 1.5)


class ScriptedBatcher:
    """Gives the answers it holds, in order, and keeps what it was asked."""

    def __init__(self, *answers: object) -> None:
        self.answers = [json.dumps(answer) for answer in answers]
        self.asked: list[Question] = []
        self.discarded: list[str] = []

    async def answer(self, question: Question, back_end: BackEnd | None) -> str:
        assert back_end
        self.asked.append(question)
        return self.answers.pop(0)

    async def discard(self, question: str) -> None:
        self.discarded.append(question)


def _reply(content: str) -> list[object]:
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    return [200, {"choices": [{"message": {"content": content}, "finish_reason": "stop"}], "usage": usage}]


def _error(status: int, code: str) -> list[object]:
    return [status, {"error": {"message": "no", "code": code}}]


def _teacher() -> OpenAITeacher:
    return OpenAITeacher("m", base_url="http://localhost:1/v1", temperature=0.5)


QUESTION = Place(id="q", key="k", flow="f", seed="s", agent="a", question="h", branch="", occurrence=0)
_HELLO = [UserMessage(content="hello \u2028 there", source="user")]


@awaited
async def test_a_parked_question_has_the_body_and_the_identity_of_a_live_one() -> None:
    batcher = ScriptedBatcher(_reply("yes"))
    parked = ParkedTeacher(_teacher(), batcher)
    result = await parked.asking(QUESTION).create(_HELLO)
    assert (result.content, result.usage.prompt_tokens) == ("yes", 3)
    (asked,) = batcher.asked
    assert (asked.id, asked.asked, asked.place) == ("q", QUESTION, "m at http://localhost:1/v1")
    assert json.loads(asked.body) == _teacher().body(_HELLO, {})
    assert asked.body.isascii()
    assert identity_of(parked) == identity_of(_teacher())
    await parked.close()


@awaited
async def test_an_answer_that_is_none_is_discarded_and_asked_for_again_a_few_times() -> None:
    batcher = ScriptedBatcher(_error(500, ""), [200, {}], _reply("yes"))
    assert (await ParkedTeacher(_teacher(), batcher).asking(QUESTION).create(_HELLO)).content == "yes"
    assert batcher.discarded == ["q", "q"]
    batcher = ScriptedBatcher(*[_error(500, "")] * 5)
    with pytest.raises(TeacherUnavailable, match="answered 500"):
        await ParkedTeacher(_teacher(), batcher, attempts=2).asking(QUESTION).create(_HELLO)
    assert len(batcher.asked) == len(batcher.discarded) == 2


@awaited
async def test_a_rejection_is_an_answer_and_a_refused_key_is_none() -> None:
    batcher = ScriptedBatcher(_error(400, "content_filter"))
    with pytest.raises(Rejected, match="content_filter"):
        await ParkedTeacher(_teacher(), batcher).asking(QUESTION).create(_HELLO)
    assert not batcher.discarded
    batcher = ScriptedBatcher(_error(401, "invalid_api_key"))
    with pytest.raises(TeacherRefused, match="does not accept the key"):
        await ParkedTeacher(_teacher(), batcher).asking(QUESTION).create(_HELLO)
    assert batcher.discarded == ["q"]


@awaited
async def test_a_question_that_no_file_can_hold_is_rejected_before_it_is_parked() -> None:
    batcher = ScriptedBatcher()
    with pytest.raises(Rejected, match="unencodable_text"):
        await (
            ParkedTeacher(_teacher(), batcher)
            .asking(QUESTION)
            .create([UserMessage(content="half \ud83d", source="user")])
        )
    assert not batcher.asked


@awaited
async def test_every_attempt_counts_against_the_budget() -> None:
    ledger = Ledger(tokens=100_000)
    batcher = ScriptedBatcher([200, {}], _reply("yes"))
    await ParkedTeacher(_teacher(), batcher, ledger=ledger).asking(QUESTION).create(_HELLO)
    assert ledger.spent_tokens > 4096  # the attempt without an answer may have cost the most it could


@awaited
async def test_a_teacher_that_parks_is_one_of_openai_s_and_answers_only_within_a_run() -> None:
    with pytest.raises(ConfigurationError, match="openai:MODEL"):
        ParkedTeacher(ScriptedClient(), ScriptedBatcher())
    with pytest.raises(ConfigurationError, match="only within a run"):
        await ParkedTeacher(_teacher(), ScriptedBatcher()).create(_HELLO)
    with pytest.raises(ConfigurationError, match="price"):
        ParkedTeacher(_teacher(), ScriptedBatcher(), ledger=Ledger(dollars=1.0))
