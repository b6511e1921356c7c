"""Problems to practise on: what is asked, the answer that counts as right, and the teacher's solution."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

from agentinstruct.dataset import Problem
from agentinstruct.errors import ConfigurationError
from agentinstruct.records import content_hash
from agentinstruct.training.data.rows import BadRow, read_rows
from agentinstruct.verify import final_answer


def read_problems(source: str | Path) -> tuple[list[Problem], int]:
    """Return the problems of a source as `read_rows` knows it, and how many rows were left out.

    A row is a pair of ours (`messages`), `prompt` and `completion`, or `question` and `answer`. Its answer is
    `final_answer`, else what the solution states; a row without one is left out, and so is a prompt that came before.
    """
    found: dict[str, Problem] = {}
    rows = 0
    for read in read_rows(source):
        rows += 1
        if isinstance(read, BadRow):
            raise ConfigurationError(f"{source}: {read}")
        problem = _problem(read[1], read[0])
        if problem.answer:
            found.setdefault(problem.prompt, problem)
    if not found:
        raise ConfigurationError(f"{source} holds no problem with an answer, in {rows} rows")
    return list(found.values()), rows - len(found)


def problems_of_round(problems: list[Problem], number: int | None, *, passed: int, seed: int) -> list[Problem]:
    """Return `number` problems after the `passed` ones of earlier rounds, in the order `seed` shuffles them into.

    They begin anew once all were met; None takes all, in the order given.
    """
    if number is None:
        return problems
    order = list(problems)
    Random(content_hash("problems", seed)).shuffle(order)
    return [order[(passed + place) % len(order)] for place in range(min(number, len(order)))]


def fingerprint(problems: Iterable[Problem]) -> str:
    """Identify problems with their answers and solutions, in their order."""
    return content_hash("problems", [asdict(problem) for problem in problems])


def _problem(row: Any, where: str) -> Problem:
    match row:
        case {"messages": [*turns]}:
            said = {turn["role"]: turn.get("content") for turn in turns if isinstance(turn, dict)}
            prompt, solution = said.get("user"), said.get("assistant")
        case {"prompt": str(prompt)}:
            solution = row.get("completion") or row.get("solution")
        case {"question": str(prompt)}:
            solution = row.get("solution") or row.get("answer")
        case _:
            raise ConfigurationError(f"{where} is not a problem: it has neither messages, nor prompt, nor question")
    if not isinstance(prompt, str) or not isinstance(solution, str | None):
        raise ConfigurationError(f"{where}: prompt and solution must be text, not {prompt!r:.40} and {solution!r:.40}")
    answer = row.get("final_answer") or (row.get("answer") if solution != row.get("answer") else None)
    if answer is None and solution:
        answer = final_answer(solution)
    return Problem(content_hash("problem", prompt), prompt, None if answer is None else str(answer), solution)
