"""A student of plain arithmetic that practises without torch, for tests of the loop: skill is a number in a file.

Run as a script it practises in processes that are killed at a given write, until one comes to the end.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

from agentinstruct.dataset.attempts import Problem
from agentinstruct.training.fit.folder import Fit, write_whole
from agentinstruct.training.practice.loop import Practised, practise
from agentinstruct.training.practice.round import Capabilities, Solver, Unread
from agentinstruct.training.practice.sampling import Reply
from agentinstruct.training.settings import PracticeSettings

PROBLEMS = [
    Problem(
        f"p{number}", f"What is {number} + 1?", str(number + 1), f"One more than {number}: the answer is {number + 1}."
    )
    for number in range(24)
]
VALIDATION = [Problem(f"v{number}", f"What is {number} + 2?", str(number + 2), None) for number in range(10)]
ROUNDS = [PracticeSettings(learning_rate=0.5, samples=3, problems=10, method="dpo", rounds=2)]


def made_student(folder: Path, skill: float) -> Path:
    """Write a student that solves this share of what it is asked."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "config.json", json.dumps({"skill": skill}))
    return folder


class Arithmetician:
    """Answers by its skill and its chance; notes every problem it is asked in `log`."""

    parameters: int | None = 100
    chunk: int | None = 4

    def __init__(self, folder: Path, log: Path) -> None:
        self._skill = float(json.loads((folder / "config.json").read_text())["skill"])
        self._log = log

    def answer(
        self, problems: Sequence[Problem], settings: PracticeSettings, *, samples: int, temperature: float, seed: int
    ) -> tuple[list[list[Reply]], int]:
        with self._log.open("a") as log:
            log.writelines(f"{self._skill:.6f} {problem.id} {samples} {temperature}\n" for problem in problems)
        chance = Random(seed)
        return [[self._reply(problem, chance) for _ in range(samples)] for problem in problems], 7 * len(problems)

    def _reply(self, problem: Problem, chance: Random) -> Reply:
        drawn, answer = chance.random(), int(problem.answer or 0)
        if drawn < self._skill:
            return Reply(f"Adding gives {answer}.", True, 5)
        if drawn < self._skill + 0.2:
            return Reply("It is between 3 and 4.", True, 6)  # no program reads one answer there
        return Reply(f"Adding gives {answer + 1 + int(9 * chance.random())}.", drawn < 0.95, 5)


def capabilities(
    log: Path, *, judge: bool = True, better: float = 0.5, dies: Callable[[], None] = lambda: None
) -> Capabilities:
    """Return a way to practise that notes in `log` what is asked of student and judge."""

    @contextmanager
    def opened(student: str | Path, _folder: Path) -> Iterator[Solver]:
        yield Arithmetician(Path(student), log)

    def judged(unread: Sequence[Unread], _folder: Path) -> dict[str, bool]:
        with log.open("a") as file:
            file.writelines(f"judge {each.id}\n" for each in {one.id: one for one in unread}.values())
        return {each.id: each.problem.id.endswith("3") for each in unread}

    def fit(student: str | Path, pairs: Path, settings: PracticeSettings, out: Path) -> Fit:
        """Take three steps, each kept: the skill rises with each, and rows are what is read."""
        out.mkdir(exist_ok=True)
        rows = pairs.read_text().splitlines()
        state = out / "step.json"
        step, skill = json.loads(state.read_text()) if state.exists() else (0, Arithmetician(Path(student), log)._skill)
        while step < 3:
            step, skill = step + 1, round(skill + better * settings.learning_rate / 3, 6)
            write_whole(state, json.dumps([step, skill]))
            dies()
        if not (out / "student").exists():
            made_student(out / "student.new", skill).replace(out / "student")
        return Fit(steps=step, tokens=len(rows), loss=0.5, seconds=1.0, folder=out / "student")

    return Capabilities(open_student=opened, fit=fit, judge=judged if judge else None)


def run(out: Path, student: Path, log: Path, *, dies: Callable[[], None] = lambda: None) -> Practised:
    """Practise two rounds with validation and a judge."""
    return practise(
        student,
        PROBLEMS,
        ROUNDS,
        out,
        capabilities(log, dies=dies),
        validation=VALIDATION,
        run_seed=3,
        say=lambda _: None,
    )


def _mortal(dies_at: int) -> Callable[[], None]:
    """Return what counts writes, and ends the process without a word at the given one."""
    seen = 0
    put = Path.replace

    def count() -> None:
        nonlocal seen
        seen += 1
        if seen == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def synced(_file: int) -> None:
        count()

    def placed(path: Path, target: Path) -> Path:
        done = put(path, target)
        count()
        return done

    os.fsync = synced  # type: ignore[assignment]  # a kill, unlike a power cut, loses nothing that was not synced
    Path.replace = placed  # type: ignore[method-assign, assignment]  # a crash, not a behaviour, is put in
    return count


def practise_until_done(out: Path, student: Path, log: Path, dies_at: int) -> int:
    """Start processes one after another, each killed at its `dies_at`-th write, until one ends; return the kills."""
    for kills in range(200):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                run(out, student, log, dies=_mortal(dies_at))
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        if status == 0:
            return kills
        if os.WEXITSTATUS(status) or os.WTERMSIG(status) != signal.SIGKILL:
            raise SystemExit(f"a process ended by itself: {status}")
    raise SystemExit("the calls come no further")


if __name__ == "__main__":
    for wanted in map(int, sys.argv[3:]):
        folder = Path(sys.argv[1])
        print(practise_until_done(folder / f"cut-{wanted}", Path(sys.argv[2]), folder / f"cut-{wanted}.log", wanted))
