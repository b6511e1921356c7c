"""Published forms of maths benchmarks, each in a small sample of our own; what no form fits is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agentinstruct.errors import ConfigurationError
from agentinstruct.evaluation.benchmarks import read_benchmark, read_benchmarks

pytestmark = pytest.mark.slow

GSM8K = {"question": "Ana has 3 boxes of 4 pens. How many pens?", "answer": "3*4 = <<3*4=12>>12 pens.\n#### 12"}
SVAMP = {
    "ID": "chal-1",
    "Body": "Ben had 9 shells.",
    "Question": "He lost 4. How many are left?",
    "Equation": "( 9.0 - 4.0 )",
    "Answer": 5.0,
    "Type": "Subtraction",
}
ASDIV = {"body": "Two hens lay 6 eggs.", "question": "How many a hen?", "answer": "3 (eggs)", "formula": "6/2=3"}
MAWPS = {
    "iIndex": 1,
    "sQuestion": " Cy reads 7 pages and 8 more. How many? ",
    "lEquations": ["X=7+8"],
    "lSolutions": [15.0],
}
DMATH = {
    "category": "Geometry",
    "question_ko": "…",
    "question_en": "A tape of 29 is halved. How long?",
    "answer_ko": "14.5",
}
DMATH["answer_en"] = "14.5"
MATH = {
    "problem": "What is $1/2+1/3$?",
    "level": "Level 1",
    "type": "Algebra",
    "solution": "It is $\\boxed{\\frac{5}{6}}$.",
}


@pytest.mark.parametrize(
    ("row", "question", "answer"),
    [
        (GSM8K, "Ana has 3 boxes of 4 pens. How many pens?", "12"),
        (SVAMP, "Ben had 9 shells. He lost 4. How many are left?", "5"),
        ({**SVAMP, "question_concat": "other"}, "Ben had 9 shells. He lost 4. How many are left?", "5"),
        (ASDIV, "Two hens lay 6 eggs. How many a hen?", "3"),
        (MAWPS, "Cy reads 7 pages and 8 more. How many?", "15"),
        (DMATH, "A tape of 29 is halved. How long?", "14.5"),
        (MATH, "What is $1/2+1/3$?", "\\frac{5}{6}"),
        ({**MATH, "answer": "\\frac{5}{6}"}, "What is $1/2+1/3$?", "\\frac{5}{6}"),
        ({"question": "1+1?", "final_ans": "2"}, "1+1?", "2"),
        ({"question": "1+1?", "answer": 2}, "1+1?", "2"),
        ({"question": "Where is (3, 4)?", "answer": "(3, 4)"}, "Where is (3, 4)?", "(3, 4)"),
    ],
)
def test_every_published_form_gives_the_question_and_the_answer_alone(
    row: dict[str, Any], question: str, answer: str, tmp_path: Path
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    (item,) = read_benchmark(f"some={path}").items
    assert (item.question, item.answer) == (question, answer)
    assert item.where == f"{path}, row 1"


def test_the_same_rows_are_read_from_every_kind_of_file(tmp_path: Path) -> None:
    rows = [{"question": f"{number} and 1?", "answer": str(number + 1)} for number in range(3)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "a.json").write_text(json.dumps(rows))
    (tmp_path / "b.json").write_text(json.dumps({str(number): row for number, row in enumerate(rows)}))
    (tmp_path / "a.csv").write_text(
        "question,answer\n" + "".join(f"{row['question']},{row['answer']}\n" for row in rows)
    )
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    (tmp_path / "a.xml").write_text(
        "<M><ProblemSet>"
        + "".join(
            f"<Problem ID='x'><Question>{row['question']}</Question><Answer>{row['answer']}</Answer></Problem>"
            for row in rows
        )
        + "</ProblemSet></M>"
    )
    held = [
        [(item.question, item.answer) for item in read_benchmark(f"x={tmp_path / name}").items]
        for name in ("a.jsonl", "a.json", "b.json", "a.csv", "a.parquet", "a.xml")
    ]
    assert len(held[0]) == 3
    assert all(each == held[0] for each in held)


def test_a_dataset_by_name_is_read_with_its_split(tmp_path: Path) -> None:
    (tmp_path / "validation.jsonl").write_text(json.dumps(GSM8K) + "\n")
    benchmark = read_benchmark(f"gsm8k=hf:{tmp_path}::validation")
    assert [item.answer for item in benchmark.items] == ["12"]


def test_a_limit_takes_the_first_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"question": str(number), "answer": "1"}) + "\n" for number in range(9)))
    assert [item.question for item in read_benchmark(f"x={path}", limit=4).items] == ["0", "1", "2", "3"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"prompt": "1+1?", "target": "2"}', "columns prompt, target; known are body and question and answer"),
        ('{"question": "", "answer": "2"}', "row 1: has no text in question"),
        ('{"question": 7, "answer": "2"}', "row 1: has no text in question"),
        ('{"question": "1+1?", "answer": "  "}', "row 1: no answer can be read in 'answer'"),
        ('{"question": "1+1?", "answer": true}', "no answer can be read"),
        ('{"question": "1+1?", "answer": [1, 2]}', "no answer can be read"),
        ('{"question": "1+1?", "answer": NaN}', "no answer can be read"),
        ('{"problem": "1+1?", "solution": "none of it"}', "no answer can be read in 'solution'"),
        ("[1, 2]", "row 1: is no JSON object but a list"),
        ("{broken", "row 1: is broken JSON"),
        ("", "holds no rows"),
    ],
)
def test_a_row_that_is_none_is_named_and_never_left_out(text: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"rows\.jsonl") as raised:
        read_benchmark(f"x={path}")
    assert told in str(raised.value)


def test_hostile_xml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.xml"
    path.write_text('<!DOCTYPE x [<!ENTITY a "aaaa">]><M><Problem><Question>&a;</Question></Problem></M>')
    with pytest.raises(ConfigurationError, match="declares entities"):
        read_benchmark(f"x={path}")


@pytest.mark.parametrize("given", ["rows.jsonl", "=rows.jsonl", "a/b=rows.jsonl", "x=", "../x=rows.jsonl", ".x=a"])
def test_a_benchmark_needs_a_plain_name(given: str) -> None:
    with pytest.raises(ConfigurationError, match="NAME=FILE"):
        read_benchmark(given)


def test_a_file_that_is_not_there_or_of_no_known_kind_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no file 'nowhere\.jsonl'"):
        read_benchmark("x=nowhere.jsonl")
    (tmp_path / "a.xlsx").write_text("x")
    with pytest.raises(ConfigurationError, match="convert it to JSON Lines"):
        read_benchmark(f"x={tmp_path / 'a.xlsx'}")


def test_two_benchmarks_of_one_name_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(GSM8K) + "\n")
    with pytest.raises(ConfigurationError, match="two benchmarks are called 'x'"):
        read_benchmarks([f"x={path}", f"x={path}"])
    with pytest.raises(ConfigurationError, match="no benchmark was given"):
        read_benchmarks([])
