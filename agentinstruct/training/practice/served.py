"""Questions of practice that go to a server, through our own engine: a student's replies, and a teacher's verdicts.

Each kind is a run of its own in the round's folder: journaled, resumable, each question asked and paid for once. A
seed's text is the id of what is asked about: a run takes each text once, and two problems may get one reply.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from agentinstruct import paths
from agentinstruct.api import generate
from agentinstruct.dataset import Problem, read_pairs
from agentinstruct.errors import TeacherUnavailable
from agentinstruct.records import Seed
from agentinstruct.run import Summary
from agentinstruct.teacher import TeacherOptions
from agentinstruct.training.practice.round import Unread
from agentinstruct.training.practice.sampling import Reply
from agentinstruct.training.settings import PracticeSettings


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
        meta: dict[str, Any] = {"samples": samples, "most": settings.max_new_tokens}
        seeds = [
            Seed(id=problem.id, text=problem.id, kind="math", meta={**meta, "problem": problem.prompt})
            for problem in problems
        ]
        sampling = replace(
            self._options.sampling,
            temperature=temperature,
            top_p=settings.top_p if temperature else None,
            max_tokens=settings.max_new_tokens,
        )
        out = self._folder / ("solving" if temperature else "validating")
        summary = _run(seeds, "solve", out, replace(self._options, sampling=sampling), seed)
        rows = {row["messages"][0]["content"]: row["messages"][1]["content"] for row in read_pairs(out)}
        found = [[Reply(*each) for each in json.loads(rows[problem.id])] for problem in problems]
        return found, summary.prompt_tokens


class TeacherJudge:
    """A teacher that marks what no program could, in `judging/` of the round's folder."""

    def __init__(self, options: TeacherOptions) -> None:
        self._options = options

    def __call__(self, unread: Iterable[Unread], folder: Path) -> dict[str, bool]:
        """Return whether each reply agrees, by its id; one that the judge gave no readable verdict on is left out."""
        seeds = {
            each.id: Seed(
                id=each.id,
                text=each.id,
                kind="math",
                meta={
                    "problem": each.problem.prompt,
                    "reference": each.problem.solution or f"The answer is {each.problem.answer}.",
                    "reply": each.reply,
                },
            )
            for each in unread
        }
        if not seeds:
            return {}
        _run(list(seeds.values()), "judge", folder / "judging", self._options, 0)
        found: dict[str, bool] = {}
        for row in read_pairs(folder / "judging"):
            turns: list[dict[str, Any]] = row["messages"]
            found[turns[0]["content"]] = turns[1]["content"] == "agree"
        return found


def _run(seeds: Sequence[Seed], flow: str, out: Path, options: TeacherOptions, run_seed: int) -> Summary:
    """Ask everything, or raise: a round must not go on with replies that only a broken connection kept out."""
    summary = generate(seeds, [paths.TRAINERS / flow], out, teacher=options, run_seed=run_seed)
    if summary.failed:
        raise TeacherUnavailable(
            f"{summary.failed} of {summary.items} questions in {out} failed: see `agentinstruct status {out}`, then "
            "call again to ask those"
        )
    return summary
