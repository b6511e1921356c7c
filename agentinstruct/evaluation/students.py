"""Opens what is to be measured: a student's folder in this process, or a model on an OpenAI-compatible server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from agentinstruct.errors import ConfigurationError
from agentinstruct.evaluation.asking import Solve
from agentinstruct.evaluation.maths import Doubt
from agentinstruct.journal import read_manifest
from agentinstruct.records import content_hash
from agentinstruct.teacher import TeacherOptions
from agentinstruct.training.data import ready_tokenizer
from agentinstruct.training.fit import model_digest
from agentinstruct.training.practice import judge_all, solve_all

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
        self.identity: Mapping[str, JsonValue] = {**model_identity(model), "max_new_tokens": max_new_tokens}

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
        sampling = replace(served.sampling, temperature=0.0, top_p=None)
        self._options = replace(served, teacher=model, sampling=sampling)
        self._out = folder / "validating"
        self._longest = max_new_tokens
        self.identity: Mapping[str, JsonValue] = {
            "model": model,
            "max_new_tokens": max_new_tokens,
            **({} if served.base_url is None else {"base_url": served.base_url}),
        }

    def __call__(self, prompts: Sequence[str]) -> list[str | None]:
        """Return a reply at temperature 0 to each prompt; an empty one where the server gave none that was finished."""
        ids = {prompt: content_hash("evaluation", prompt) for prompt in prompts}
        asked = {name: prompt for prompt, name in ids.items()}
        found, _ = solve_all(asked, self._out, self._options, samples=1, most=self._longest)
        return [found[ids[prompt]][0].text for prompt in prompts]

    def close(self) -> None:
        """Nothing is held between calls."""


def judge_doubts(doubts: Sequence[Doubt], run: Path, teacher: TeacherOptions) -> dict[Doubt, bool]:
    """Have a teacher say, by a run of our engine, which replies come to what was wanted; it may leave some out."""
    ids = {
        doubt: content_hash("unread", content_hash("evaluation", doubt.question, doubt.wanted), doubt.reply)
        for doubt in doubts
    }
    asked = {name: (doubt.question, f"The answer is {doubt.wanted}.", doubt.reply) for doubt, name in ids.items()}
    verdicts = judge_all(asked, run, teacher)
    return {doubt: verdicts[name] for doubt, name in ids.items() if name in verdicts}


def model_identity(model: str | Path) -> dict[str, JsonValue]:
    """Return the name and, of a folder, a hash of what makes the model: it may be trained again under its name.

    Raises `ConfigurationError` for a folder without a model.
    """
    folder = Path(model)
    if not folder.exists():
        if str(model).startswith((".", "/", "~")):
            raise ConfigurationError(f"there is no model folder {model}: give the folder a student was saved in")
        return {"model": str(model)}
    if not (folder / "config.json").is_file():
        raise ConfigurationError(f"{model} holds no model: there is no config.json in it; give a student's folder")
    return {"model": str(model), "sha256": model_digest(folder)}


def judge_identity(run: Path, name: str) -> dict[str, JsonValue]:
    """Return what a judging run's manifest says of its teacher, or its name where nothing was asked."""
    if not (run / "manifest.json").is_file():
        return {"model": name}
    teachers: dict[str, dict[str, JsonValue]] = read_manifest(run).get("teachers", {})
    return {"model": name, **teachers.get("", {})}
