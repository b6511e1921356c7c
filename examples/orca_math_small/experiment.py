"""Does practice beat more fine-tuning? The loop of Orca-Math on a student small enough for two CPU cores.

    python -m examples.orca_math_small.experiment --out runs/orca_math_small     # about 70 minutes
    python -m examples.orca_math_small.experiment --out runs/smoke --smoke       # under 2 minutes

For each seed: problems, a random student, fine-tuning until it stands still, and from there each of the `arms` and the
controls. Every piece is a folder; killed anywhere, the same command goes on. `report.py` makes the table and the plot.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentinstruct.training.data import prepare, ready_tokenizer
from agentinstruct.training.fit import Fit, fit_sft, load_tokenizer, write_whole
from agentinstruct.training.practice import TRAINED, Student, read_problems, train_practice
from agentinstruct.training.settings import PracticeSettings, SftSettings
from agentinstruct.verify import Outcome, mark
from examples.orca_math_small.problems import Split, write_problems
from examples.orca_math_small.report import write_report
from examples.orca_math_small.student import make_student

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much of everything: `FULL` is the experiment, `SMOKE` shows that it runs."""

    problems: int
    tests: int
    epochs: int
    width: int
    layers: int
    samples: int


FULL = Size(problems=8000, tests=2000, epochs=16, width=64, layers=3, samples=4)
SMOKE = Size(problems=96, tests=32, epochs=1, width=32, layers=1, samples=2)

SFT = SftSettings(learning_rate=4e-3, max_length=128, batch=32, warmup=0.05, schedule="cosine")
"""Until it stands still: after the sixteen epochs of `FULL` six more, at a quarter of the rate, brought nothing."""
MORE_SFT = SFT.model_copy(update={"learning_rate": 1e-3})

KTO = PracticeSettings(
    method="kto",
    learning_rate=1e-4,
    beta=1.0,
    batch=64,
    warmup=0.1,
    schedule="linear",
    max_length=128,
    max_new_tokens=60,
    cap=1,
)
"""With four replies of each label a problem, three of five were wrong ones and a student fell below its start; at the
paper's beta of 0.3 this learning rate let it drift, and a third of it taught less."""
DPO = KTO.model_copy(
    update={"method": "dpo", "learning_rate": 3e-4, "beta": 0.3, "sft_weight": 1.0, "batch": 32, "cap": 2}
)
"""Without the likelihood of the chosen reply beside it, the loss is lowered by making both replies unlikely."""
SECOND = 0.1
"""The second round's learning rate as a share of the first's, as in the paper; at a half, KTO lost what it had won."""


def arms(samples: int) -> dict[str, list[PracticeSettings]]:
    """Return the rounds of each way of practising; the first two are what the controls must match in compute."""
    return {
        "kto": _rounds(KTO, 2, samples),
        "dpo": _rounds(DPO, 2, samples),
        "imitate": _rounds(DPO, 2, samples, imitate=True, learning_rate=MORE_SFT.learning_rate),
        "kto-teacher": _rounds(KTO, 1, samples, positives="teacher"),
        "dpo-teacher": _rounds(DPO, 1, samples, positives="teacher"),
        "kto-plain": _rounds(KTO, 1, samples, synthetic_negatives=False),
        "dpo-plain": _rounds(DPO, 1, samples, synthetic_negatives=False),
    }


def _rounds(settings: PracticeSettings, rounds: int, samples: int, **changes: Any) -> list[PracticeSettings]:
    first = settings.model_copy(update={"samples": samples, **changes})
    second = first.model_copy(update={"learning_rate": first.learning_rate * SECOND})
    return [first, second][:rounds]


class Seed:
    """Everything made from one random seed, in `folder`."""

    def __init__(self, folder: Path, size: Size, seed: int) -> None:
        self.folder = folder
        self.size = size
        self.seed = seed

    def run(self) -> None:
        """Make what is not there yet."""
        self._write("train", self.size.problems)
        self._write("test", self.size.tests)
        start = self.folder / "random"
        if not (start / "config.json").exists():
            lines = (self.folder / "train.jsonl").read_text(encoding="utf-8").splitlines()
            rows = [json.loads(line) for line in lines]
            texts = [f"{row['prompt']} {row['completion']}" for row in rows]
            make_student(start, texts, width=self.size.width, layers=self.size.layers, seed=self.seed)
        tuned = self._tune("sft", start, SFT, self.size.epochs)
        spent = {name: self._practise(name, tuned.folder, rounds) for name, rounds in arms(self.size.samples).items()}
        self._controls(tuned, most=max(spent["kto"], spent["dpo"]))

    def _controls(self, tuned: Fit, *, most: float) -> None:
        """Fine-tune on for as many epochs as there were rounds, and for as much compute as the dearer practice took."""
        a_step = tuned.tokens / self.size.epochs * TRAINED * Student(tuned.folder).parameters
        as_much = -(-int(most) // int(a_step))
        self._tune("sft-epochs", tuned.folder, MORE_SFT, 2)
        self._tune("sft-compute", tuned.folder, MORE_SFT, as_much)

    def _tune(self, name: str, student: Path, settings: SftSettings, epochs: int) -> Fit:
        out = self.folder / name
        told = settings.model_copy(update={"epochs": epochs, "seed": self.seed})
        tokenizer = ready_tokenizer(load_tokenizer(student))
        data, _ = prepare(self.folder / "train.jsonl", tokenizer, told, folder=self.folder / "data")
        fit = fit_sft(student, data, told, out, tokenizer=tokenizer, say=self._say)
        operations = TRAINED * Student(fit.folder).parameters * fit.tokens
        self._test(name, fit.folder, operations)
        return fit

    def _practise(self, name: str, student: Path, rounds: list[PracticeSettings]) -> float:
        """Practise, test the student after each round, and return the operations all rounds took."""
        out = self.folder / name
        self._share_samples(out)
        told = [settings.model_copy(update={"seed": self.seed}) for settings in rounds]
        problems = self.folder / "train.jsonl"
        done = train_practice(problems, student, out, told, run_seed=self.seed, say=self._say)
        spent = 0.0
        for metrics in done.rounds:
            spent += sum(metrics["operations"].values())
            self._test(f"{name}-{metrics['round']}", out / metrics["student"], spent)
        return spent

    def _share_samples(self, out: Path) -> None:
        """Every arm's first round asks the same student the same problems with the same seed: once is enough."""
        first = self.folder / "kto" / "round-1"
        mine = out / "round-1"
        if first == mine or mine.exists() or not (first / "metrics.json").exists():
            return
        staged = out / "round-1.new"
        staged.mkdir(parents=True, exist_ok=True)
        for name in ("samples.jsonl", "verdicts.jsonl"):
            shutil.copy(first / name, staged / name)
        staged.rename(mine)

    def _test(self, name: str, student: Path, operations: float) -> None:
        path = self.folder / "tests" / f"{name}.json"
        if path.exists():
            return
        problems, _ = read_problems(self.folder / "test.jsonl")
        replies = Student(student, rows=512).sample(
            [problem.prompt for problem in problems], samples=1, seed=0, max_new_tokens=60, temperature=0
        )
        marks = [mark(said[0].text, problem.answer or "") for problem, said in zip(problems, replies, strict=True)]
        right = [one is Outcome.RIGHT for one in marks]
        found = {"name": name, "accuracy": sum(right) / len(right), "operations": operations, "right": right}
        path.parent.mkdir(exist_ok=True)
        write_whole(path, json.dumps(found) + "\n")
        self._say(f"{name}: {found['accuracy']:.1%} of {len(right)} held-out problems")

    def _write(self, split: Split, count: int) -> None:
        path = self.folder / f"{split}.jsonl"
        if path.exists():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        rows = [
            {"prompt": each.question, "completion": each.solution, "final_answer": str(each.answer)}
            for each in write_problems(count, split, self.seed)
        ]
        write_whole(path, "".join(json.dumps(row) + "\n" for row in rows))

    def _say(self, line: str) -> None:
        print(f"[seed {self.seed}] {line}", flush=True)


def main() -> None:
    """Run all seeds, as many at a time as `--jobs` says, each in a process with one thread."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--seeds", type=int, default=None, help="how many random seeds (3, or 1 with --smoke)")
    parser.add_argument("--jobs", type=int, default=2, help="seeds at a time, each on one core")
    parser.add_argument("--smoke", action="store_true", help="a minute's worth, to see that it runs")
    parser.add_argument("--only", type=int, default=None, help=argparse.SUPPRESS)
    told = parser.parse_args()
    size = SMOKE if told.smoke else FULL
    if told.only is not None:
        Seed(told.out / f"seed-{told.only}", size, told.only).run()
        return
    seeds = told.seeds or (1 if told.smoke else 3)
    with ThreadPoolExecutor(told.jobs) as pool:
        ended = list(pool.map(lambda seed: _in_a_process(seed, told.smoke, told.out), range(seeds)))
    if any(ended):
        sys.exit(f"{sum(map(bool, ended))} of {seeds} seeds ended with an error; call again to go on")
    print(write_report(told.out))


def _in_a_process(seed: int, smoke: bool, out: Path) -> int:
    command = [sys.executable, "-m", "examples.orca_math_small.experiment", "--out", str(out.resolve())]
    command += ["--only", str(seed), *(["--smoke"] if smoke else [])]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False).returncode


if __name__ == "__main__":
    main()
