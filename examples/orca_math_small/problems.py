"""Writes word problems of one to four steps, each with its answer and a teacher's solution: as many as are asked for.

A template is the row of sentence patterns a problem is told in. One in five, chosen by its hash, is kept for the tests:
a student meets all their sentences in training, but never in that order.

The teacher is right and terse: it often does two or more steps in one line. A small student that imitates it takes the
same short cuts and stumbles, so that what it should learn from practice is which way of solving works for itself
(Orca 2, section 4.1, on strategies that suit the student and not the teacher).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from random import Random
from typing import Literal

Split = Literal["train", "test"]

NAMES = ["Ana", "Ben", "Dora", "Emil", "Hana", "Ivo", "Kofi", "Lena", "Mira", "Omar"]
THINGS = ["apples", "beads", "cards", "coins", "eggs", "keys", "nuts", "pens"]
OPENINGS = [
    "{who} has {number} {things} .",
    "{who} starts with {number} {things} .",
    "Here are {who} and {number} {things} .",
]
STEPS = {
    "+": ["{friend} adds {number} more .", "{who} finds {number} {things} .", "{who} buys another {number} ."],
    "-": ["{friend} takes {number} away .", "{who} loses {number} {things} .", "{who} then uses {number} ."],
    "*": ["The pile grows {number} times as big .", "Soon there are {number} times as many ."],
    "/": ["{who} keeps one of {number} equal shares .", "Only one part in {number} is left ."],
}
IDLE = ["{friend} is {number} years old .", "{friend} has {number} cousins ."]
QUESTIONS = ["How many {things} are there now ?", "How many {things} does {who} have ?"]

LONGEST = 4
"""Steps of the longest problem."""
LARGEST_GIVEN, LARGEST = 40, 99
"""Largest number a story mentions, and largest it comes to: small enough to learn all sums of in minutes."""
SKIPS = 0.35
"""How often the teacher goes on in the same line instead of writing down what it has so far."""
HELD_OUT_OF = 5
"""One template in so many is kept for the tests."""


@dataclass(frozen=True, slots=True)
class WordProblem:
    """A problem with the answer and a teacher's solution to it."""

    question: str
    answer: int
    solution: str


@dataclass(frozen=True, slots=True)
class Step:
    """One line of arithmetic: `before` `sign` `number` gives `after`."""

    before: int
    sign: str
    number: int
    after: int


def write_problems(count: int, split: Split, seed: int) -> list[WordProblem]:
    """Return `count` different problems of a split, the same ones for the same seed on every machine."""
    chance = Random(f"{split} {seed}")
    found: dict[str, WordProblem] = {}
    while len(found) < count:
        problem = _try_problem(chance, held_out=split == "test")
        if problem:
            found.setdefault(problem.question, problem)
    return list(found.values())


def _try_problem(chance: Random, *, held_out: bool) -> WordProblem | None:
    """Draw a problem; None where its template is of the other split, or a number would leave the range."""
    opening, question = chance.choice(OPENINGS), chance.choice(QUESTIONS)
    signs = [chance.choice("++--*/") for _ in range(chance.randint(1, LONGEST))]
    patterns = [chance.choice(STEPS[sign]) for sign in signs]
    if _is_held_out([opening, *patterns, question]) != held_out:
        return None
    steps = _draw_steps(chance, chance.randint(3, LARGEST_GIVEN), signs)
    if not steps:
        return None
    who, friend = chance.sample(NAMES, 2)
    numbers = [steps[0].before, *(step.number for step in steps)]
    told = list(zip([opening, *patterns], numbers, strict=True))
    if chance.random() < 0.25:  # a number that has nothing to do with it
        told.insert(chance.randint(1, len(told)), (chance.choice(IDLE), chance.randint(2, 28)))
    words = {"who": who, "friend": friend, "things": chance.choice(THINGS)}
    sentences = [pattern.format(number=number, **words) for pattern, number in told]
    sentences.append(question.format(**words))
    return WordProblem(" ".join(sentences), steps[-1].after, _solve(steps, chance))


def _is_held_out(patterns: list[str]) -> bool:
    return hashlib.sha256("|".join(patterns).encode()).digest()[0] % HELD_OUT_OF == 0


def _draw_steps(chance: Random, start: int, signs: list[str]) -> list[Step]:
    """Return a step for each sign; none where one of them cannot be done within the range."""
    steps: list[Step] = []
    before = start
    for sign in signs:
        numbers = _possible(before, sign)
        if not numbers:
            return []
        number = chance.choice(numbers)
        after = {"+": before + number, "-": before - number, "*": before * number, "/": before // number}[sign]
        steps.append(Step(before, sign, number, after))
        before = after
    return steps


def _possible(before: int, sign: str) -> list[int]:
    match sign:
        case "+":
            return list(range(2, min(LARGEST_GIVEN, LARGEST - before) + 1))
        case "-":
            return list(range(2, min(LARGEST_GIVEN, before - 1) + 1))
        case "*":
            return [number for number in range(2, 10) if before * number <= LARGEST]
        case _:
            return [number for number in range(2, 10) if before % number == 0]


def _solve(steps: list[Step], chance: Random) -> str:
    """Return the teacher's solution: lines of one step or more, and the answer behind `####` as GSM8K has it."""
    lines: list[str] = []
    line = ""
    for place, step in enumerate(steps):
        last = steps[place - 1].sign if line else ""
        grouped = f"( {line} )" if last in ("+", "-") and step.sign in "*/" else line
        line = f"{grouped or step.before} {step.sign} {step.number}"
        if place + 1 == len(steps) or chance.random() >= SKIPS:
            lines.append(f"{line} = {step.after} .")
            line = ""
    if chance.random() < 0.5:
        lines = [f"{'Then' if place else 'First'} {line}" for place, line in enumerate(lines)]
    return " ".join([*lines, "####", str(steps[-1].after)])
