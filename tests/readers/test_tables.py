"""Files of rows and `datasets` names: which column is the text, what becomes of answers, and what of broken rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentinstruct.errors import SeedError
from agentinstruct.readers import Unreadable
from agentinstruct.readers.rows import plain_number

from .conftest import PASSAGE, Read

PROBLEM = "Natalia sold 48 clips in April and half as many in May; how many did she sell altogether?"


def write_rows(path: Path, rows: list[Any]) -> Path:
    if path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=2)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows))
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        mark = "\t" if path.suffix == ".tsv" else ","
        lines = [rows[0].keys(), *(row.values() for row in rows)]
        path.write_text("".join(mark.join(f'"{cell}"' for cell in line) + "\n" for line in lines))
    return path


@pytest.mark.parametrize("ending", [".jsonl", ".json", ".csv", ".tsv", ".parquet"])
def test_rows_keep_the_facts_their_columns_state(tmp_path: Path, read: Read, ending: str) -> None:
    row = {"id": "007", "text": PASSAGE, "license": "CC0-1.0", "url": "https://example.org/salt", "title": "Salt"}
    other = {"id": "008", "text": PASSAGE.upper(), "license": "", "url": "", "title": ""}
    path = write_rows(tmp_path / f"rows{ending}", [row, other, {**row, "id": "9", "text": PASSAGE.lower()}])
    seeds, skipped = read(path, license="MIT")
    assert not skipped
    assert [seed.id for seed in seeds] == ["007", "008", "9"]
    assert (seeds[0].text, seeds[0].license, seeds[0].source) == (PASSAGE, "CC0-1.0", "https://example.org/salt")
    assert seeds[0].meta["title"] == "Salt"
    line = 3 if ending in (".csv", ".tsv") else 2
    assert (seeds[1].license, seeds[1].source) == ("MIT", f"{path.as_posix()}:{line}")


@pytest.mark.parametrize("ending", [".jsonl", ".json", ".csv", ".parquet"])
def test_a_problem_with_an_answer_is_a_math_seed(tmp_path: Path, read: Read, ending: str) -> None:
    rows = [
        {"question": PROBLEM, "answer": "48/2 = <<48/2=24>>24 in May.\n#### 1,072"},
        {"question": PROBLEM.upper(), "answer": "nobody knows"},
    ]
    [seed], [skipped] = read(write_rows(tmp_path / f"rows{ending}", rows))
    assert (seed.kind, seed.text, seed.meta["answer"]) == ("math", PROBLEM, "1072")
    assert "has no number for an answer: 'nobody knows'" in skipped.reason


def test_a_story_kept_apart_from_its_question_is_put_before_it(tmp_path: Path, read: Read) -> None:
    row = {"Body": "Dan has 9 apples and eats 2.", "Question": "How many are left?", "Answer": 7.0}
    [seed], _ = read(write_rows(tmp_path / "rows.jsonl", [row]))
    assert (seed.text, seed.meta["answer"]) == ("Dan has 9 apples and eats 2. How many are left?", "7")


def test_columns_can_be_named(tmp_path: Path, read: Read) -> None:
    path = write_rows(tmp_path / "rows.csv", [{"text": PASSAGE, "task": PROBLEM, "key": "$72."}])
    [seed], _ = read(path, text_column="task", answer_column="key")
    assert (seed.kind, seed.text, seed.meta["answer"]) == ("math", PROBLEM, "72")


def test_a_named_table_without_a_text_column_is_an_error_that_lists_its_columns(tmp_path: Path, read: Read) -> None:
    path = write_rows(tmp_path / "rows.csv", [{"carat": "1", "cut": "ideal"}])
    with pytest.raises(SeedError, match=r"rows\.csv has no column known to hold text; it has carat, cut"):
        read(path)
    with pytest.raises(SeedError, match="has no column 'body'; it has carat, cut"):
        read(path, text_column="body")


def test_a_table_without_a_text_column_found_in_a_folder_is_skipped_once(tmp_path: Path, read: Read) -> None:
    write_rows(tmp_path / "rows.csv", [{"carat": "1", "cut": "ideal"}] * 5)
    seeds, [skipped] = read(tmp_path)
    assert not seeds
    assert "it has carat, cut" in skipped.reason


def test_a_broken_line_is_named_with_its_number_and_the_others_are_read(tmp_path: Path, read: Read) -> None:
    good = [json.dumps({"text": f"{PASSAGE} It was day {number}."}).encode() for number in range(3)]
    bad = [b'{"text": "cut', b"[1, 2]", b'{"text": "\xff\xfe\x00"}', b'{"text": 5}', b'{"text": ' + b"[" * 99_999]
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\n".join([good[0], *bad, good[1], b"", good[2]]))
    seeds, skipped = read(path)
    assert len(seeds) == 3
    assert [item.source.rpartition(":")[2] for item in skipped] == ["2", "3", "4", "5", "6"]
    assert "is broken JSON" in skipped[0].reason


def test_a_row_of_blanks_is_skipped_and_the_next_is_read(tmp_path: Path, read: Read) -> None:
    path = write_rows(tmp_path / "rows.jsonl", [{"text": " \n "}, {"text": ""}, {"text": PASSAGE}])
    [seed], skipped = read(path)
    assert seed.source == f"{path.as_posix()}:3"
    assert [item.reason for item in skipped] == ["is empty", "has no 'text'"]


def test_an_unclosed_quote_ends_a_csv_file_with_its_line(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f'text\n"{PASSAGE}"\n"' + "x" * 20_000_100)
    seeds, [skipped] = read(path)
    assert len(seeds) == 1
    assert str(skipped).startswith(f"{path.as_posix()}:3: is no CSV from here on")


def test_an_id_used_for_another_text_is_refused_and_both_places_are_named(tmp_path: Path, read: Read) -> None:
    rows = [{"id": "a", "text": PASSAGE}, {"id": "a", "text": PASSAGE.upper()}, {"id": "b", "text": PASSAGE}]
    path = write_rows(tmp_path / "rows.jsonl", rows)
    [seed], [taken, copy] = read(path)
    assert seed.text == PASSAGE
    assert str(taken) == f"{path.as_posix()}:2: has the id 'a', which already stands for {path.as_posix()}:1"
    assert str(copy) == f"{path.as_posix()}:3: has the same text as {path.as_posix()}:1"


def test_the_pieces_of_a_long_row_have_ids_that_do_not_change_when_it_grows(tmp_path: Path, read: Read) -> None:
    paragraphs = [f"{PASSAGE} So it was on day {number}." for number in range(6)]
    path = write_rows(tmp_path / "rows.jsonl", [{"id": "a", "text": "\n\n".join(paragraphs)}])
    seeds, _ = read(path, seed_tokens=100)
    assert [seed.id for seed in seeds] == ["a", "a/2", "a/3", "a/4", "a/5", "a/6"]


def test_a_lone_surrogate_does_not_reach_a_seed(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "\\ud800 ' + PASSAGE + '", "title": "\\udfff"}\n')
    [seed], _ = read(path)
    seed.model_dump_json().encode("utf-8")
    assert "�" in seed.text


def test_a_local_dataset_is_streamed_with_its_split_and_row(
    tmp_path: Path, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "set").mkdir()
    write_rows(tmp_path / "set" / "test.parquet", [{"question": PROBLEM, "answer": "72"}])
    [seed], _ = read(f"hf:{tmp_path / 'set'}", split="test")
    assert (seed.kind, seed.meta["answer"]) == ("math", "72")
    assert seed.source == f"hf:{tmp_path / 'set'}[test]:1"
    with pytest.raises(SeedError, match="cannot be opened"):
        read(f"hf:{tmp_path / 'set'}", split="nowhere")


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        ("#### 72", "72"),
        ("so #### -1,234.50", "-1234.5"),
        (r"thus \boxed{\frac{3}{4}}", "3/4"),
        (r"first \boxed{1}, then \boxed{x = 2{,}500}", "2500"),
        ("$18.00", "18"),
        ("9 (apples)", "9"),
        ("50%", "50"),
        (".5", "0.5"),
        (7, "7"),
        (1e21, "1000000000000000000000"),
        ("-0", "0"),
    ],
)
def test_an_answer_is_brought_to_a_plain_number(answer: object, number: str) -> None:
    assert plain_number(answer) == number


@pytest.mark.parametrize("answer", ["", None, True, "3 and 4", "B", "1/0", "12:30", float("nan"), [3], "x" * 10_000])
def test_what_is_no_single_number_is_no_answer(answer: object) -> None:
    with pytest.raises(Unreadable):
        plain_number(answer)


@given(st.integers(-(10**12), 10**12))
def test_thousands_separators_do_not_change_a_number(value: int) -> None:
    assert plain_number(f"#### {value:,}") == str(value)


@given(st.text(max_size=60))
def test_any_answer_gives_a_number_or_the_one_error(text: str) -> None:
    try:
        number = plain_number(text)
    except Unreadable:
        return
    assert set(number) <= set("-0123456789./")
