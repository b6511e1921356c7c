"""Content transformation: a seed becomes text that is easily asked about (AgentInstruct, section 2.1)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from agentinstruct.agent import Ask
from agentinstruct.errors import Rejected
from agentinstruct.flow import trace
from agentinstruct.records import Content, Rejection, Seed
from agentinstruct.replies import Passage

Transformation = str | Callable[[Seed, Ask], Awaitable[list[Content]]]
"""A pattern of agent names, such as `transform/*`, or a function of the stage's type."""


async def identity(seed: Seed, _ask: Ask) -> list[Content]:
    """Pass the seed's own text on."""
    return [Content.of(seed, seed.text, agent="identity", title=str(seed.meta.get("title") or ""))]


class OneOf:
    """Draws transformations in random order until one finds that the seed suits it.

    A decline is an answer: it is counted as `irrelevant`, and the next transformation is drawn.
    """

    def __init__(self, *transformations: Transformation) -> None:
        self.transformations = transformations

    async def __call__(self, seed: Seed, ask: Ask) -> list[Content]:
        """Return the first content that a drawn transformation gives."""
        choices = _resolve(self.transformations, ask)
        for choice in ask.random.sample(choices, len(choices)):
            if contents := await _transform(choice, seed, ask):
                return contents
        return []


class AllOf:
    """Runs every transformation, side by side; those that find the seed irrelevant give nothing."""

    def __init__(self, *transformations: Transformation) -> None:
        self.transformations = transformations

    async def __call__(self, seed: Seed, ask: Ask) -> list[Content]:
        """Return all contents, in the order of the transformations."""
        groups = await asyncio.gather(*(_transform(each, seed, ask) for each in _resolve(self.transformations, ask)))
        return [content for group in groups for content in group]


def _resolve(transformations: tuple[Transformation, ...], ask: Ask) -> list[Transformation]:
    resolved: list[Transformation] = []
    for each in transformations:
        resolved += ask.prompts.matching(each) if isinstance(each, str) else [each]
    return resolved


async def _transform(transformation: Transformation, seed: Seed, ask: Ask) -> list[Content]:
    if not isinstance(transformation, str):
        return await transformation(seed, ask)
    branch = ask.branch(transformation)
    try:
        passage = await branch(transformation, returns=Passage, text=seed.text)
        if passage.irrelevant or not passage.text.strip():
            raise Rejected("irrelevant", transformation)
    except Rejected as rejected:
        lineage = trace(seed, ask.flow, asked=branch.asked)
        ask.reject(Rejection(stage="transform", reason=rejected.reason, detail=rejected.detail, lineage=lineage))
        return []
    return [Content.of(seed, passage.text, agent=transformation, title=passage.title, asked=branch.asked)]
