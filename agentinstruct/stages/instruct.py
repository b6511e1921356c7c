"""Seed instruction generation: instructions of each type of a taxonomy (AgentInstruct, section 2.2)."""

from __future__ import annotations

import asyncio
import string
from collections.abc import Sequence
from random import Random

from agentinstruct.errors import Rejected
from agentinstruct.flow import Ask, refuse
from agentinstruct.records import Content, Form, Instruction, Record
from agentinstruct.stages.replies import Question, Questions
from agentinstruct.verify import normalise

LETTERS = string.ascii_uppercase[:10]
LAYOUT = "instruction.jinja"
"""The template file in the flow's folder that lays out the student's message."""


class TaskType(Record):
    """One entry of a taxonomy: a type of instruction, its form, and the transformations that make it eligible."""

    name: str
    form: Form
    guidance: str
    transformations: tuple[str, ...] = ()
    """Names of transformation agents without their folder; empty means all."""
    literal: bool = False
    """True when the answer must stand in the passage word for word."""
    source: str = ""

    def suits(self, content: Content) -> bool:
        """Tell whether content of this transformation may get instructions of this type."""
        return not self.transformations or content.agent.rpartition("/")[2] in self.transformations


class PerType:
    """Draws types that the content is eligible for, and has one agent write instructions of each, side by side.

    `draw` types are asked for at most `each` instructions. The folder's `instruction.jinja` lays out what the student
    sees.
    """

    def __init__(self, taxonomy: str, agent: str, *, draw: int = 8, each: int = 2) -> None:
        self.taxonomy = taxonomy
        self.agent = agent
        self.draw = draw
        self.each = each

    async def __call__(self, content: Content, ask: Ask) -> list[Instruction]:
        """Return the instructions in the order of the drawn types."""
        eligible = [kind for kind in ask.prompts.entries(self.taxonomy, "types", TaskType) if kind.suits(content)]
        drawn = ask.random.sample(eligible, min(self.draw, len(eligible)))
        groups = await asyncio.gather(*(self._write(kind, content, ask) for kind in drawn))
        return [instruction for group in groups for instruction in group]

    async def _write(self, kind: TaskType, content: Content, ask: Ask) -> list[Instruction]:
        branch = ask.branch(kind.name)
        try:
            reply = await branch(
                self.agent, returns=Questions, type=kind, count=self.each, title=content.title, passage=content.text
            )
            if not reply.questions:
                raise Rejected("irrelevant", kind.name)
        except Rejected as rejected:
            refuse(branch, "instruct", rejected, content=content)
            return []
        instructions = []
        for question in reply.questions[: self.each]:
            try:
                instructions.append(write_instruction(question, kind, content, branch))
            except Rejected as rejected:
                refuse(branch, "instruct", rejected, content=content)
        return instructions


def write_instruction(question: Question, kind: TaskType, content: Content, ask: Ask) -> Instruction:
    """Turn a written question into the instruction a student sees; raises `Rejected` where it breaks its form."""
    if not question.question.strip():
        raise Rejected("empty_question", kind.name)
    options, expected = lettered(question.options, question.answer, kind.form, ask.random)
    text = ask.prompts.render_file(
        LAYOUT, {"passage": content.text, "question": question.question, "options": options, "form": kind.form}
    )
    return Instruction.of(
        content.id,
        text,
        type=kind.name,
        guidance=kind.guidance,
        form=kind.form,
        passage=content.text,
        question=question.question,
        options=options,
        expected=expected,
        literal=kind.literal,
        asked=content.asked + ask.asked,
    )


def require_letters(options: Sequence[str]) -> None:
    """Raise `Rejected` when there are more options than letters."""
    if len(options) > len(LETTERS):
        raise Rejected("malformed_options", f"{len(options)} options, over the limit of {len(LETTERS)}")


def lettered(options: Sequence[str], answer: str, form: Form, random: Random) -> tuple[tuple[str, ...], str]:
    """Shuffle options so that no position gives the key away; return them with the expected answer in letters.

    Writers give a sequence's options in the right order, and a multiple choice's answer as the text of its option.
    Raises `Rejected` when the answer is none of the options, two options are the same, or there are more than letters.
    """
    require_letters(options)
    if form not in ("multiple_choice", "sequence"):
        return tuple(options), answer.strip()
    right_order = [option.strip() for option in options]
    if not all(right_order) or len(set(map(normalise, right_order))) < max(3, len(right_order)):
        raise Rejected("malformed_options", " | ".join(right_order)[:2000])
    shown = random.sample(right_order, len(right_order))
    if form == "sequence":
        return tuple(shown), ", ".join(LETTERS[shown.index(option)] for option in right_order)
    keys = [index for index, option in enumerate(shown) if option.casefold() == answer.strip().casefold()]
    if len(keys) != 1:
        raise Rejected("malformed_options", f"the answer {answer!r} is none of: {' | '.join(right_order)}"[:2000])
    return tuple(shown), LETTERS[keys[0]]
