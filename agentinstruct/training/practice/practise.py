"""Practice with what is at hand: a student in this process or behind a server, trl here or by a launcher, a teacher."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from agentinstruct import paths
from agentinstruct.dataset import Problem
from agentinstruct.errors import ConfigurationError
from agentinstruct.teacher import TeacherOptions
from agentinstruct.training.fit import Fit, train_preference, train_sft
from agentinstruct.training.practice.loop import Practised, practise
from agentinstruct.training.practice.problems import read_problems
from agentinstruct.training.practice.round import Capabilities, FitRound, OpenStudent, Solver
from agentinstruct.training.practice.sampling import Reply, Student
from agentinstruct.training.practice.served import ServedStudent, TeacherJudge
from agentinstruct.training.practice.serving import served
from agentinstruct.training.settings import PracticeSettings, PreferenceSettings, Settings, SftSettings

Kind = TypeVar("Kind", bound=Settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """An OpenAI-compatible server that answers for the student: how it is started, and how it is asked.

    `command` is run anew for each student, `{model}` standing for its folder. `asked` names its model and address.
    """

    command: tuple[str, ...]
    asked: TeacherOptions

    def __post_init__(self) -> None:
        if not self.asked.base_url or not any("{model}" in word for word in self.command):
            raise ConfigurationError("a student's server needs a base_url, and a command with {model} in it")


def train_practice(
    problems: str | Path,
    student: str | Path,
    out: Path,
    rounds: Sequence[PracticeSettings],
    *,
    validation: str | Path | None = None,
    teacher: TeacherOptions | None = None,
    server: Server | None = None,
    launcher: Sequence[str] = (),
    run_seed: int = 0,
    say: Callable[[str], None] = print,
) -> Practised:
    """Let a student practise on `problems` (see `read_problems`) in `out`, or go on with it; see `practise`.

    The teacher judges what a program cannot read; without one such a reply is wrong. Replies are sampled in this
    process unless there is a `server`. `launcher` are the words before a training script, as `accelerate launch`; they
    start each round's training as a process of its own.
    """
    found, left_out = read_problems(problems)
    if left_out:
        say(f"{left_out} rows of {problems} are left out: without an answer, or asked before")
    kept, _ = read_problems(validation) if validation is not None else ([], 0)
    capabilities = Capabilities(
        open_student=in_process() if server is None else behind(server),
        fit=fit_here(say) if not launcher else fit_launched(launcher),
        judge=None if teacher is None else TeacherJudge(teacher),
    )
    told: dict[str, Any] = {
        "teacher": None if teacher is None else str(teacher.teacher),
        "server": None if server is None else str(server.asked.teacher),
    }
    return practise(student, found, rounds, out, capabilities, validation=kept, run_seed=run_seed, told=told, say=say)


class LocalStudent:
    """A student in this process."""

    chunk: int | None = 64
    """Problems between two writes: what a kill can repeat."""

    def __init__(self, folder: str | Path) -> None:
        self._student = Student(folder)
        self.parameters: int | None = self._student.parameters

    def answer(
        self, problems: Sequence[Problem], settings: PracticeSettings, *, samples: int, temperature: float, seed: int
    ) -> tuple[list[list[Reply]], int]:
        """Return each problem's replies, and the tokens of the prompts: each is read once."""
        prompts = [problem.prompt for problem in problems]
        replies = self._student.sample(
            prompts,
            samples=samples,
            seed=seed,
            max_new_tokens=settings.max_new_tokens,
            temperature=temperature,
            top_p=settings.top_p,
        )
        return replies, sum(len(self._student.prompt_ids(prompt)) for prompt in prompts)


def in_process() -> OpenStudent:
    """Return what loads a student into this process."""

    @contextmanager
    def opened(student: str | Path, _folder: Path) -> Iterator[Solver]:
        yield LocalStudent(student)

    return opened


def behind(server: Server) -> OpenStudent:
    """Return what starts a server for a student and asks it through our engine."""

    @contextmanager
    def opened(student: str | Path, folder: Path) -> Iterator[Solver]:
        assert server.asked.base_url
        with served(server.command, student, server.asked.base_url, folder / "server.log"):
            yield ServedStudent(server.asked, folder)

    return opened


def fit_here(say: Callable[[str], None] = print) -> FitRound:
    """Return what trains a round in this process."""

    def fit(student: str | Path, pairs: Path, settings: PracticeSettings, out: Path) -> Fit:
        if not settings.imitate:
            return train_preference(
                pairs, student, out, _settings(PreferenceSettings, settings), skip_bad=True, say=say
            )
        return train_sft([pairs], student, out, _settings(SftSettings, settings), skip_bad=True, say=say)

    return fit


def fit_launched(launcher: Sequence[str]) -> FitRound:
    """Return what trains a round in processes that `launcher` starts, on one machine or many."""

    def fit(student: str | Path, pairs: Path, settings: PracticeSettings, out: Path) -> Fit:
        method = "sft" if settings.imitate else "preference"
        told = _settings(SftSettings if settings.imitate else PreferenceSettings, settings)
        values = pairs.with_name("settings.json")
        values.write_text(told.model_dump_json(indent=2) + "\n", encoding="utf-8")
        script = paths.TRAINERS / f"{method}.py"
        words = [*launcher, str(script), str(pairs), "--model", str(student), "--out", str(out), "--skip-bad"]
        done = subprocess.run([*words, "--settings", str(values)], check=False)
        if done.returncode:
            raise ConfigurationError(f"{' '.join(words)} ended with code {done.returncode}: see what it said above")
        figures = json.loads((out / "fit.json").read_text(encoding="utf-8"))["figures"]
        return Fit(**figures, folder=out / "student")

    return fit


def _settings(kind: type[Kind], settings: PracticeSettings) -> Kind:
    """Return what training of a kind is told of a round."""
    return kind.model_validate(settings.model_dump(include=set(kind.model_fields)))
