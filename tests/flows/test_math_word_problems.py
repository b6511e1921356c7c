"""Math word problems with a teacher that answers as told: what is kept when a step fails, and what led where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agentinstruct import Seed, generate
from tests.engine import Question, Reply, Teacher, pairs_of, rejected_of

PROBLEM = Seed.of("Ann has 3 apples and gets 14 more. How many has she?", kind="math", meta={"answer": "17"})
STATEMENT = "Ann has 3 apples and gets 14 more, so she has 17."


def _run(tmp_path: Path, statement: Reply) -> Path:
    def reply(question: Question) -> Reply:
        match question.wanted:
            case "Statement":
                return statement
            case "Problem" if "[[" in question.user:
                hidden = question.user.partition("[[")[2].partition("]]")[0]
                return {"suitable": hidden != "17", "problem": f"Which number was {hidden} hidden in?"}
            case "Suggestions":
                return {"suggestions": []}
            case _:
                numbers = [each for each in ("3 ", "14 ") if f"was {each}" in question.user]
                return _answer((numbers or ["17"])[0].strip())

    generate([PROBLEM], ["math_word_problems"], tmp_path / "run", teacher=Teacher(reply))
    return tmp_path / "run"


def _answer(number: str) -> dict[str, Any]:
    return {"answerable": True, "response": f"It is {number}.", "final_answer": number}


def test_each_suitable_number_is_hidden_and_the_lineage_tells_who_was_asked(tmp_path: Path) -> None:
    run = _run(tmp_path, {"statement": STATEMENT})
    told = {pair["final_answer"]: [asked["agent"] for asked in pair["lineage"]["asked"]] for pair in pairs_of(run)}
    hidden = ["statement_writer", "number_hider", "solver"]
    assert told == {"17": ["solver"], "3": hidden, "14": hidden}
    (unsuitable,) = [row for row in rejected_of(run) if row["reason"] == "unsuitable_number"]
    assert [asked["agent"] for asked in unsuitable["lineage"]["asked"]] == hidden[:2]


@pytest.mark.parametrize(("statement", "reason"), [({"statement": " "}, "irrelevant"), ("no JSON", "malformed_reply")])
def test_a_statement_that_fails_costs_the_hidden_numbers_and_not_the_problem(
    tmp_path: Path, statement: Reply, reason: str
) -> None:
    run = _run(tmp_path, statement)
    assert [pair["type"] for pair in pairs_of(run)] == ["seed_problem"]
    assert reason in {row["reason"] for row in rejected_of(run)}
