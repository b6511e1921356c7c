"""The small experiment: its problems are sound, its splits apart, and the whole of it runs and goes on."""

from __future__ import annotations

import ast
import operator
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from examples.orca_math_small.problems import WordProblem, write_problems
from examples.orca_math_small.report import TOLD, interval

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
SIGNS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


def _worth(node: ast.AST) -> Fraction:
    match node:
        case ast.Expression(body=body):
            return _worth(body)
        case ast.BinOp(left=left, op=sign, right=right):
            worth: Fraction = SIGNS[type(sign)](_worth(left), _worth(right))
            return worth
        case ast.Constant(value=int(number)):
            return Fraction(number)
    raise AssertionError(ast.dump(node))


def _lines(problem: WordProblem) -> list[tuple[str, int]]:
    body, _, answer = problem.solution.partition(" #### ")
    assert int(answer) == problem.answer
    lines = [re.sub(r"^(First|Then) ", "", line.strip()).split(" = ") for line in body.split(" .") if line.strip()]
    return [(expression, int(result)) for expression, result in lines]


def test_each_line_of_a_solution_is_right_and_the_last_is_the_answer() -> None:
    for problem in write_problems(400, "train", 3):
        lines = _lines(problem)
        for expression, result in lines:
            assert _worth(ast.parse(expression, mode="eval")) == result, problem
        assert lines[-1][1] == problem.answer


def test_a_solution_uses_the_numbers_of_the_story_in_their_order() -> None:
    for problem in write_problems(400, "train", 4):
        told = re.findall(r"\d+", problem.question)
        used: list[str] = []
        before = ""
        for expression, result in _lines(problem):
            numbers = re.findall(r"\d+", expression)
            assert numbers[0] == before or not before
            used += numbers[1:] if before else numbers
            before = str(result)
        remaining = iter(told)
        assert all(number in remaining for number in used), problem


def test_the_tests_tell_their_problems_as_no_training_problem_is_told() -> None:
    def template(problem: WordProblem) -> str:
        told = re.sub(r"\d+", "7", problem.question)
        told = re.sub(r" [A-Z][a-z]+ (is|has) 7 (years old|cousins) \.", "", told)
        told = re.sub(r"\b(Ana|Ben|Dora|Emil|Hana|Ivo|Kofi|Lena|Mira|Omar)\b", "X", told)
        return re.sub(r"\b(apples|beads|cards|coins|eggs|keys|nuts|pens)\b", "things", told)

    taught = {template(problem) for problem in write_problems(3000, "train", 0)}
    tested = {template(problem) for problem in write_problems(1000, "test", 0)}
    assert len(tested) > 100
    assert not taught & tested
    assert write_problems(20, "test", 0) == write_problems(20, "test", 0)
    assert write_problems(20, "test", 0) != write_problems(20, "test", 1)


def test_an_interval_over_seeds_is_student_s() -> None:
    assert interval([0.01, 0.02, 0.03]) == "+2.0 (-0.5 to +4.5)"
    assert interval([0.01]) == "+1.0"


def test_the_whole_experiment_runs_in_small_and_is_not_run_twice(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "examples.orca_math_small.experiment", "--smoke", "--out", str(tmp_path)]
    first = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert first.returncode == 0, first.stdout + first.stderr
    table = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in table for name in TOLD)
    assert (tmp_path / "curves.png").stat().st_size > 10_000
    written = {path: path.stat().st_mtime_ns for path in tmp_path.glob("seed-0/**/*.safetensors")}
    assert len(written) == 1 + 3 + 10  # the random one, fine-tuned ones, and one for each round of each arm
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert table in again.stdout
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("seed-0/**/*.safetensors")} == written
