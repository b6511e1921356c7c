"""Orca-Bench: what is held out never trains, judges are asked both ways round, and figures are clustered by seed."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from agentinstruct import Seed, generate
from agentinstruct.dataset.parquet import read_pairs
from agentinstruct.errors import AgentInstructError, ConfigurationError
from agentinstruct.evaluation import orca_report
from agentinstruct.evaluation.orca_bench import BenchItem, build_orca_bench, read_bench, write_bench, write_training
from agentinstruct.evaluation.orca_judging import Judged, compare, judge_replies
from agentinstruct.teacher.options import TeacherOptions
from tests.engine import Question, Teacher, write_flow

pytestmark = pytest.mark.slow

PAIRS = '''
from agentinstruct import Pair
from agentinstruct.flow import flow
from agentinstruct.records import Message

@flow(skill="{skill}", kinds=("text",))
async def made(seed, ask):
    """Pairs of a seed, as many as its text says; the last of a seed has two exchanges."""
    for number in range({pairs}):
        yield Pair.of(f"{skill} {{seed.text}} {{number}}?", f"Answer to {{seed.text}} {{number}}.")
    roles = ["user", "assistant", "user", "assistant"]
    turns = [Message(role=role, content=f"{skill} {{seed.text}} turn {{place}}") for place, role in enumerate(roles)]
    yield Pair(messages=tuple(turns))
'''


def made_run(folder: Path, *, skills: dict[str, int], seeds: int, tag: str = "seed") -> Path:
    """A run of `seeds` seeds with so many one-turn pairs a seed and skill, and one of two exchanges."""
    flows = [
        write_flow(folder / "flows" / skill.lower(), {"flow.py": PAIRS.format(skill=skill, pairs=pairs)})
        for skill, pairs in skills.items()
    ]
    texts = [Seed.of(f"{tag} number {number}", license="CC0-1.0") for number in range(seeds)]
    generate(texts, flows, folder / "run")
    return folder / "run"


def test_nothing_of_a_held_out_seed_is_left_for_training(tmp_path: Path) -> None:
    run = made_run(tmp_path, skills={"Reading": 3, "Sums": 1}, seeds=60)
    bench = build_orca_bench([run], per_skill=20)
    assert Counter(item.skill for item in bench.items) == {"Reading": 20, "Sums": 20}
    trained = [row for row in read_pairs(run) if bench.trains(row)]
    assert trained
    assert not {row["lineage"]["seed_id"] for row in trained} & bench.seed_ids
    assert {item.seed_id for item in bench.items} <= bench.seed_ids
    assert not {row["id"] for row in trained} & {item.id for item in bench.items}
    share = bench.skills["Reading"]
    assert (share.pairs, share.left) == (240, sum(row["skill"] == "Reading" for row in trained))
    assert share.unfit == len(bench.seed_ids)


def test_a_question_of_the_bench_is_kept_from_training_whichever_seed_asks_it(tmp_path: Path) -> None:
    first = made_run(tmp_path / "a", skills={"Sums": 1}, seeds=40)
    bench = build_orca_bench([first], per_skill=10)
    asked = bench.items[0].prompt
    row = next(row for row in read_pairs(first) if bench.trains(row))
    assert not bench.trains({**row, "messages": [{"role": "user", "content": asked.upper() + "  "}]})


def test_the_bench_is_the_same_whatever_the_order_of_runs_and_another_for_another_seed(tmp_path: Path) -> None:
    one = made_run(tmp_path / "a", skills={"Reading": 2}, seeds=30)
    two = made_run(tmp_path / "b", skills={"Sums": 2}, seeds=30, tag="other")
    bench = build_orca_bench([one, two], per_skill=15)
    assert build_orca_bench([two, one], per_skill=15) == bench
    assert build_orca_bench([one, two], per_skill=15, seed=1).seed_ids != bench.seed_ids


def test_a_seed_is_held_out_of_every_run_that_used_it(tmp_path: Path) -> None:
    one = made_run(tmp_path / "a", skills={"Reading": 1}, seeds=30)
    two = made_run(tmp_path / "b", skills={"Sums": 1}, seeds=30)
    bench = build_orca_bench([one, two], per_skill=5)
    for run in (one, two):
        assert not {row["lineage"]["seed_id"] for row in read_pairs(run) if bench.trains(row)} & bench.seed_ids


def test_a_skill_with_too_few_pairs_says_so_and_is_still_taught(tmp_path: Path) -> None:
    run = made_run(tmp_path, skills={"Reading": 1}, seeds=12)
    bench = build_orca_bench([run])
    assert bench.short == {"Reading": 6}
    assert len(bench.items) == 6  # half of those that a text alone asks
    few = build_orca_bench([run], per_skill=4)
    assert few.short == {} and few.skills["Reading"].left == 16


def test_the_files_hold_the_bench_its_seeds_and_what_is_left(tmp_path: Path) -> None:
    run = made_run(tmp_path, skills={"Reading": 1}, seeds=20)
    bench = build_orca_bench([run], per_skill=6)
    beside = write_bench(bench, tmp_path / "bench.jsonl", runs=[run])
    assert read_bench(tmp_path / "bench.jsonl") == bench.items
    held = json.loads(beside.read_text())
    assert held["seed_ids"] == sorted(bench.seed_ids) and held["skills"]["Reading"]["held_out"] == 6
    count = write_training(bench, tmp_path / "train.jsonl", runs=[run])
    rows = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    assert len(rows) == count == bench.skills["Reading"].left
    assert rows[0].keys() == {"id", "messages"}


@pytest.mark.parametrize("line", ["", "{}", "[]", "7", '{"id": 3}', "{broken"])
def test_a_file_that_is_no_bench_is_named_by_line(line: str, tmp_path: Path) -> None:
    path = tmp_path / "bench.jsonl"
    path.write_text(line)
    with pytest.raises(ConfigurationError, match=r"bench\.jsonl"):
        read_bench(path)


def items(count: int, *, seeds: int = 5, skill: str = "Reading") -> list[BenchItem]:
    return [
        BenchItem(
            id=f"{skill}-{number}",
            skill=skill,
            type="plain",
            seed_id=f"seed-{number % seeds}",
            prompt=f"{skill} question {number}?",
            answer=f"reference {number}",
        )
        for number in range(count)
    ]


def judged(item: BenchItem, who: str, first: int, second: int) -> Judged:
    return Judged(item=item, who=who, reply="x", student_first=first, teacher_first=second, reasons=("", ""))


def test_a_score_is_the_mean_of_both_orders_and_their_difference_is_reported() -> None:
    held = items(20)
    found = compare(held, [judged(item, "student", 8, 5) for item in held], with_control=False)
    assert found.student.means.overall.value == pytest.approx(6.5)
    assert found.student.order_effect.value == pytest.approx(3)
    assert found.control is None and found.difference is None


def test_the_difference_is_of_items_that_both_models_had_scored() -> None:
    held = items(10)
    scores = [judged(item, "student", 6, 6) for item in held] + [judged(item, "control", 7, 7) for item in held[:8]]
    found = compare(held, scores, with_control=True)
    assert found.control and found.difference
    assert found.control.unjudged == 2
    assert found.difference.overall.value == pytest.approx(-1)
    assert found.difference.overall.n == 8


def test_the_overall_score_is_the_mean_of_the_skills() -> None:
    many, few = items(30, seeds=30), items(3, seeds=3, skill="Sums")
    scores = [judged(item, "student", 9, 9) for item in many] + [judged(item, "student", 3, 3) for item in few]
    assert compare([*many, *few], scores, with_control=False).student.means.overall.value == pytest.approx(6)


def test_no_score_at_all_is_an_error() -> None:
    with pytest.raises(AgentInstructError, match="no answer of the student could be scored"):
        compare(items(2), [], with_control=False)


def fair(question: Question) -> dict[str, Any]:
    """A judge that gives good answers 9 and others 2, and a point more to what comes first."""
    first, second = question.section("first_answer"), question.section("second_answer")
    scored_first = question.user.rstrip().endswith("Score the first answer.")
    student, reference = (first, second) if scored_first else (second, first)
    assert reference.startswith("reference") and not student.startswith("reference")
    return {"reason": "as told", "score": (8 if "good" in student else 1) + scored_first}


def test_answers_are_judged_in_both_orders_by_a_run_that_asks_nothing_twice(tmp_path: Path) -> None:
    held = items(4, seeds=4)
    replies = {
        "student": {item.prompt: f"good {item.id}" for item in held},
        "control": {item.prompt: f"poor {item.id}" for item in held},
    }
    teacher = Teacher(fair)
    found = judge_replies(held, replies, tmp_path / "judging", judge=TeacherOptions(teacher=teacher))
    assert len(teacher.asked) == 16
    assert found.student.means.overall.value == pytest.approx(8.5)
    assert found.control and found.control.means.overall.value == pytest.approx(1.5)
    assert found.difference and found.difference.overall.value == pytest.approx(7)
    assert found.student.order_effect.value == pytest.approx(1)
    again = Teacher(fair)
    assert judge_replies(held, replies, tmp_path / "judging", judge=TeacherOptions(teacher=again)) == found
    assert again.asked == []


@pytest.mark.parametrize("score", [11, -1, 7.5, "9", None, True])
def test_a_score_that_is_no_whole_number_from_0_to_10_is_never_counted(score: object, tmp_path: Path) -> None:
    def partly(question: Question) -> dict[str, Any]:
        return {"reason": "x", "score": score} if "question 0" in question.user else fair(question)

    held = items(2, seeds=2)
    replies = {"student": {item.prompt: "good" for item in held}}
    found = judge_replies(held, replies, tmp_path / "judging", judge=TeacherOptions(teacher=Teacher(partly)))
    assert [each.item.id for each in found.judged] == ["Reading-1"]
    assert found.student.unjudged == 1


def test_replies_that_differ_in_case_only_or_hold_half_a_character_are_each_judged(tmp_path: Path) -> None:
    held = items(2, seeds=2)
    replies = {
        "student": {item.prompt: "good" for item in held},
        "control": {held[0].prompt: "GOOD", held[1].prompt: "half \ud83d"},
    }
    found = judge_replies(held, replies, tmp_path / "judging", judge=TeacherOptions(teacher=Teacher(fair)))
    assert len(found.judged) == 4


def test_the_report_says_who_judged_how_and_that_the_control_lacks(tmp_path: Path) -> None:
    held = [*items(12, seeds=6), *items(12, seeds=6, skill="<b>$x_|Sums")]
    scores = [judged(item, "student", 8, 5) for item in held]
    (tmp_path / "out").mkdir()
    found = compare(held, scores, with_control=False)
    orca_report.write(tmp_path / "out", found, {"student": {"model": "ours"}, "judge": {"model": "gpt-4"}})
    table = (tmp_path / "out" / "table.md").read_text()
    assert "**No control was given.**" in table
    assert "Order effect, student: +3.00 (+3.00 to +3.00)" in table
    assert "\\<b\\>\\$x\\_\\|Sums" in table and "<b>" not in table
    assert "Overall (mean of skills) | 24 | 6.50" in table
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["settings"]["bootstrap"]["clusters"] == "seed"
    assert results["judge"] == {"model": "gpt-4"}
    assert results["scores"]["student"]["means"]["clusters"] == 6
    assert len((tmp_path / "out" / "answers.jsonl").read_text().splitlines()) == 24


def test_the_report_shows_a_student_that_is_worse_as_worse(tmp_path: Path) -> None:
    held = items(30, seeds=30)
    scores = [judged(item, "student", 4, 4 + number % 2) for number, item in enumerate(held)]
    scores += [judged(item, "control", 8, 8 - number % 2) for number, item in enumerate(held)]
    found = compare(held, scores, with_control=True)
    lines = orca_report.table(found, {"student": {"model": "a"}, "control": {"model": "b"}})
    (line,) = [line for line in lines if line.startswith("| Overall")]
    assert "-3.5" in line and "**worse**" in line
