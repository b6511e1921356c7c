"""Typed replies: asked for in a form, asked for once more where they cannot be read, and never guessed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agentinstruct import generate
from agentinstruct.api import failures
from tests.engine import Question, Reply, Teacher, pairs_of, rejected_of, result, seeds, write_flow

_FLOW = '''from pydantic import BaseModel, Field, field_validator

from agentinstruct import Pair
from agentinstruct.flow import flow


class Poem(BaseModel):
    """A short poem."""

    subject: str = Field(description="What it is about.")
    lines: int


@flow
async def poems(seed, ask):
    poem = await ask("poet", text=seed.text, returns=Poem)
    yield Pair.of(f"Write {poem.lines} lines on {poem.subject}.", "Lines.")
'''
_FILES = {"flow.py": _FLOW, "poet.md": "You write poems.\n---\n{{ text }}"}
_GOOD = '{"subject": "rain", "lines": 3}'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_flow(tmp_path / "poems", _FILES)


def _run(folder: Path, *replies: Reply, **client: Any) -> Teacher:
    given = iter(replies)
    teacher = Teacher(lambda _: next(given), **client)
    generate(seeds("A seed."), [folder], folder.parent / "run", teacher=teacher)
    return teacher


@pytest.mark.parametrize(
    "reply", [_GOOD, f"```json\n{_GOOD}\n```", f"Here it is:\n\n```\n{_GOOD}\n```\nI hope it helps."]
)
def test_a_reply_bare_or_in_a_fence_is_read(folder: Path, reply: str) -> None:
    assert len(_run(folder, reply).asked) == 1
    (pair,) = pairs_of(folder.parent / "run")
    assert pair["messages"][0]["content"] == "Write 3 lines on rain."


@pytest.mark.parametrize(
    ("reply", "told"), [('{"subject": "rain", "lines": "many"}', "lines"), ('{"lines": 2}', "subject"), ("Rain!", "")]
)
def test_an_unreadable_reply_is_shown_its_error_once_and_the_mended_one_is_taken(
    folder: Path, reply: str, told: str
) -> None:
    teacher = _run(folder, reply, _GOOD)
    first, second = teacher.asked
    assert [message.content for message in second.messages[: len(first.messages)]] == [
        message.content for message in first.messages
    ]
    assert second.messages[-2].content == reply
    assert second.messages[-2].type == "AssistantMessage"
    assert told in str(second.messages[-1].content)
    assert "could not be read" in str(second.messages[-1].content)
    (pair,) = pairs_of(folder.parent / "run")
    assert pair["messages"][0]["content"] == "Write 3 lines on rain."
    assert len(pair["lineage"]["asked"]) == 2


def test_a_reply_that_stays_unreadable_is_rejected_with_its_text(folder: Path) -> None:
    teacher = _run(folder, "Rain!", "Still rain, and more rain!")
    assert len(teacher.asked) == 2
    (rejected,) = rejected_of(folder.parent / "run")
    assert rejected["reason"] == "malformed_reply"
    assert "Still rain, and more rain!" in rejected["detail"]
    assert len(rejected["lineage"]["asked"]) == 2


def test_a_parser_mended_later_reads_the_recorded_reply(folder: Path) -> None:
    strict = (
        "\n    @field_validator('subject')\n    @classmethod\n    def never(cls, value):\n        raise ValueError\n"
    )
    write_flow(folder, {"flow.py": _FLOW.replace("    lines: int\n", f"    lines: int\n{strict}")})
    assert len(_run(folder, _GOOD, _GOOD).asked) == 2
    write_flow(folder, _FILES)
    assert not _run(folder).asked
    assert len(pairs_of(folder.parent / "run")) == 1


def test_a_reply_cut_short_is_asked_for_once_more_with_twice_the_room(folder: Path) -> None:
    teacher = _run(folder, result(_GOOD, finish_reason="length"), _GOOD, max_tokens=70)
    rooms = [question.options.get("extra_create_args", {}).get("max_tokens") for question in teacher.asked]
    assert rooms == [None, 140]
    assert len(pairs_of(folder.parent / "run")) == 1


def test_a_reply_cut_short_twice_is_rejected_though_it_could_be_read(folder: Path) -> None:
    cut = result(_GOOD, finish_reason="length")
    assert len(_run(folder, cut, cut).asked) == 2
    (rejected,) = rejected_of(folder.parent / "run")
    assert rejected["reason"] == "truncated_reply"
    assert _GOOD in rejected["detail"]


def test_a_filtered_reply_is_rejected_and_not_asked_for_again(folder: Path) -> None:
    assert len(_run(folder, result("", finish_reason="content_filter")).asked) == 1
    (rejected,) = rejected_of(folder.parent / "run")
    assert rejected["reason"] == "content_filter"
    write_flow(folder, {"flow.py": _FLOW + "# run it again\n"})
    assert not _run(folder).asked


def test_a_teacher_with_structured_output_gets_the_type_itself(folder: Path) -> None:
    (question,) = _run(folder, _GOOD).asked
    assert question.wanted == "Poem"
    assert question.system == "You write poems."


def test_a_teacher_without_structured_output_gets_the_schema_in_a_system_message(folder: Path) -> None:
    first, second = _run(folder, "Rain!", _GOOD, structured=False).asked
    for question in (first, second):
        assert question.options.get("json_output") is None
        note = str(next(m.content for m in question.messages if m.type == "SystemMessage" and "schema" in m.content))
        schema = json.loads(note[note.index("{") :])
        assert schema["properties"]["subject"]["description"] == "What it is about."
        assert set(schema["required"]) == {"subject", "lines"}
    assert len(pairs_of(folder.parent / "run")) == 1


@pytest.mark.parametrize("words", ["", "  \n"])
def test_an_empty_text_is_rejected(folder: Path, words: str) -> None:
    code = _FLOW.replace(", returns=Poem", "").replace("{poem.lines} lines on {poem.subject}", "{poem}")
    write_flow(folder, {"flow.py": code})
    _run(folder, words)
    (rejected,) = rejected_of(folder.parent / "run")
    assert rejected["reason"] == "empty_reply"


def test_a_reply_is_never_a_template_or_code(folder: Path) -> None:
    code = _FLOW.replace('"Lines.")', 'await ask("poet", text=poem.subject))')
    write_flow(folder, {"flow.py": code})
    evil = "{{ 7 * 7 }} {% for x in ''.__class__.__mro__ %}{{ x }}{% endfor %}"
    _run(folder, json.dumps({"subject": evil, "lines": 1}), "{{ 6 * 7 }}")
    (pair,) = pairs_of(folder.parent / "run")
    assert evil in pair["messages"][0]["content"]
    assert pair["messages"][1]["content"] == "{{ 6 * 7 }}"


def test_what_was_asked_and_said_can_be_found_from_the_pair(folder: Path) -> None:
    from agentinstruct.journal.writer import Journal, item_id

    _run(folder, "Rain!", _GOOD)
    (pair,) = pairs_of(folder.parent / "run")
    with Journal(folder.parent / "run" / "journal.sqlite") as journal:
        exchanges = journal.exchanges(item_id("poems", pair["lineage"]["seed_id"]))
        said = {exchange.key: exchange.reply for exchange in exchanges}
    assert [json.loads(said[asked["request"]])[0] for asked in pair["lineage"]["asked"]] == ["Rain!", _GOOD]
    assert not failures(folder.parent / "run")


def _never(_question: Question) -> str:
    raise AssertionError


def test_a_template_that_lacks_a_variable_stops_the_run_and_names_it(folder: Path) -> None:
    from agentinstruct.errors import FlowError

    write_flow(folder, {"poet.md": "You write poems.\n---\n{{ txt }}"})
    with pytest.raises(FlowError, match=r"poet.*txt.*given text"):
        generate(seeds("A seed."), [folder], folder.parent / "run", teacher=Teacher(_never))
