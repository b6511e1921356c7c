"""Whatever form rows come in, a student gets the same conversations; what is none is named with its place."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import agentinstruct
from agentinstruct.dataset.export import FORMATS, export
from agentinstruct.errors import ConfigurationError
from agentinstruct.journal.reader import Outcome
from agentinstruct.paths import SEEDS
from agentinstruct.records import Message, Pair
from agentinstruct.training.data.conversations import (
    Conversation,
    read_conversations,
    to_conversation,
)
from agentinstruct.training.data.rows import BadRow, read_rows

pytestmark = pytest.mark.slow

ASKED = {"role": "user", "content": "Add 1."}
SAID = {"role": "assistant", "content": "It is 1."}
CALL = {"id": "1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1, "b": null}'}}
CALLED = {**CALL, "function": {"name": "add", "arguments": {"a": 1, "b": None}}}
TOOL = {"type": "function", "function": {"name": "add", "parameters": {}}}


def _lines(path: Path, *rows: Any) -> Path:
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def _made(row: dict[str, Any]) -> Conversation:
    made = to_conversation("here", row)
    assert isinstance(made, Conversation), str(made)
    return made


def _run(folder: Path, *pairs: Pair, tools: bool = False) -> Path:
    from agentinstruct.dataset.parquet import publish

    publish(folder, [Outcome(item=1, flow="f", seed="s", pairs=list(pairs), rejections=[])], tools=tools)
    return folder


def test_a_run_and_all_its_exports_hold_the_same_conversations(tmp_path: Path) -> None:
    problems = SEEDS / "sample" / "word_problems.jsonl"
    run = tmp_path / "run"
    agentinstruct.generate([problems], ["math_word_problems"], run, limit=3, teacher="recorded:sample")
    made = list(read_conversations(run))
    assert made
    assert isinstance(made[0], Conversation)
    assert made[0].where == "pairs/part-00000.parquet, row 1"
    for form in FORMATS:
        path = tmp_path / f"{form}.jsonl"
        export(run, form, path)
        again = [row for row in read_conversations(path) if isinstance(row, Conversation)]
        assert [row.messages for row in again] == [row.messages for row in made if isinstance(row, Conversation)]
        assert again[0].where == f"{form}.jsonl, line 1"


def test_the_tool_calls_of_a_run_become_objects(tmp_path: Path) -> None:
    turns = (
        Message(role="user", content="Add 1."),
        Message(role="assistant", tool_calls=(CALL,)),  # type: ignore[arg-type]  # JSON
        Message(role="tool", content="1", tool_call_id="1"),
        Message(role="assistant", content="It is 1."),
    )
    (made,) = read_conversations(_run(tmp_path, Pair(id="a", messages=turns, tools=(TOOL,)), tools=True))  # type: ignore[arg-type]  # JSON
    assert isinstance(made, Conversation)
    result = {"role": "tool", "content": "1", "tool_call_id": "1"}
    assert made.messages == (ASKED, {"role": "assistant", "tool_calls": [CALLED]}, result, SAID)
    assert made.tools == (TOOL,)


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [ASKED, SAID], "prompt": "ignored"},
        {"messages": json.dumps([ASKED, SAID])},
        {"messages": [{**ASKED, "content": [{"type": "text", "text": "Add"}, {"type": "text", "text": " 1."}]}, SAID]},
        {"prompt": "Add 1.", "completion": "It is 1."},
        {"prompt": [ASKED], "completion": [SAID]},
        {"conversations": [{"from": "human", "value": "Add 1."}, {"from": "gpt", "value": "It is 1."}], "system": ""},
        {"conversations": [ASKED, SAID]},
        {"instruction": "Add 1.", "input": "", "output": "It is 1.", "system": None},
    ],
)
def test_every_common_form_is_understood(row: dict[str, Any]) -> None:
    assert _made(row).messages == (ASKED, SAID)


def test_system_columns_input_and_history_are_turns_too() -> None:
    row = {"instruction": "Add", "input": "1 and 2", "output": "3", "system": "Be exact.", "history": [["Hi", "Hello"]]}
    told = [("system", "Be exact."), ("user", "Hi"), ("assistant", "Hello"), ("user", "Add\n\n1 and 2")]
    assert [(turn["role"], turn["content"]) for turn in _made(row).messages] == [*told, ("assistant", "3")]
    shared = {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Ho"}], "system": "Be."}
    assert [turn["role"] for turn in _made(shared).messages] == ["system", "user", "assistant"]


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ({"messages": []}, "no turns"),
        ({"messages": None}, "messages is not a list .it is a NoneType"),
        ({"messages": "{"}, "messages is broken JSON"),
        ({"messages": ["Hi"]}, "a turn is not an object"),
        ({"messages": [{"role": "robot", "content": "x"}, SAID]}, "unknown role .'robot'; there are system, user"),
        ({"messages": [{"content": "x"}]}, "unknown role .'None'"),
        ({"messages": [ASKED]}, "no turn of the assistant"),
        ({"messages": [ASKED, SAID, ASKED]}, "ends with a turn of the user"),
        ({"messages": [ASKED, {"role": "assistant", "content": " \n"}]}, "an empty reply"),
        ({"messages": [ASKED, {"role": "assistant", "content": None, "tool_calls": []}]}, "a turn without text"),
        ({"messages": [{"role": "user", "content": 7}, SAID]}, "content is not text .a turn of the user holds a int"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}, SAID]}, "a turn with more than text"),
        ({"messages": [{**ASKED, "tool_calls": [CALL]}, SAID]}, "tool calls of another than the assistant"),
        ({"messages": [ASKED, {**SAID, "tool_calls": [{"id": "1"}]}]}, "a tool call without a function's name"),
        (
            {"messages": [ASKED, {**SAID, "tool_calls": [{"name": "add", "arguments": "[1]"}]}]},
            "a tool call's arguments are not an object",
        ),
        ({"messages": [ASKED, SAID], "tools": ["add"]}, "a tool is not an object"),
        ({"prompt": "Hi", "completion": ""}, "an empty reply"),
        ({"instruction": "Hi", "output": "Ho", "history": ["x"]}, "history is not a list of pairs"),
        ({"messages": [{**ASKED, "content": "\ud800"}, SAID]}, "holds what is not text"),
        ({"text": "Hi"}, "no column that is understood .the columns text"),
    ],
)
def test_a_bad_row_says_where_and_why(row: dict[str, Any], complaint: str) -> None:
    made = to_conversation("here, row 1", row)
    assert isinstance(made, BadRow)
    assert str(made).startswith("here, row 1: ")
    with pytest.raises(AssertionError, match=complaint):
        raise AssertionError(str(made))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["role", "content", "tool_calls", "function", "name", "arguments", "from", "value", "text"]
            ),
            inner | st.sampled_from(["user", "assistant", "gpt"]),
            max_size=4,
        )
    ),
    max_leaves=12,
)
COLUMNS = ["messages", "prompt", "completion", "conversations", "instruction", "output", "input", "history", "system"]


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from([*COLUMNS, "tools"]), JSON, max_size=4))
def test_no_row_of_json_does_worse_than_be_a_bad_row(row: dict[str, Any]) -> None:
    made = to_conversation("here", row)
    if isinstance(made, Conversation):
        assert made.messages[-1]["role"] == "assistant"
        assert all(isinstance(turn.get("content", ""), str) for turn in made.messages)
        assert all(isinstance(tool, dict) for tool in made.tools)


def test_a_folder_is_read_file_by_file_and_a_broken_line_is_a_bad_row(tmp_path: Path) -> None:
    _lines(tmp_path / "a.jsonl", {"messages": [ASKED, SAID]}, "{broken", "[1]", "", {"messages": [ASKED, SAID]})
    (tmp_path / "b.json").write_text(json.dumps([{"messages": [ASKED, SAID]}]))
    pq.write_table(pa.Table.from_pylist([{"messages": [ASKED, SAID]}] * 2), tmp_path / "c.parquet")
    (tmp_path / "d.parquet").write_bytes(b"PAR1 and no more")
    (tmp_path / "readme.txt").write_text("no rows")
    made = list(read_conversations(tmp_path))
    bad = [row for row in made if isinstance(row, BadRow)]
    good = [row.where for row in made if isinstance(row, Conversation)]
    assert good == ["a.jsonl, line 1", "a.jsonl, line 5", "b.json, row 1", "c.parquet, row 1", "c.parquet, row 2"]
    assert [(row.where, row.reason) for row in bad] == [
        ("a.jsonl, line 2", "unreadable"),
        ("a.jsonl, line 3", "unreadable"),
        ("d.parquet, after row 0", "unreadable"),
    ]
    assert len(list(read_conversations(tmp_path, limit=3))) == 3


def test_what_a_columnar_file_fills_in_is_no_part_of_a_call(tmp_path: Path) -> None:
    calls = [{"function": {"name": "add", "arguments": {"a": 1}}}, {"function": {"name": "say", "arguments": {"b": 2}}}]
    rows = [{"messages": [ASKED, {"role": "assistant", "content": None, "tool_calls": calls}]}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    (made,) = read_conversations(tmp_path / "a.parquet")
    assert isinstance(made, Conversation)
    told = made.messages[1]["tool_calls"]
    assert [call["function"]["arguments"] for call in told] == [{"a": 1}, {"b": 2}]


def test_a_dataset_of_the_hub_is_streamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    _lines(tmp_path / "mine" / "train.jsonl", {"messages": [ASKED, SAID]}, {"messages": [ASKED, SAID]})
    made = list(read_conversations("hf:mine", limit=1))
    assert made == [Conversation((ASKED, SAID), (), "hf:mine, row 1")]


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("nothing", "there is no .*nothing: give a run's directory, a file, a folder or hf:NAME"),
        ("data.csv", r"data.csv cannot be read as rows: give a file that ends in .jsonl, .json, .parquet"),
        ("empty", "empty holds no file that ends in .*, and no run"),
        ("unpublished", "unpublished holds no published pairs; run `agentinstruct generate` first"),
    ],
)
def test_where_there_is_nothing_to_read_it_says_so_at_once(tmp_path: Path, name: str, complaint: str) -> None:
    (tmp_path / "data.csv").write_text("a,b\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "unpublished").mkdir()
    (tmp_path / "unpublished" / "journal.sqlite").touch()
    with pytest.raises(ConfigurationError, match=complaint):
        read_rows(tmp_path / name)


def test_columns_that_no_row_is_understood_by_are_named_with_those_that_are(tmp_path: Path) -> None:
    path = _lines(tmp_path / "a.jsonl", *[{"question": "Hi", "reply": "Ho"}] * 3)
    complaint = (
        r"a.jsonl: a.jsonl, line 1 has the columns question, reply; understood are messages \| prompt, completion"
    )
    with pytest.raises(ConfigurationError, match=complaint):
        list(read_conversations(path))
    _lines(path, {"question": "Hi"}, {"messages": [ASKED, SAID]})
    assert [type(row) for row in read_conversations(path)] == [BadRow, Conversation]


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    def peak(rows: int) -> int:
        path = tmp_path / "a.jsonl"
        line = json.dumps({"messages": [{"role": "user", "content": "a" * 2000}, SAID]})
        _lines(path, *[line] * rows)
        tracemalloc.start()
        assert sum(1 for _ in _only_good(read_conversations(path))) == rows
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(10)
    assert peak(4000) < peak(400) + 200_000


def _only_good(rows: Iterator[Conversation | BadRow]) -> Iterator[Conversation]:
    for row in rows:
        assert isinstance(row, Conversation)
        yield row
