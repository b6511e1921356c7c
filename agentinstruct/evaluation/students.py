"""Opens what is to be measured: a student's folder in this process, or a model on an OpenAI-compatible server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from agentinstruct.dataset import Problem
from agentinstruct.evaluation.asking import Solve
from agentinstruct.evaluation.identity import model_identity
from agentinstruct.evaluation.maths import Doubt
from agentinstruct.journal import read_manifest
from agentinstruct.records import content_hash
from agentinstruct.teacher import TeacherOptions
from agentinstruct.training.data import ready_tokenizer
from agentinstruct.training.practice import ServedStudent, TeacherJudge, Unread
from agentinstruct.training.settings import PracticeSettings

if TYPE_CHECKING:
    from agentinstruct.training.practice.sampling import Student

_SERVED = ("openai:", "azure:")


def open_student(model: str, *, max_new_tokens: int, folder: Path, served: TeacherOptions) -> Solve:
    """Return a model that answers greedily: `openai:NAME` by its server, anything else in this process.

    `folder` is where a server's run lies; `served` says how a server is reached and pressed.
    """
    if model.startswith(_SERVED):
        return StudentThere(model, max_new_tokens=max_new_tokens, folder=folder, served=served)
    return StudentHere(model, max_new_tokens=max_new_tokens)


class StudentHere:
    """A student in this process, loaded at its first question; takes the likeliest token each time."""

    at_once = 64
    """Prompts of a batch: some seconds of a GPU's work, which is what a kill costs."""

    def __init__(self, model: str | Path, *, max_new_tokens: int) -> None:
        self._model = model
        self._longest = max_new_tokens
        self._student: Student | None = None
        self._identity: dict[str, JsonValue] = {**model_identity(model), "max_new_tokens": max_new_tokens}

    @property
    def identity(self) -> Mapping[str, JsonValue]:
        """The model by name and hash, and how long its replies may be."""
        return self._identity

    def __call__(self, prompts: Sequence[str]) -> list[str | None]:
        """Return a greedy reply to each prompt, cut at the longest that is allowed."""
        if self._student is None:
            from agentinstruct.training.practice.sampling import Student

            self._student = Student(self._model, rows=self.at_once)
            self._student.tokenizer = ready_tokenizer(self._student.tokenizer)  # a control may have no chat template
        found = self._student.sample(prompts, samples=1, seed=0, max_new_tokens=self._longest, temperature=0)
        return [replies[0].text for replies in found]

    def close(self) -> None:
        """Free the student's memory: the control's comes next."""
        self._student = None


class StudentThere:
    """A model on an OpenAI-compatible server, asked at temperature 0 through a run of our engine in `folder`."""

    at_once = 1_000_000
    """Everything at once: the engine keeps the server busy, and goes on after a kill by itself."""

    def __init__(self, model: str, *, max_new_tokens: int, folder: Path, served: TeacherOptions) -> None:
        self._server = ServedStudent(replace(served, teacher=model), folder)
        self._identity: dict[str, JsonValue] = {"model": model, "max_new_tokens": max_new_tokens}
        if served.base_url is not None:
            self._identity["base_url"] = served.base_url
        # of a round's settings only the length counts here: nothing is learnt
        self._settings = PracticeSettings(learning_rate=1.0, max_new_tokens=max_new_tokens)

    @property
    def identity(self) -> Mapping[str, JsonValue]:
        """The model's name and server, and how long its replies may be."""
        return self._identity

    def __call__(self, prompts: Sequence[str]) -> list[str | None]:
        """Return a reply at temperature 0 to each prompt; an empty one where the server gave none that was finished."""
        problems = [Problem(id=content_hash("evaluation", prompt), prompt=prompt) for prompt in prompts]
        found, _ = self._server.answer(problems, self._settings, samples=1, temperature=0.0, seed=0)
        return [replies[0].text for replies in found]

    def close(self) -> None:
        """Nothing is held between calls."""


class JudgeByTeacher:
    """A teacher that marks what no program could read, through a run of our engine below `folder`."""

    def __init__(self, teacher: TeacherOptions, folder: Path) -> None:
        self._judge = TeacherJudge(teacher)
        self._folder = folder
        self._name = str(teacher.teacher)

    @property
    def identity(self) -> Mapping[str, JsonValue]:
        """The teacher as it was asked, as the run's manifest has it."""
        return judge_identity(self._folder / "judging", self._name)

    def __call__(self, doubts: Sequence[Doubt]) -> list[bool | None]:
        """Return whether each reply comes to what was wanted; None where the teacher gave no readable verdict."""
        unread = [
            Unread(
                problem=Problem(
                    id=content_hash("evaluation", doubt.question, doubt.wanted),
                    prompt=doubt.question,
                    answer=doubt.wanted,
                ),
                reply=doubt.reply,
            )
            for doubt in doubts
        ]
        verdicts = self._judge(unread, self._folder)
        return [verdicts.get(each.id) for each in unread]


def judge_identity(run: Path, name: str) -> dict[str, JsonValue]:
    """Return what a judging run's manifest says of its teacher, or its name where nothing was asked."""
    if not (run / "manifest.json").is_file():
        return {"model": name}
    teachers: dict[str, dict[str, JsonValue]] = read_manifest(run).get("teachers", {})
    return {"model": name, **teachers.get("", {})}
