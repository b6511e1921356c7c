"""Published pairs in the forms that trainers read: whatever was in a pair comes back from every one of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

import agentinstruct
from agentinstruct.dataset.export import FORMATS, export, export_lines
from agentinstruct.dataset.parquet import publish
from agentinstruct.errors import ConfigurationError
from agentinstruct.journal.reader import Outcome
from agentinstruct.paths import SEEDS
from agentinstruct.records import Message, Pair

TEXT = st.text(min_size=1, max_size=40)
TURNS = st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=3)


def _pair(number: int, system: str | None, exchanges: list[tuple[str, str]]) -> Pair:
    turns = [Message(role="system", content=system)] if system else []
    for asked, said in exchanges:
        turns += [Message(role="user", content=asked), Message(role="assistant", content=said)]
    return Pair(id=str(number), messages=tuple(turns))


def _publish(folder: Path, *pairs: Pair, tools: bool = False) -> Path:
    outcome = Outcome(item=1, flow="f", seed="s", pairs=list(pairs), rejections=[])
    publish(folder, [outcome], tools=tools)
    return folder


def _rows(folder: Path, form: str) -> Iterator[dict[str, Any]]:
    return map(json.loads, export_lines(folder, form))


def _turns_back(row: dict[str, Any], form: str) -> list[tuple[str, str]]:
    """Return the turns of an exported row, read by what the form means."""
    match form:
        case "messages":
            return [(turn["role"], turn["content"]) for turn in row["messages"]]
        case "prompt-completion":
            return [(turn["role"], turn["content"]) for turn in [*row["prompt"], *row["completion"]]]
        case "sharegpt":
            roles = {"system": "system", "human": "user", "gpt": "assistant"}
            return [(roles[turn["from"]], turn["value"]) for turn in row["conversations"]]
        case _:
            system = [("system", row["system"])] if row["system"] else []
            exchanges = [*row["history"], [row["instruction"], row["output"]]]
            turns = [turn for asked, said in exchanges for turn in (("user", asked), ("assistant", said))]
            return system + turns


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.none() | TEXT, TURNS), min_size=1, max_size=4))
def test_every_pair_comes_back_whole_and_in_order_from_every_form(made: list[tuple[str | None, Any]]) -> None:
    pairs = [_pair(number, system, exchanges) for number, (system, exchanges) in enumerate(made)]
    expected = [[(turn.role, turn.content) for turn in pair.messages] for pair in pairs]
    with TemporaryDirectory() as folder:
        run = _publish(Path(folder), *pairs)
        for form in FORMATS:
            assert [_turns_back(row, form) for row in _rows(run, form)] == expected
            path = run / "out.jsonl"
            assert export(run, form, path) == len(pairs)
            lines = path.read_text(encoding="utf-8").split("\n")
            assert len(lines) == len(pairs) + 1, "a pair must stay on one line"


def test_tool_calls_come_back_as_openai_messages(tmp_path: Path) -> None:
    call: dict[str, JsonValue] = {"id": "1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    tool: dict[str, JsonValue] = {"type": "function", "function": {"name": "add", "parameters": {}}}
    turns = (
        Message(role="user", content="Add."),
        Message(role="assistant", tool_calls=(call,)),
        Message(role="tool", content="1", tool_call_id="1"),
        Message(role="assistant", content="It is 1."),
    )
    run = _publish(tmp_path, Pair(id="a", messages=turns, tools=(tool,)), tools=True)
    (row,) = _rows(run, "messages")
    assert row["tools"] == [tool]
    assert row["messages"][1] == {"role": "assistant", "content": None, "tool_calls": [call]}
    assert row["messages"][2]["tool_call_id"] == "1"
    (row,) = _rows(run, "prompt-completion")
    assert row["tools"] == [tool]
    assert row["completion"] == [{"role": "assistant", "content": "It is 1."}]


@pytest.mark.parametrize("form", ["sharegpt", "alpaca"])
def test_a_form_that_cannot_hold_tool_calls_says_so(tmp_path: Path, form: str) -> None:
    turns = (
        Message(role="user", content="Add."),
        Message(role="assistant", tool_calls=({"id": "1"},)),
        Message(role="tool", content="1", tool_call_id="1"),
        Message(role="assistant", content="It is 1."),
    )
    run = _publish(tmp_path, Pair(id="a", messages=turns), tools=True)
    with pytest.raises(ConfigurationError, match=rf"pair a .*{form}.*--format messages"):
        list(export_lines(run, form))


def test_a_failed_export_leaves_the_old_file(tmp_path: Path) -> None:
    old = tmp_path / "old.jsonl"
    old.write_text("mine")
    with pytest.raises(ConfigurationError, match="holds no published pairs"):
        export(tmp_path / "nothing", "messages", old)
    assert old.read_text() == "mine"
    with pytest.raises(ConfigurationError, match="no format 'yaml'"):
        export(tmp_path / "nothing", "yaml", old)
    assert [path.name for path in tmp_path.iterdir()] == ["old.jsonl"]


def test_datasets_reads_messages_as_lists_of_role_and_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    from datasets import load_dataset

    problems = SEEDS / "sample" / "word_problems.jsonl"
    summary = agentinstruct.generate(
        [problems], ["math_word_problems"], tmp_path / "run", limit=3, teacher="recorded:sample"
    )
    files = str(tmp_path / "run" / "pairs" / "*.parquet")
    pairs = load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path / "cache"))
    assert len(pairs) == summary.pairs
    assert [sorted(turn) for turn in pairs[0]["messages"]] == [["content", "role"]] * 2
    assert [turn["role"] for turn in pairs[0]["messages"]] == ["user", "assistant"]
    assert all(verdict["passed"] for row in pairs for verdict in row["verdicts"])
