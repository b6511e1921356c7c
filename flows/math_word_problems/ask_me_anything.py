"""Orca-Math's Ask Me Anything (section 2): a problem told as a fact, then each of its numbers hidden in turn."""

from __future__ import annotations

import asyncio

from agentinstruct.errors import Rejected
from agentinstruct.flow import Ask, refuse
from agentinstruct.records import Asked, Content, Instruction
from agentinstruct.stages import Problem, Statement
from agentinstruct.verify import find_numbers, parse_number

MOST_HIDDEN = 30
"""No word problem has more numbers; a reply made of numbers alone would cost a question for each."""


async def seed_and_hidden_numbers(content: Content, ask: Ask) -> list[Instruction]:
    """Return the seed's own problem and one new problem for each number that can be hidden.

    The hidden number is the gold answer, so every solution can be verified for nothing.
    """
    answer = str(ask.seed.meta.get("answer", ""))
    if parse_number(answer) is None:
        raise Rejected("no_answer", f"the seed's answer is no number: {answer!r}")
    seed_problem = _instruction(content, content.text, "seed_problem", gold=answer)
    return [seed_problem, *await _hidden_numbers(content, answer, ask.branch("statement"))]


async def _hidden_numbers(content: Content, answer: str, ask: Ask) -> list[Instruction]:
    try:
        statement = await ask("statement_writer", returns=Statement, problem=content.text, answer=answer)
        told = statement.statement.strip()
        if not told:
            raise Rejected("irrelevant", "statement_writer")
    except Rejected as rejected:
        refuse(ask, "instruct", rejected, content=content)
        return []
    marked = [
        (
            f"{told[: number.start]}[[{told[number.start : number.end]}]]{told[number.end :]}",
            told[number.start : number.end],
        )
        for number in find_numbers(told)[:MOST_HIDDEN]
    ]
    stated = content.model_copy(update={"asked": content.asked + ask.asked})
    hidden = await asyncio.gather(*(_hide(text, gold, stated, ask.branch(text)) for text, gold in marked))
    return [each for each in hidden if each]


async def _hide(marked: str, gold: str, content: Content, ask: Ask) -> Instruction | None:
    try:
        problem = await ask("number_hider", returns=Problem, statement=marked)
        if not problem.suitable or not problem.problem.strip():
            raise Rejected("unsuitable_number", marked)
        if problem.problem.strip() == content.text.strip():
            raise Rejected("unchanged", problem.problem)
    except Rejected as rejected:
        refuse(ask, "instruct", rejected, content=content)
        return None
    asked = content.asked + ask.asked
    return _instruction(content, problem.problem.strip(), "ask_me_anything", gold=gold, asked=asked)


def _instruction(content: Content, problem: str, name: str, *, gold: str, asked: tuple[Asked, ...] = ()) -> Instruction:
    return Instruction.of(content.id, problem, type=name, form="number", question=problem, expected=gold, asked=asked)
