"""Questions that go to a server through our own engine: a student's replies, and a teacher's verdicts.

Each kind is a run of its own: journaled, resumable, each question asked and paid for once. A seed's text is the id of
what is asked about: a run takes each text once, and two problems may get one reply.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import JsonValue

from agentinstruct import paths
from agentinstruct.api import generate
from agentinstruct.dataset import Problem, read_pairs
from agentinstruct.errors import TeacherUnavailable
from agentinstruct.records import Seed
from agentinstruct.teacher import TeacherOptions
from agentinstruct.training.practice.round import Unread
from agentinstruct.training.practice.sampling import Reply
from agentinstruct.training.settings import PracticeSettings


def solve_all(
    prompts: Mapping[str, str], out: Path, options: TeacherOptions, *, samples: int, most: int, seed: int = 0
) -> tuple[dict[str, list[Reply]], int]:
    """Return the replies to each prompt under its id, and the tokens of the prompts; `most` bounds those of a reply."""
    asked: Mapping[str, dict[str, JsonValue]] = {
        name: {"samples": samples, "most": most, "problem": prompt} for name, prompt in prompts.items()
    }
    sampling = replace(options.sampling, max_tokens=most)
    said, tokens = _ask(asked, "solve", out, replace(options, sampling=sampling), seed)
    return {name: [Reply(*each) for each in json.loads(replies)] for name, replies in said.items()}, tokens


def judge_all(asked: Mapping[str, tuple[str, str, str]], out: Path, options: TeacherOptions) -> dict[str, bool]:
    """Return by id whether reference and reply to a problem agree, where the judge gave a readable verdict."""
    told: Mapping[str, dict[str, JsonValue]] = {
        name: dict(zip(("problem", "reference", "reply"), each, strict=True)) for name, each in asked.items()
    }
    return {name: said == "agree" for name, said in _ask(told, "judge", out, options, 0)[0].items()} if told else {}


class ServedStudent:
    """A student that a server has, asked through `options`; its runs lie in `folder`."""

    parameters: int | None = None
    chunk: int | None = None
    """All problems of a round are one run: the engine keeps the server busy and resumes by itself."""

    def __init__(self, options: TeacherOptions, folder: Path) -> None:
        self._options = options
        self._folder = folder

    def answer(
        self, problems: Sequence[Problem], settings: PracticeSettings, *, samples: int, temperature: float, seed: int
    ) -> tuple[list[list[Reply]], int]:
        """Return each problem's replies, and the tokens of the prompts."""
        top_p = settings.top_p if temperature else None
        options = replace(self._options, sampling=replace(self._options.sampling, temperature=temperature, top_p=top_p))
        prompts = {problem.id: problem.prompt for problem in problems}
        out = self._folder / ("solving" if temperature else "validating")
        found, tokens = solve_all(prompts, out, options, samples=samples, most=settings.max_new_tokens, seed=seed)
        return [found[problem.id] for problem in problems], tokens


class TeacherJudge:
    """A teacher that marks what no program could, in `judging/` of the round's folder."""

    def __init__(self, options: TeacherOptions) -> None:
        self._options = options

    def __call__(self, unread: Iterable[Unread], folder: Path) -> dict[str, bool]:
        """Return whether each reply agrees, by its id; one that the judge gave no readable verdict on is left out."""
        asked = {
            each.id: (each.problem.prompt, each.problem.solution or f"The answer is {each.problem.answer}.", each.reply)
            for each in unread
        }
        return judge_all(asked, folder / "judging", self._options)


def _ask(
    asked: Mapping[str, Mapping[str, JsonValue]], flow: str, out: Path, options: TeacherOptions, run_seed: int
) -> tuple[dict[str, str], int]:
    """Return what each id was answered, and the tokens of the prompts.

    Raises `TeacherUnavailable` where questions failed: a round must not go on with replies that only a broken
    connection kept out.
    """
    seeds = [Seed(id=name, text=name, kind="math", meta=dict(meta)) for name, meta in asked.items()]
    summary = generate(seeds, [paths.TRAINERS / flow], out, teacher=options, run_seed=run_seed)
    if summary.failed:
        raise TeacherUnavailable(
            f"{summary.failed} of {summary.items} questions in {out} failed: see `agentinstruct status {out}`, then "
            "call again to ask those"
        )
    turns = (row["messages"] for row in read_pairs(out))
    return {asked["content"]: said["content"] for asked, said in turns}, summary.prompt_tokens
