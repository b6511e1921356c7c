"""Instruction refinement: a suggester says how to make an item more demanding, an editor does it (section 2.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar

from pydantic import BaseModel

from agentinstruct.errors import Rejected
from agentinstruct.flow import Ask, refuse
from agentinstruct.records import Form, Instruction, Record
from agentinstruct.stages.instruct import LAYOUT, lettered, require_letters
from agentinstruct.stages.replies import Edit, Suggestions
from agentinstruct.stages.team import SuggesterEditorTeam
from agentinstruct.teacher import read_reply

EditReply = TypeVar("EditReply", bound=BaseModel)


class Goal(Record):
    """What a refinement is to achieve, and what that does to the answer."""

    name: str
    guidance: str
    aim: Literal["answer", "decline", "changed_answer"] = "answer"
    edits: str = "question"
    forms: tuple[Form, ...] = ()
    """The forms it applies to; empty means all."""


def edit_item(parent: Instruction, edit: Edit, goal: Goal, ask: Ask) -> Instruction:
    """Carry an edit of passage, question or options over into a child of `parent`.

    Raises `Rejected` where the editor declined, changed nothing, or broke the item's form.
    """
    if not edit.possible:
        raise Rejected("irrelevant", goal.name)
    passage = edit.passage.strip() or parent.passage
    question = edit.question.strip() or parent.question
    if goal.aim == "decline":
        options, expected = tuple(edit.options) or parent.options, ""
        require_letters(options)
    else:
        options, expected = lettered(edit.options, edit.answer, parent.form, ask.random)
    text = ask.prompts.render_file(
        LAYOUT, {"passage": passage, "question": question, "options": options, "form": parent.form}
    )
    if (passage, question) == (parent.passage, parent.question) and set(options) == set(parent.options):
        raise Rejected("unchanged", goal.name)
    changed = {"passage": passage, "question": question, "options": options, "expected": expected}
    return child_of(parent, text, goal=goal, literal=parent.literal, **changed)


def child_of(parent: Instruction, text: str, *, goal: Goal, **fields: Any) -> Instruction:
    """Return the child of `parent` that asks `text`, one round further; `fields` are what else differs."""
    kept = {"type": parent.type, "guidance": parent.guidance, "form": parent.form}
    lineage = {"parent": parent, "goal": goal.name, "aim": goal.aim, "round": parent.round + 1}
    return Instruction.of(parent.content_id, text, **{**kept, **lineage, **fields})


class SuggesterEditor:
    """Asks a suggester–editor team (itself an AutoGen team) for harder children of an instruction.

    One goal of `goals` is drawn per instruction and round, and up to `edits` suggestions are carried out. `apply`
    turns the editor's reply, of type `returns`, into the child. Only instructions of `types` are refined, if given.
    """

    def __init__(
        self,
        suggester: str,
        editor: str,
        *,
        goals: str = "refine_goals.toml",
        edits: int = 1,
        types: tuple[str, ...] = (),
        returns: type[EditReply] = Edit,  # type: ignore[assignment]  # a default for a type variable
        apply: Callable[[Instruction, EditReply, Goal, Ask], Instruction] = edit_item,  # type: ignore[assignment]
    ) -> None:
        self.suggester = suggester
        self.editor = editor
        self.goals = goals
        self.edits = edits
        self.types = types
        self.returns: type[BaseModel] = returns
        self.apply: Callable[..., Instruction] = apply

    async def __call__(self, instruction: Instruction, ask: Ask) -> list[Instruction]:
        """Return the children; what the team could not do is counted as rejections."""
        if self.types and instruction.type not in self.types:
            return []
        goals = [
            goal
            for goal in ask.prompts.entries(self.goals, "goals", Goal)
            if not goal.forms or instruction.form in goal.forms
        ]
        if not goals:
            return []
        goal = ask.random.choice(goals)
        team = self.team(ask)
        result = await team.run(task=ask.prompts[self.suggester].render(item_variables(instruction) | {"goal": goal}))
        edits = team.edits_of(result)
        for rejected in team.rejected or ([] if edits else [Rejected("irrelevant", goal.name)]):
            refuse(ask, "refine", rejected, instruction=instruction, text=instruction.text)
        return [child for suggestion, text in edits if (child := self._child(instruction, suggestion, text, goal, ask))]

    def team(self, ask: Ask) -> SuggesterEditorTeam:
        """Return a fresh team of this stage's two agents."""
        return SuggesterEditorTeam(
            ask.agent(self.suggester, returns=Suggestions),
            ask.agent(self.editor, returns=self.returns),
            suggestion_template=ask.prompts[self.editor].user,
            edits=self.edits,
        )

    def _child(self, parent: Instruction, suggestion: str, text: str, goal: Goal, ask: Ask) -> Instruction | None:
        try:
            child = self.apply(parent, read_reply(text, self.returns), goal, ask)
        except Rejected as rejected:
            refuse(ask, "refine", rejected, instruction=parent, text=parent.text)
            return None
        return child.model_copy(update={"suggestion": suggestion, "asked": parent.asked + ask.asked})


def item_variables(instruction: Instruction) -> dict[str, object]:
    """Return what a prompt may say of an instruction."""
    return {
        "type": {"name": instruction.type, "form": instruction.form, "guidance": instruction.guidance},
        "passage": instruction.passage,
        "question": instruction.question,
        "options": instruction.options,
        "answer": instruction.expected or "",
        "instruction": instruction.text,
    }
