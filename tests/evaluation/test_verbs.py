"""Evaluations whole, as a person starts them: models opened, questions asked, files left, and gone on with."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentinstruct import cli
from agentinstruct.errors import ConfigurationError
from agentinstruct.evaluation.students import StudentHere, model_identity
from agentinstruct.evaluation.verbs import evaluate_by_harness, evaluate_on_maths, evaluate_on_orca_bench
from agentinstruct.teacher.options import TeacherOptions
from tests.engine import Question, Teacher
from tests.evaluation.test_harness import ScriptedHarness
from tests.evaluation.test_orca_bench import items, made_run
from tests.openai_server import OpenAIServer

pytestmark = pytest.mark.slow

HERE = TeacherOptions()


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in this process; returns exit code, output and errors."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["agentinstruct", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(str(ended.value.code or 0)), said.out, said.err

    return run


def sums(path: Path, n: int = 6) -> Path:
    rows = ({"question": f"Add {number} and 1?", "answer": str(number + 1)} for number in range(n))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_students_folder_is_measured_beside_its_control_and_nothing_is_asked_twice(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    control = tmp_path / "control"
    shutil.copytree(tiny_model, control)
    on = [f"sums={sums(tmp_path / 'sums.jsonl')}"]
    given: dict[str, Any] = {"served": HERE, "max_new_tokens": 4}
    heard: list[tuple[str, int, int]] = []
    found = evaluate_on_maths(
        on, str(tiny_model), str(control), tmp_path / "out", on_reply=lambda *told: heard.append(told), **given
    )
    assert heard == [("student", 6, 6), ("control", 6, 6)]
    (row,) = found.rows
    assert row.student.pass_at_1.n == 6
    assert row.paired and row.paired.difference.value == 0  # the same weights say the same
    before = (tmp_path / "out" / "results.json").read_bytes()
    identity = json.loads(before)["student"]
    assert len(identity["sha256"]) == 64 and identity["max_new_tokens"] == 4
    monkeypatch.setattr(StudentHere, "__call__", None)  # whoever asks again fails
    assert evaluate_on_maths(on, str(tiny_model), str(control), tmp_path / "out", **given) == found
    assert (tmp_path / "out" / "results.json").read_bytes() == before


def test_a_folder_that_was_trained_again_is_another_model(tiny_model: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_model, copy)
    assert model_identity(copy)["sha256"] == model_identity(tiny_model)["sha256"]
    (copy / "README.md").write_text("a card")
    assert model_identity(copy)["sha256"] == model_identity(tiny_model)["sha256"]
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    assert model_identity(copy)["sha256"] != model_identity(tiny_model)["sha256"]
    assert model_identity("some/name") == {"model": "some/name"}
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(ConfigurationError, match="no model"):
            model_identity(folder)


def solved(request: dict[str, Any]) -> str:
    """A student that is right about even numbers, and mumbles about 5."""
    number = int(request["messages"][-1]["content"].split()[1])
    if number == 5:
        return "mumble"
    return f"The answer is {number + 1 if number % 2 == 0 else 0}."


def test_a_served_student_is_asked_greedily_and_a_teacher_judges_what_cannot_be_read(
    openai_server: OpenAIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    openai_server.answer = solved
    judged: list[str] = []

    def judge(question: Question) -> dict[str, Any]:
        judged.append(question.section("reply"))
        return {"reference_answer": "6", "student_answer": "6", "agree": True}

    found = evaluate_on_maths(
        [f"sums={sums(tmp_path / 'sums.jsonl')}"],
        "openai:ours",
        None,
        tmp_path / "out",
        served=TeacherOptions(base_url=openai_server.base_url),
        judge=TeacherOptions(teacher=Teacher(judge)),
        max_new_tokens=32,
    )
    assert {request["temperature"] for request in openai_server.requests} == {0}
    assert len(openai_server.requests) == 6
    assert judged == ["mumble"]
    (row,) = found.rows
    assert (row.student.right, row.student.unreadable, row.student.undecided) == (4, 1, 0)
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["judge"]["model"] and results["control"] is None


def test_the_commands_hold_out_ask_score_and_show(
    openai_server: OpenAIServer, tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    run = made_run(tmp_path, skills={"Reading": 1}, seeds=20)
    bench, train = tmp_path / "bench.jsonl", tmp_path / "train.jsonl"
    code, out, _ = command("evaluate", "bench", run, "--out", bench, "--train-out", train, "--per-skill", 30)
    assert code == 0
    assert "10 pairs of 10 seeds held out, fewer than the 30 wanted; 20 of 40 left to train" in out
    assert f"20 pairs to train on in {train}" in out

    def both(request: dict[str, Any]) -> str:
        scored = "response_format" in request or "schema" in str(request["messages"])
        return json.dumps({"reason": "fair", "score": 7}) if scored else "an answer"

    openai_server.answer = both
    words = ["evaluate", "orca-bench", "openai:ours", "--bench", bench, "--teacher", "openai:judge", "--limit", 3]
    words += ["--model-url", openai_server.base_url, "--base-url", openai_server.base_url, "--out", tmp_path / "out"]
    code, out, errors = command(*words)
    assert (code, errors) == (0, "student: 3 of 3 questions answered\n")
    assert "No control was given" in out and "Reading" in out and "7.00" in out
    asked = len(openai_server.requests)
    assert asked == 3 + 6
    assert command(*words)[0] == 0
    assert len(openai_server.requests) == asked


def test_orca_bench_in_process_has_a_control_beside_it(tiny_model: Path, tmp_path: Path) -> None:
    bench = tmp_path / "bench.jsonl"
    lines = [{name: getattr(item, name) for name in item.__dataclass_fields__} for item in items(4, seeds=4)]
    bench.write_text("".join(json.dumps(line) + "\n" for line in lines))

    def lenient(question: Question) -> dict[str, Any]:
        return {"reason": "x", "score": 5}

    found = evaluate_on_orca_bench(
        bench,
        str(tiny_model),
        str(tiny_model),
        tmp_path / "out",
        served=HERE,
        judge=TeacherOptions(teacher=Teacher(lenient)),
        max_new_tokens=4,
    )
    assert found.control and found.difference and found.difference.overall.value == 0
    assert found.student.means.overall.value == 5


def test_the_harness_leaves_its_results_in_a_directory_of_its_own(tiny_model: Path, tmp_path: Path) -> None:
    run = ScriptedHarness({str(tiny_model): [1, 0, 1]})
    (row,) = evaluate_by_harness(["gpqa"], str(tiny_model), None, tmp_path / "out", run=run)
    assert row.student.estimate.n == 3
    assert "**No control was given.**" in (tmp_path / "out" / "table.md").read_text()
    with pytest.raises(ConfigurationError, match="no benchmark was given"):
        evaluate_by_harness([], "x", None, tmp_path / "out", run=run)


def test_what_is_wrong_is_one_sentence_and_exit_code_2(
    tiny_model: Path, tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    path = sums(tmp_path / "sums.jsonl")
    code, _, errors = command("evaluate", "math", tmp_path / "nowhere", "--on", f"a={path}", "--out", tmp_path / "o")
    assert code == 2 and "there is no model folder" in errors and errors.count("\n") == 1
    code, _, errors = command("evaluate", "math", tiny_model, "--on", "sums", "--out", tmp_path / "p")
    assert code == 2 and "give NAME=FILE" in errors
    code, _, errors = command("evaluate", "bench", tmp_path / "nowhere", "--out", tmp_path / "b.jsonl")
    assert code == 2 and "holds no published pairs" in errors
