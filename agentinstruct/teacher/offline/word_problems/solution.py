"""Solves a word problem and writes the solution a pupil can follow, or says that it cannot."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from agentinstruct.teacher.offline.word_problems.answers import find_answer
from agentinstruct.teacher.offline.word_problems.clauses import (
    Clause,
    name_unit,
    read_clause,
    split_clauses,
    split_sentences,
)
from agentinstruct.teacher.offline.word_problems.following import follow
from agentinstruct.teacher.offline.word_problems.linear import Quantity, Unsolvable, merge_steps, write_number
from agentinstruct.teacher.offline.word_problems.phrases import NUMBER
from agentinstruct.teacher.offline.word_problems.questions import Question, question_of, read_question
from agentinstruct.teacher.offline.word_problems.rephrasing import plain_sentence
from agentinstruct.teacher.offline.word_problems.story import Story
from agentinstruct.teacher.offline.word_problems.words import inflect
from agentinstruct.verify import parse_number

LONGEST_PROBLEM = 2_000
"""Characters; longer texts are declined unread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """A solved problem."""

    value: Fraction
    lines: tuple[str, ...]
    question: Question
    clauses: tuple[Clause, ...]
    amount: Quantity


@lru_cache(maxsize=256)
def solve(problem: str) -> Solution:
    """Return the one answer of `problem` with its steps; raises `Unsolvable` when the reader is not sure of it."""
    if len(problem) > LONGEST_PROBLEM:
        raise Unsolvable("too long")
    if any(character.isnumeric() and not character.isascii() for character in problem):
        raise Unsolvable("digits of another script")
    sentences = split_sentences(problem)
    if len(sentences) < 2 or not sentences[-1].endswith("?") or any("?" in sentence for sentence in sentences[:-1]):
        raise Unsolvable("not a story with one question at its end")
    story = Story()
    clauses, equations = read_story(story, sentences[:-1])
    question = read_question(sentences[-1])
    answer = find_answer(story, question)
    if not story.unknown:
        for left, right in equations:
            if left.constant != right.constant:
                raise Unsolvable("the story contradicts itself")
        return _finished(problem, answer.constant, [step.text for step in answer.steps], question, clauses, answer)
    unknown, lines = _solve_for_unknown(equations, story.unknown)
    value = answer.at(unknown)
    if answer.slope != 1 or answer.constant != 0:
        raise Unsolvable("the question asks for more than the missing number")
    return _finished(problem, value, lines, question, clauses, answer)


def read_story(story: Story, sentences: list[str]) -> tuple[tuple[Clause, ...], list[tuple[Quantity, Quantity]]]:
    """Read sentences into `story`; return their clauses and the equations that results in them state."""
    clauses: list[Clause] = []
    equations: list[tuple[Quantity, Quantity]] = []
    for sentence in sentences:
        before: Clause | None = None
        for text in split_clauses(plain_sentence(sentence)):
            clause = read_clause(text, before)
            story.told += " " + text
            if clause is None:
                story.resolve(" ".join(text.split()[:1]))
                continue
            before = clause
            clauses.append(clause)
            if story.is_final(clause):
                equations.append(_equation(story, clause))
            else:
                follow(story, clause)
    return tuple(clauses), equations


def _equation(story: Story, clause: Clause) -> tuple[Quantity, Quantity]:
    assert clause.value is not None
    told = Quantity(constant=clause.value, unit=clause.unit)
    for rate in story.rates:
        if rate.parts and not rate.parts.known:
            total = story.compute("×", told, rate.parts, "All shares together", rate.quantity.unit)
            return total, rate.quantity
    return find_answer(story, question_of(clause)), told


def _solve_for_unknown(equations: list[tuple[Quantity, Quantity]], unit: str) -> tuple[Fraction, list[str]]:
    found = [(left, right) for left, right in equations if left.slope != right.slope]
    if len(found) != 1 or len(equations) != 1:
        raise Unsolvable("not exactly one equation")
    left, right = found[0]
    if not right.known:
        left, right = right, left
    if not right.known:
        raise Unsolvable("the unknown on both sides")
    lines = [step.text for step in merge_steps(left, right)]
    lines.insert(
        0,
        "Let n be the missing amount in dollars."
        if unit == "$"
        else f"Let n be the missing number of {inflect(unit, one=False)}.",
    )
    figure = write_number(right.constant)
    amount = str(right) if right.unit == "$" else f"{right} {name_unit(right.unit, right.constant)}"
    lines.append(f"We are told that this is {amount}, so {left} = {figure}.")
    return _undo(left, right.constant, lines), lines


def _undo(left: Quantity, value: Fraction, lines: list[str]) -> Fraction:
    """Undo the operations around n one by one, a line each, and return n."""
    constant, slope, parts = left.constant, left.slope, left.divisor
    if parts > 1:
        whole = str(left).split(" ÷ ")[0].strip("()")
        lines.append(f"Multiply by {parts}: {whole} = {write_number(value)} × {parts} = {write_number(value * parts)}.")
        value, constant, slope = value * parts, constant * parts, slope * parts
    if constant and slope > 0:
        sign, words = ("−", "Take away {} from") if constant > 0 else ("+", "Add {} to")
        part = write_number(abs(constant))
        rest = value - constant
        lines.append(
            f"{words.format(part)} both sides: "
            f"{_times_n(slope)} = {write_number(value)} {sign} {part} = {write_number(rest)}."
        )
    elif slope < 0:
        rest = constant - value
        lines.append(
            f"So {_times_n(-slope)} = {write_number(constant)} − {write_number(value)} = {write_number(rest)}."
        )
        slope = -slope
    else:
        rest = value
    if slope != 1:
        divisor = write_number(slope)
        lines.append(f"Divide by {divisor}: n = {write_number(rest)} ÷ {divisor} = {write_number(rest / slope)}.")
        rest /= slope
    return rest


def _times_n(slope: Fraction) -> str:
    return "n" if slope == 1 else f"{write_number(slope)} × n"


_FIGURE = re.compile(rf"\b{NUMBER}")


def _refuse_unused(clauses: tuple[Clause, ...], lines: list[str]) -> None:
    """Refuse when a number was not read, or played no part: then something was misunderstood more often than not."""
    used = set(_FIGURE.findall(" ".join(lines).lower()))
    for clause in clauses:
        read: Counter[Fraction | None] = Counter([clause.value, *(phrase.value for phrase in clause.phrases)])
        told: Counter[Fraction | None] = Counter(
            number for text in _FIGURE.findall(clause.text.lower()) if (number := parse_number(text)) is not None
        )
        if told - read:
            raise Unsolvable(f"an unread number in {clause.text!r}")
        if unused := set(_FIGURE.findall(clause.text.lower())) - used:
            raise Unsolvable(f"{', '.join(unused)} plays no part")


def _without_repeats(lines: list[str]) -> list[str]:
    """Drop a line that only tells a fact which a later line tells again and computes with."""
    kept = []
    for place, line in enumerate(lines):
        fact = re.sub(r"(?:: n\b[^×÷+−]*)?\.$", "", line)
        if not any(later.startswith(fact + ":") for later in lines[place + 1 :]):
            kept.append(line)
    return kept


def _finished(
    problem: str, value: Fraction, lines: list[str], question: Question, clauses: tuple[Clause, ...], amount: Quantity
) -> Solution:
    if (
        value < 0
        or (question.unit != "$" and value.denominator not in {1, 2, 4, 5, 10})
        or (value * 100).denominator != 1
    ):
        raise Unsolvable("no sensible answer")
    lines = _without_repeats(lines)
    _refuse_unused(clauses, lines)
    if not lines:
        raise Unsolvable("nothing to work out")
    return Solution(value=value, lines=tuple(lines), question=question, clauses=clauses, amount=amount)


def plain_figure(solution: Solution) -> str:
    """Return the answer's number alone, as a final answer is written: `1150`, `19.50`, `2.5`."""
    return write_number(solution.value, solution.question.unit).strip("$").replace(",", "")


def answer_sentence(solution: Solution) -> str:
    """Return the sentence that ends a solution, with the answer and its unit."""
    fact = solution.question.statement(solution.value)
    if fact:
        return f"Answer: {fact}"
    unit = solution.question.unit
    amount = write_number(solution.value, unit)
    return f"Answer: {amount}." if unit == "$" else f"Answer: {amount} {name_unit(unit, solution.value)}."
