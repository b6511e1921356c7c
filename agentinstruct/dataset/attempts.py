"""Attempts at problems and what was judged of them: what preference data is made of, whoever made the attempts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

By = Literal["teacher", "student"]


@dataclass(frozen=True, slots=True)
class Problem:
    """What was asked. `prompt` is the user's turn; `solution` is the teacher's reply, taken to be right."""

    id: str
    prompt: str
    answer: str | None = None
    """The final answer alone, where there is one."""
    solution: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One reply to a problem, and whether it is right; `reason` says why not."""

    reply: str
    correct: bool
    by: By
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """A problem with attempts at it. The teacher's solution need not be among them."""

    problem: Problem
    attempts: tuple[Attempt, ...] = ()
