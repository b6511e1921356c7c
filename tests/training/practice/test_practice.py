"""Practice ends with the same data and student however often it is killed, and asks nothing twice."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from agentinstruct.dataset.attempts import Problem
from agentinstruct.errors import ConfigurationError, RunLocked
from agentinstruct.training.fit.folder import held
from agentinstruct.training.practice.loop import practise
from agentinstruct.training.settings import PracticeSettings
from tests.training import practising
from tests.training.practising import PROBLEMS, ROUNDS, VALIDATION, capabilities, made_student

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]


def _told(out: Path) -> dict[str, Any]:
    """Return what every file of a practice says, but for the time it took."""
    told: dict[str, Any] = {}
    for path in sorted(out.rglob("*.json*")):
        if path.name == "times.jsonl":
            continue
        text = path.read_text()
        if path.name in ("metrics.json", "practice.jsonl"):
            lines = [text] if path.suffix == ".json" else text.splitlines()
            told[str(path.relative_to(out))] = [{**json.loads(line), "seconds": None} for line in lines]
        else:
            told[str(path.relative_to(out))] = text
    return told


def test_practice_killed_again_and_again_ends_as_an_unbroken_one_and_asks_nothing_twice(tmp_path: Path) -> None:
    student = made_student(tmp_path / "student", 0.4)
    practising.run(tmp_path / "whole", student, tmp_path / "whole.log")
    places = [4, 5, 6, 7, 8, 9, 11, 13, 17, 25]
    words = [sys.executable, "-m", "tests.training.practising", str(tmp_path), str(student), *map(str, places)]
    done = subprocess.run(words, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    kills = [int(line) for line in done.stdout.split()]
    assert kills[0] > 10 and kills[-1] >= 1, kills
    for place in places:
        assert _told(tmp_path / f"cut-{place}") == _told(tmp_path / "whole")
        asked = Counter((tmp_path / f"cut-{place}.log").read_text().splitlines())
        assert asked == Counter((tmp_path / "whole.log").read_text().splitlines()), "something was asked twice"


def test_the_accounts_add_up(tmp_path: Path) -> None:
    student = made_student(tmp_path / "student", 0.4)
    done = practising.run(tmp_path / "out", student, tmp_path / "log")
    start, first, second = done.rounds
    assert [each["round"] for each in done.rounds] == [0, 1, 2]
    assert start["validation"] is not None and second["from"] == "round-1/model/student"
    assert first["problems"] == 10 and first["replies"] == 30
    assert 0 < first["pass_at_1"] < first["pass_at_3"] <= 1
    assert first["always_right"] + first["never_right"] < 1
    assert first["judged_by_teacher"] > 0 and first["unreadable"] == 0
    rows = [json.loads(line) for line in (tmp_path / "out/round-1/pairs.jsonl").read_text().splitlines()]
    assert first["rows"] == len(rows) == first["tokens"]["trained"]
    assert first["synthetic"] == sum(row["kind"] == "synthetic" for row in rows)
    assert first["tokens"]["read"] == 70
    assert first["operations"]["sampling"] == 2 * 100 * (70 + first["tokens"]["written"])
    assert first["operations"]["training"] == 8 * 100 * len(rows)
    assert set(first["seconds"]) == {"samples", "judging", "training", "validation"}
    lines = (tmp_path / "out/practice.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == list(done.rounds)


def test_each_round_takes_fresh_problems_as_long_as_they_last(tmp_path: Path) -> None:
    student = made_student(tmp_path / "student", 0.4)
    plan = [ROUNDS[0].model_copy(update={"rounds": 3})]
    practise(student, PROBLEMS, plan, tmp_path / "out", capabilities(tmp_path / "log"), say=lambda _: None)
    taken = [_asked(tmp_path / "out" / f"round-{number}") for number in (1, 2, 3)]
    assert [len(each) for each in taken] == [10, 10, 10]
    assert not taken[0] & taken[1]
    assert taken[0] | taken[1] | taken[2] == {problem.id for problem in PROBLEMS}


def _asked(folder: Path) -> set[str]:
    lines = (folder / "samples.jsonl").read_text().splitlines()
    return {problem for line in lines for problem in json.loads(line)["row"]["problems"]}


def test_a_round_that_makes_the_student_worse_is_passed_over(tmp_path: Path) -> None:
    student = made_student(tmp_path / "student", 0.9)
    can = capabilities(tmp_path / "log", better=-2.0)
    done = practise(student, PROBLEMS, ROUNDS, tmp_path / "out", can, validation=VALIDATION, say=lambda _: None)
    assert done.student == student
    assert [each["from"] for each in done.rounds[1:]] == [str(student)] * 2
    again = practise(student, PROBLEMS, ROUNDS, tmp_path / "out", can, validation=VALIDATION, say=lambda _: None)
    assert again == done


def test_without_a_teacher_what_cannot_be_read_is_wrong_and_counted(tmp_path: Path) -> None:
    student = made_student(tmp_path / "student", 0.4)
    can = capabilities(tmp_path / "log", judge=False)
    first, _ = practise(student, PROBLEMS, ROUNDS, tmp_path / "out", can, say=lambda _: None).rounds
    assert first["unreadable"] > 0 and first["judged_by_teacher"] == 0
    rows = [json.loads(line) for line in (tmp_path / "out/round-1/pairs.jsonl").read_text().splitlines()]
    reasons = {row["rejected"]: row["reason"] for row in rows}
    assert reasons["It is between 3 and 4."] == "no answer could be read"
    assert any(reason.startswith("answered ") for reason in reasons.values())


def test_a_reply_that_was_cut_short_is_wrong_whatever_number_it_ends_in(tmp_path: Path) -> None:
    student = made_student(tmp_path / "student", 0.0)
    can = capabilities(tmp_path / "log")
    plan = [ROUNDS[0].model_copy(update={"samples": 40, "rounds": 1})]
    (first,) = practise(student, PROBLEMS, plan, tmp_path / "out", can, say=lambda _: None).rounds
    assert 0 < first["cut_short"] < 0.2


@pytest.mark.parametrize(
    ("change", "kind"),
    [({"method": "kto"}, "labelled"), ({"imitate": True}, "turns"), ({"positives": "student"}, "own")],
)
def test_what_is_learnt_is_what_the_settings_ask_for(tmp_path: Path, change: dict[str, Any], kind: str) -> None:
    student = made_student(tmp_path / "student", 0.5)
    plan = [ROUNDS[0].model_copy(update={**change, "rounds": 1})]
    practise(student, PROBLEMS, plan, tmp_path / "out", capabilities(tmp_path / "log"), say=lambda _: None)
    rows = [json.loads(line) for line in (tmp_path / "out/round-1/pairs.jsonl").read_text().splitlines()]
    match kind:
        case "labelled":
            assert {row["label"] for row in rows} == {True, False}
        case "turns":
            assert all(row["messages"][-1]["role"] == "assistant" for row in rows)
        case _:
            solutions = {problem.solution for problem in PROBLEMS}
            assert rows and not {row["chosen"] for row in rows} & solutions


def test_a_call_that_asks_otherwise_is_refused_with_what_differs(tmp_path: Path) -> None:
    student = made_student(tmp_path / "student", 0.4)
    can = capabilities(tmp_path / "log")

    def again(*, problems: list[Problem] = PROBLEMS, plan: list[PracticeSettings] = ROUNDS, seed: int = 0) -> None:
        practise(student, problems, plan, tmp_path / "out", can, run_seed=seed, say=lambda _: None)

    again()
    again()
    with pytest.raises(ConfigurationError, match="run_seed was 0 and is 1"):
        again(seed=1)
    with pytest.raises(ConfigurationError, match="problems was"):
        again(problems=PROBLEMS[1:])
    with pytest.raises(ConfigurationError, match="rounds was"):
        again(plan=[*ROUNDS, *ROUNDS])
    made_student(tmp_path / "student", 0.5)
    with pytest.raises(ConfigurationError, match="student was"):
        again()


def test_a_second_process_is_kept_out(tmp_path: Path) -> None:
    student = made_student(tmp_path / "student", 0.4)
    with held(tmp_path / "out"), pytest.raises(RunLocked, match="out"):
        practising.run(tmp_path / "out", student, tmp_path / "log")


def test_problems_that_are_practised_cannot_be_validated_on(tmp_path: Path) -> None:
    student = made_student(tmp_path / "student", 0.4)
    can = capabilities(tmp_path / "log")
    with pytest.raises(ConfigurationError, match="1 problems are to be practised on and validated on"):
        practise(student, PROBLEMS, ROUNDS, tmp_path / "out", can, validation=PROBLEMS[:1], say=lambda _: None)


def test_a_round_that_leaves_nothing_to_learn_says_so(tmp_path: Path) -> None:
    student = made_student(tmp_path / "student", 1.0)
    with pytest.raises(ConfigurationError, match="round 1 leaves nothing to learn"):
        practising.run(tmp_path / "out", student, tmp_path / "log")
