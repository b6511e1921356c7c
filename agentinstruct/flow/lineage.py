"""Where pairs and rejections came from: what a flow and its stages note of the way, down to every question asked."""

from __future__ import annotations

from typing import TypeVar

from agentinstruct.errors import Rejected
from agentinstruct.flow.ask import Ask
from agentinstruct.records import Asked, Content, Instruction, Lineage, Pair, Rejection, Seed, content_hash
from agentinstruct.verify import instruction_key

Made = TypeVar("Made", Content, Instruction)


def trace(
    seed: Seed,
    flow_name: str,
    *,
    content: Content | None = None,
    instruction: Instruction | None = None,
    asked: tuple[Asked, ...] = (),
) -> Lineage:
    """Return the lineage of something made from `seed` along the given way."""
    ancestry = instruction.ancestry() if instruction else ()
    return Lineage(
        seed_id=seed.id,
        seed_hash=content_hash(seed.text),
        path=str(seed.meta.get("path") or ""),
        source=seed.source,
        license=seed.license,
        flow=flow_name,
        content_id=instruction.content_id if instruction else (content.id if content else None),
        transformation=content.agent if content else None,
        instruction_id=instruction.id if instruction else None,
        parent_id=instruction.parent.id if instruction and instruction.parent else None,
        goal=instruction.goal if instruction else None,
        suggestion=instruction.suggestion if instruction else None,
        round=instruction.round if instruction else 0,
        asked=asked,
        claims=tuple(instruction_key(each.text) for each in ancestry),
    )


def finish(pair: Pair, lineage: Lineage, *, skill: str) -> Pair:
    """Return `pair` with its skill, lineage and id: a hash of seed, flow, instruction and messages."""
    messages = [message.model_dump(mode="json") for message in pair.messages]
    pair_id = content_hash("pair", lineage.seed_id, lineage.flow, lineage.instruction_id, messages)
    return pair.model_copy(
        update={"id": pair_id, "skill": pair.skill or skill, "type": pair.type or lineage.flow, "lineage": lineage}
    )


def refuse(
    ask: Ask,
    stage: str,
    rejected: Rejected,
    *,
    content: Content | None = None,
    instruction: Instruction | None = None,
    text: str = "",
    response: str = "",
) -> None:
    """Count what ended at `stage`, in the branch of `ask`, with the way it came from content or instruction."""
    origin = instruction or content
    asked = (origin.asked if origin else ()) + ask.asked
    lineage = trace(ask.seed, ask.flow, content=content, instruction=instruction, asked=asked)
    why = {"reason": rejected.reason, "detail": rejected.detail}
    ask.reject(Rejection(stage=stage, **why, text=text, response=response, lineage=lineage))


def with_asked(output: Made, before: tuple[Asked, ...], branch: Ask) -> Made:
    """Give a stage's output the questions that led to it, where the stage did not say which those are."""
    if output.asked:
        return output
    return output.model_copy(update={"asked": before + branch.asked})
