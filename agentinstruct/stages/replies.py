"""The typed replies of the shipped stages. A flow may bring its own: any pydantic model will do.

Field descriptions travel to the teacher inside the reply schema, so they are written for it. Structured output
needs every field, so none has a default.
"""

from __future__ import annotations

from pydantic import BaseModel, Field


class Passage(BaseModel):
    """A transformation's reply."""

    irrelevant: bool = Field(description="True when the material does not suit this form; the rest is then empty.")
    title: str = Field(description="A short title.")
    text: str = Field(description="The finished passage, complete in itself.")


class Question(BaseModel):
    """One question about a passage, with the answer its writer has in mind."""

    question: str = Field(description="The question alone, without the passage and without lettered options.")
    options: list[str] = Field(description="The options without letters, or empty when the form has none.")
    answer: str = Field(description="The answer; for multiple choice the exact text of the right option.")
    evidence: list[str] = Field(description="The words of the passage that prove the answer, copied exactly.")


class Questions(BaseModel):
    """An instruction writer's reply; empty when the passage offers no good question of the type."""

    questions: list[Question]


class Suggestions(BaseModel):
    """A suggester's reply: ways to change an item, none of them the changed item itself."""

    suggestions: list[str]


class Edit(BaseModel):
    """An editor's reply: an item about a passage after one suggestion was carried out."""

    possible: bool = Field(description="False when the suggestion cannot be carried out well; the rest is then empty.")
    passage: str = Field(description="The whole edited passage, or empty when the passage stays word for word.")
    question: str = Field(description="The question after the edit, without options.")
    options: list[str] = Field(description="All options after the edit without letters, or empty if the form has none.")
    answer: str = Field(description="The answer after the edit, or empty when the item can no longer be answered.")


class Answer(BaseModel):
    """A responder's reply."""

    answerable: bool = Field(description="False when the question cannot be answered from what is given.")
    response: str = Field(description="The full reply to the person who asked, as it should be read.")
    final_answer: str = Field(
        description="The answer alone: a letter, a number, or a few words; empty if there is none."
    )


class GroundedAnswer(Answer):
    """A responder's reply about a passage, with the words it rests on."""

    evidence: list[str] = Field(
        description="The words of the passage the answer rests on, copied exactly; may be empty."
    )


class Judgement(BaseModel):
    """A judge's reply."""

    reason: str = Field(description="Why, in one or two sentences, before the decision.")
    passed: bool


class Statement(BaseModel):
    """A word problem told as a fact, its answer included."""

    statement: str


class Problem(BaseModel):
    """A new word problem."""

    suitable: bool = Field(
        description="False when no clear problem with one answer can be made; the text is then empty."
    )
    problem: str = Field(description="The whole problem, ending in its question.")
