"""lm-eval's own tasks, zero-shot, for a student beside its control: a thin way in, and the comparison item by item.

How a task is asked and scored is lm-eval's; its versions and the hash of each task's questions are recorded. These
are not the papers' settings, which were not published: compare with the control here and not with their tables.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from pydantic import JsonValue

from agentinstruct.errors import AgentInstructError, ConfigurationError
from agentinstruct.evaluation.statistics import Estimate, Paired, mean, paired_difference, wilson
from agentinstruct.evaluation.students import model_identity
from agentinstruct.journal import replace
from agentinstruct.records import content_hash
from agentinstruct.training.extras import need

_LONGEST = 20_000
"""Characters of a prompt or a reply that are kept."""


@dataclass(frozen=True, slots=True)
class Task:
    """A benchmark of the paper by its name in lm-eval 0.4, and the figure that is reported of it."""

    name: str
    metric: str
    filter: str = "none"


TASKS = {
    "mmlu": Task("mmlu", "acc"),
    "agieval": Task("agieval_en", "acc"),
    "arc": Task("arc_challenge", "acc_norm"),
    "bbh": Task("bbh_cot_zeroshot", "exact_match", "flexible-extract"),
    "drop": Task("drop", "f1"),
    "ifeval": Task("ifeval", "prompt_level_strict_acc"),
    "gpqa": Task("gpqa_main_zeroshot", "acc_norm"),  # the paper's shares are whole numbers of the 448 of `main`
}
"""What `--task` names; AgentInstruct's evaluation has these seven among its benchmarks."""


class Run(Protocol):
    """Runs one lm-eval task on one model and returns its results, every sample among them."""

    def __call__(self, model: str, task: str, limit: int | None) -> dict[str, Any]:
        """Return what lm-eval's `simple_evaluate` does."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One model on one task: every item, and what lm-eval said of the whole."""

    task: str
    items: list[dict[str, JsonValue]]
    """Each item's place, prompt, what was wanted and said, and its value: a person can read why."""
    said: dict[str, JsonValue]

    @property
    def values(self) -> dict[str, float]:
        """The value of every item by its place in the task and the hash of its text."""
        return {str(item["place"]): float(str(item["value"])) for item in self.items}

    @property
    def estimate(self) -> Estimate:
        """The mean: Wilson's interval where every value is 0 or 1."""
        values = list(self.values.values())
        if _binary(values):
            return wilson(round(sum(values)), len(values))
        return mean(values)


@dataclass(frozen=True, slots=True, kw_only=True)
class HarnessRow:
    """One task, with the difference on the items both models had."""

    benchmark: str
    student: Outcome
    control: Outcome | None
    difference: Estimate | None
    paired: Paired | None


def evaluate_harness(
    tasks: Sequence[str], student: str, control: str | None, out: Path, *, run: Run, limit: int | None = None
) -> tuple[HarnessRow, ...]:
    """Run tasks on both models. A finished one is kept in `out` under model, task and limit, and not run again."""
    if unknown := [task for task in tasks if task not in TASKS]:
        raise ConfigurationError(f"no benchmark {unknown[0]!r}: there are {', '.join(TASKS)}")
    rows = []
    for name in dict.fromkeys(tasks):
        ours = _outcome(TASKS[name], student, out, run, limit)
        theirs = _outcome(TASKS[name], control, out, run, limit) if control else None
        rows.append(_compared(name, ours, theirs))
    return tuple(rows)


def _outcome(task: Task, model: str, out: Path, run: Run, limit: int | None) -> Outcome:
    key = content_hash("lm-eval", model_identity(model), asdict(task), limit)
    path = out / f"harness-{key}.json"
    if path.is_file():
        return Outcome(**json.loads(path.read_text(encoding="utf-8")))
    found = read_outcome(task, run(model, task.name, limit))
    replace(path, json.dumps(asdict(found)) + "\n")
    return found


def read_outcome(task: Task, results: Mapping[str, Any]) -> Outcome:
    """Take a task's value for every item out of lm-eval's results; raises `AgentInstructError` where it has none."""
    items = [
        _item(name, sample, float(sample[task.metric]))
        for name, samples in sorted(results.get("samples", {}).items())
        for sample in samples
        if sample.get("filter") == task.filter and task.metric in sample
    ]
    if not items:
        found = sorted({str(key) for held in results.get("results", {}).values() for key in held})
        told = f"lm-eval's {task.name} has no {task.metric},{task.filter}; it has {', '.join(found) or 'nothing'}"
        raise AgentInstructError(f"{told}: this version of it is not known here")
    kept = ("results", "groups", "versions", "n-shot", "n-samples", "lm_eval_version")
    said = {name: results[name] for name in kept if name in results}
    said |= {name: results.get(name) for name in ("chat_template_sha256", "config")}
    said["items_hash"] = content_hash([item["place"] for item in items])
    return Outcome(task=task.name, items=items, said=json.loads(json.dumps(said, default=str)))


def _item(task: str, sample: Mapping[str, Any], value: float) -> dict[str, JsonValue]:
    words = {"prompt": sample["arguments"][0][0], "wanted": sample["target"], "reply": sample["filtered_resps"]}
    plain = {name: str(said)[:_LONGEST] for name, said in words.items()}
    return {"place": f"{task}/{sample['doc_id']}/{sample['doc_hash']}", **plain, "value": value}


def _compared(name: str, ours: Outcome, theirs: Outcome | None) -> HarnessRow:
    if theirs is None:
        return HarnessRow(benchmark=name, student=ours, control=None, difference=None, paired=None)
    shared = [place for place in ours.values if place in theirs.values]
    if not shared:
        raise AgentInstructError(f"{name}: student and control were asked different items; remove --out and run again")
    if _binary([*ours.values.values(), *theirs.values.values()]):
        paired = paired_difference(
            [ours.values[place] == 1 for place in shared], [theirs.values[place] == 1 for place in shared]
        )
        return HarnessRow(benchmark=name, student=ours, control=theirs, difference=paired.difference, paired=paired)
    gains = [ours.values[place] - theirs.values[place] for place in shared]
    return HarnessRow(benchmark=name, student=ours, control=theirs, difference=mean(gains), paired=None)


def _binary(values: Sequence[float]) -> bool:
    return all(value in (0.0, 1.0) for value in values)


class LmEval:
    """Runs tasks by lm-eval on models in this process, each loaded once; raises `MissingExtra` without lm-eval.

    `folder` holds task files of one's own, beside those that lm-eval ships: they can hold code, so only ever trusted
    ones. Nothing is run that lm-eval marks as unsafe, and no code that comes with a model.
    """

    def __init__(self, *, folder: Path | None = None, batch: int = 8, device: str | None = None) -> None:
        tasks = need("lm_eval.tasks", "evaluate")
        logging.getLogger("lm_eval").setLevel(logging.WARNING)
        self._tasks = tasks.TaskManager(include_path=str(folder) if folder else None)
        self._batch, self._device = batch, device
        self._loaded: tuple[str, Any] | None = None

    def __call__(self, model: str, task: str, limit: int | None) -> dict[str, Any]:
        """Run one task, zero-shot, with the model's chat template where it has one."""
        loaded = self._load(model)
        found = need("lm_eval", "evaluate").simple_evaluate(
            model=loaded,
            tasks=[task],
            num_fewshot=0,
            limit=limit,
            bootstrap_iters=0,
            log_samples=True,
            apply_chat_template=bool(loaded.tokenizer.chat_template),
            task_manager=self._tasks,
        )
        template = str(loaded.tokenizer.chat_template or "")
        return {**found, "chat_template_sha256": hashlib.sha256(template.encode()).hexdigest()}

    def _load(self, model: str) -> Any:
        if self._loaded is None or self._loaded[0] != model:
            self._loaded = None  # the other model leaves memory before this one comes
            registry = need("lm_eval.api.registry", "evaluate")
            opened = {"pretrained": model, "trust_remote_code": False}
            extra = {"batch_size": self._batch, "device": self._device}
            self._loaded = (model, registry.get_model("hf").create_from_arg_obj(opened, extra))
        return self._loaded[1]
