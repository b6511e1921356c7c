"""The shapes everything speaks: seed, content, instruction, pair, verdict, rejection, and their lineage.

Ids are hashes of content and lineage: the same run gives the same ids, on any machine, in any order.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

SeedKind = Literal["text", "textbook", "code", "math"]
Form = Literal["multiple_choice", "sequence", "true_false", "fill_blank", "short_answer", "list", "number", "open"]
"""How a question is answered, hence how its answer is compared.

`sequence` lists lettered options whose right order is asked for (ordering, matching); `open` has no one right answer.
"""


_canonical = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


def content_hash(*parts: object) -> str:
    """Return 16 hex digits that identify `parts` (anything JSON can hold) across runs and machines."""
    return hashlib.sha256(_canonical(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


class Record(BaseModel):
    """A frozen value that refuses fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Seed(Record):
    """A raw document or source file, or one piece of it."""

    id: str
    text: str
    kind: SeedKind = "text"
    source: str = ""
    """Where a person finds it again: a path, URL or dataset row."""
    license: str = "unknown"
    meta: dict[str, JsonValue] = Field(default_factory=dict)

    @classmethod
    def of(cls, text: str, **fields: Any) -> Seed:
        """Make a seed whose id is the hash of its text and kind, unless `fields` gives an id."""
        fields.setdefault("id", content_hash("seed", fields.get("kind", "text"), text))
        return cls(text=text, **fields)


class Asked(Record):
    """One question to the teacher: the agent, the hash of its prompt, and the request's id in the journal."""

    agent: str
    prompt: str
    request: str


class Content(Record):
    """A seed after a transformation: the text that instructions are written about."""

    id: str
    seed_id: str
    agent: str
    """The transformation that made it, as its path in the flow; `identity` for the seed's own text."""
    text: str
    title: str = ""
    asked: tuple[Asked, ...] = ()

    @classmethod
    def of(cls, seed: Seed, text: str, *, agent: str, title: str = "", asked: tuple[Asked, ...] = ()) -> Content:
        """Make content that descends from `seed`."""
        content_id = content_hash("content", seed.id, agent, text)
        return cls(id=content_id, seed_id=seed.id, agent=agent, text=text, title=title, asked=asked)


class Instruction(Record):
    """What the student will be asked, with what is needed to check an answer to it."""

    id: str
    content_id: str
    type: str
    guidance: str = ""
    """What the taxonomy says of the type, for the agents that refine and judge."""
    form: Form = "open"
    text: str
    """The user message, whole: passage, question and options as the student sees them."""
    passage: str = ""
    question: str = ""
    options: tuple[str, ...] = ()
    """Option texts in the order shown; the first is A."""
    expected: str | None = None
    """The answer its writer had in mind, or the known one (gold): letters for options, else text or a number."""
    literal: bool = False
    """True when the answer must stand in the passage word for word."""
    aim: Literal["answer", "decline", "changed_answer"] = "answer"
    """What a right response does: answer, decline to answer, or answer otherwise than the parent's answer."""
    parent: Instruction | None = None
    goal: str | None = None
    suggestion: str | None = None
    round: int = 0
    """0 as written; n after n rounds of refinement."""
    asked: tuple[Asked, ...] = ()

    @classmethod
    def of(cls, content_id: str, text: str, *, type: str, **fields: Any) -> Instruction:
        """Make an instruction; its id covers content, parent, type, goal, round and text."""
        parent: Instruction | None = fields.get("parent")
        lineage = (content_id, parent.id if parent else None, type, fields.get("goal"), fields.get("round", 0))
        return cls(
            id=content_hash("instruction", *lineage, text), content_id=content_id, text=text, type=type, **fields
        )

    def ancestry(self) -> tuple[Instruction, ...]:
        """Return the line of instructions from the unrefined one down to this one."""
        return (*self.parent.ancestry(), self) if self.parent else (self,)


class Message(Record):
    """One turn, in the OpenAI message form."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str | None = None
    tool_calls: tuple[dict[str, JsonValue], ...] = ()
    tool_call_id: str | None = None


class Verdict(Record):
    """What one check found about a pair."""

    check: str
    passed: bool
    detail: str = ""


class Lineage(Record):
    """Where a pair or a rejection came from, down to every question asked on the way."""

    seed_id: str
    seed_hash: str
    path: str = ""
    """The file, and the line for rows, that the seed was read from; `source` is where that came from in turn."""
    source: str
    license: str
    flow: str
    content_id: str | None = None
    transformation: str | None = None
    instruction_id: str | None = None
    parent_id: str | None = None
    goal: str | None = None
    suggestion: str | None = None
    round: int = 0
    asked: tuple[Asked, ...] = ()
    claims: tuple[str, ...] = ()
    """Normalised-instruction hashes from the first ancestor to this one: what deduplication compares."""


class Pair(Record):
    """An instruction with its response, as a student learns it."""

    id: str = ""
    skill: str = ""
    type: str = ""
    messages: tuple[Message, ...]
    tools: tuple[dict[str, JsonValue], ...] = ()
    final_answer: str | None = None
    evidence: tuple[str, ...] = ()
    """The words of the passage the response rests on."""
    declined: bool = False
    """True when the response says that the question cannot be answered."""
    verdicts: tuple[Verdict, ...] = ()
    lineage: Lineage | None = None
    """Filled in by the flow's run; None only before that."""

    @classmethod
    def of(cls, instruction: str, response: str, **fields: Any) -> Pair:
        """Make a one-turn pair; the run fills in id, skill and lineage when a flow yields it."""
        turns = (Message(role="user", content=instruction), Message(role="assistant", content=response))
        return cls(messages=turns, **fields)

    @property
    def instruction(self) -> str:
        """The user's turns, joined: what makes two pairs the same question."""
        return "\n\n".join(message.content or "" for message in self.messages if message.role == "user")

    @property
    def response(self) -> str:
        """The reply, where the pair is one question and one reply in words; empty for any other conversation."""
        if self.tools or [message.role for message in self.messages] != ["user", "assistant"]:
            return ""
        return self.messages[-1].content or ""


class Rejection(Record):
    """What did not become a pair: at which stage, why, and where it came from."""

    id: str = ""
    stage: str
    reason: str
    detail: str = ""
    text: str = ""
    """The instruction, or the teacher's words, that were rejected."""
    response: str = ""
    """The reply that failed, where there was one to the instruction `text`: an attempt to learn from."""
    lineage: Lineage | None = None
