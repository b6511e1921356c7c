"""lm-eval's results as they are read, compared and kept; lm-eval itself is played by what it returns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agentinstruct.errors import AgentInstructError, ConfigurationError, MissingExtra
from agentinstruct.evaluation import harness_report, report
from agentinstruct.evaluation.harness import TASKS, LmEval, Task, evaluate_harness, read_outcome
from agentinstruct.evaluation.statistics import mean

pytestmark = pytest.mark.slow


class ScriptedHarness:
    """Returns what lm-eval 0.4 does, with a value for every item by model; its calls are kept."""

    def __init__(self, values: dict[str, list[float]], *, template: str = "t") -> None:
        self.values, self.template = values, template
        self.calls: list[tuple[str, str, int | None]] = []

    def __call__(self, model: str, task: str, limit: int | None) -> dict[str, Any]:
        self.calls.append((model, task, limit))
        found = next(each for each in TASKS.values() if each.name == task)
        return results_of(found, self.values[model], template=self.template if model == "base" else "t")


def results_of(task: Task, values: list[float], *, template: str = "t") -> dict[str, Any]:
    def sample(place: int, value: float, which: str) -> dict[str, Any]:
        return {
            "doc_id": place,
            "doc_hash": f"hash{place}",
            "arguments": [("Question <b>|?", " A")],
            "target": "A",
            "filtered_resps": ["B | C"],
            "filter": which,
            "metrics": [task.metric],
            task.metric: value,
        }

    samples = [sample(place, value, task.filter) for place, value in enumerate(values)]
    others = [sample(place, 0.25, "another") for place in range(len(values))]
    return {
        "results": {task.name: {f"{task.metric},{task.filter}": 0.5}},
        "samples": {f"{task.name}_part": samples + others},
        "versions": {task.name: 1.0},
        "lm_eval_version": "0.4.13",
        "chat_template_sha256": template,
        "config": {"model": "hf"},
    }


def test_models_are_compared_item_by_item_with_right_and_wrong_as_a_share(tmp_path: Path) -> None:
    run = ScriptedHarness({"ours": [1, 1, 1, 0], "base": [1, 0, 0, 0]})
    (row,) = evaluate_harness(["arc"], "ours", "base", tmp_path, run=run, limit=4)
    assert row.student.estimate.value == 0.75 and row.control and row.control.estimate.value == 0.25
    assert row.paired and (row.paired.only_student, row.paired.only_control) == (2, 0)
    assert row.difference and row.difference.value == 0.5
    assert run.calls == [("ours", "arc_challenge", 4), ("base", "arc_challenge", 4)]


def test_a_figure_between_right_and_wrong_is_a_mean(tmp_path: Path) -> None:
    run = ScriptedHarness({"ours": [0.5, 1, 0.2, 0], "base": [0.1, 1, 0.3, 0.4]})
    (row,) = evaluate_harness(["drop"], "ours", "base", tmp_path, run=run)
    assert row.paired is None and row.difference
    assert row.difference.value == pytest.approx(-0.025)
    assert row.student.estimate == mean([0.5, 1, 0.2, 0])


def test_a_finished_task_is_not_run_again_and_another_limit_is_another_task(tmp_path: Path) -> None:
    run = ScriptedHarness({"ours": [1, 0], "base": [0, 0]})
    first = evaluate_harness(["arc", "mmlu"], "ours", "base", tmp_path, run=run)
    assert evaluate_harness(["arc", "mmlu", "arc"], "ours", "base", tmp_path, run=run) == first
    assert len(run.calls) == 4
    evaluate_harness(["arc"], "ours", None, tmp_path, run=run, limit=1)
    assert len(run.calls) == 5


def test_an_unknown_benchmark_or_figure_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no benchmark 'arcade': there are mmlu"):
        evaluate_harness(["arcade"], "ours", None, tmp_path, run=ScriptedHarness({}))
    with pytest.raises(AgentInstructError, match="has no f1,none; it has acc,none"):
        read_outcome(Task("drop", "f1"), {"results": {"drop": {"acc,none": 1.0}}, "samples": {"drop": []}})


def test_different_items_are_never_compared(tmp_path: Path) -> None:
    class Shifting(ScriptedHarness):
        def __call__(self, model: str, task: str, limit: int | None) -> dict[str, Any]:
            found = super().__call__(model, task, limit)
            for samples in found["samples"].values():
                for sample in samples:
                    sample["doc_hash"] += model
            return found

    with pytest.raises(AgentInstructError, match="were asked different items"):
        evaluate_harness(["arc"], "ours", "base", tmp_path, run=Shifting({"ours": [1], "base": [1]}))


def test_the_files_hold_versions_hashes_items_and_what_sets_the_models_apart(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with report.directory(out):
        run = ScriptedHarness({"ours": [1, 1, 0], "base": [0, 1, 0]}, template="another")
        rows = evaluate_harness(["arc", "bbh"], "ours", "base", out, run=run)
        harness_report.write(out, rows, {"student": {"model": "ours"}, "control": {"model": "base"}})
    results = json.loads((out / "results.json").read_text())
    side = results["benchmarks"]["bbh"]["student"]
    assert side["score"]["n"] == 3
    assert side["lm_eval"]["versions"] and side["lm_eval"]["lm_eval_version"] and side["lm_eval"]["items_hash"]
    table = (out / "table.md").read_text()
    assert "**Student and control have different chat templates**" in table
    items = [json.loads(line) for line in (out / "answers.jsonl").read_text().splitlines()]
    assert len(items) == 12 and items[0]["prompt"] == "Question <b>|?" and items[0]["reply"] == "['B | C']"
    assert (out / "results.png").exists()


def test_without_lm_eval_the_command_that_installs_it_is_named(tmp_path: Path) -> None:
    try:
        import lm_eval  # noqa: F401
    except ImportError:
        with pytest.raises(MissingExtra, match=r"pip install 'agentinstruct\[evaluate\]'"):
            LmEval()
