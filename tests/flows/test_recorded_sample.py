"""The shipped flows on the sample seeds, with the recorded replies of a strong model: what they make and drop."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from agentinstruct import Summary, generate
from agentinstruct.flow.library import find_flow
from agentinstruct.paths import SEEDS
from agentinstruct.teacher.recorded import recording_path
from agentinstruct.verify import same_number
from tests.engine import pairs_of, rejected_of

FLOWS = ["reading_comprehension", "math_word_problems"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Summary, Path]:
    run = tmp_path_factory.mktemp("runs") / "sample"
    return generate([SEEDS / "sample"], FLOWS, run, teacher="recorded:sample"), run


@pytest.fixture(scope="module")
def pairs(made: tuple[Summary, Path]) -> list[dict[str, Any]]:
    return pairs_of(made[1])


def test_the_recording_answers_every_question_about_the_sample(made: tuple[Summary, Path]) -> None:
    summary, _ = made
    assert (summary.done, summary.failed, summary.pending) == (summary.items, 0, 0)
    recorded = recording_path("recorded:sample").read_text(encoding="utf-8").splitlines()
    assert summary.calls == len(recorded) - 1, "it holds answers to questions that nobody asks any more"
    assert summary.pairs >= 60
    assert summary.dollars == 0


def test_every_transformation_and_every_goal_is_among_the_pairs(pairs: list[dict[str, Any]]) -> None:
    reading = [row for row in pairs if row["lineage"]["flow"] == "reading_comprehension"]
    transformations = {row["lineage"]["transformation"] for row in reading}
    assert transformations == {*find_flow("reading_comprehension").prompts.matching("transform/*"), "identity"}
    goals = Counter(row["lineage"]["goal"] for row in reading)
    assert {goal for goal in goals if goal} == {"harder", "change_answer", "unanswerable"}
    assert {row["declined"] for row in reading if row["lineage"]["goal"] == "unanswerable"} == {True}
    assert {row["type"] for row in pairs if row["lineage"]["flow"] == "math_word_problems"} == {
        "seed_problem",
        "ask_me_anything",
        "suggester_editor",
    }


def test_every_pair_passed_a_check_and_every_quotation_stands_in_its_passage(pairs: list[dict[str, Any]]) -> None:
    for row in pairs:
        assert row["verdicts"], row["id"]
        for words in row["evidence"]:
            assert " ".join(words.split()) in " ".join(row["messages"][0]["content"].split()), row["id"]


def test_a_word_problems_known_answer_is_the_one_given(pairs: list[dict[str, Any]]) -> None:
    lines = (SEEDS / "sample" / "word_problems.jsonl").read_text(encoding="utf-8").splitlines()
    answers = {row["id"]: row["answer"] for row in map(json.loads, lines)}
    told = [row for row in pairs if row["type"] == "seed_problem"]
    assert len(told) == len(answers)
    for row in told:
        assert same_number(row["final_answer"], answers[row["lineage"]["seed_id"]])


def test_declines_repairs_and_judgements_were_recorded_too(made: tuple[Summary, Path]) -> None:
    reasons = {(row["stage"], row["reason"]) for row in rejected_of(made[1])}
    assert {("transform", "irrelevant"), ("instruct", "irrelevant"), ("refine", "irrelevant")} <= reasons
    assert {("verify", "judge"), ("instruct", "unsuitable_number")} <= reasons
    answers = [json.loads(line) for line in recording_path("recorded:sample").read_text("utf-8").splitlines()[1:]]
    assert {"judge", "second_solver", "statement_writer", "number_hider"} <= {answer["agent"] for answer in answers}
    written = Counter((answer["seed"], answer["branch"]) for answer in answers if answer["agent"] == "question_writer")
    assert 2 in written.values(), "no reply was repaired"
