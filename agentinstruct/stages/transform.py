"""Content transformation: a seed becomes text that is easily asked about (AgentInstruct, section 2.1)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from agentinstruct.errors import Rejected
from agentinstruct.flow import Ask, refuse, with_asked
from agentinstruct.records import Content, Seed
from agentinstruct.stages.replies import Passage

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
            if contents := await _transform(*choice, seed, ask):
                return contents
        return []


class AllOf:
    """Runs every transformation, side by side; those that find the seed irrelevant give nothing."""

    def __init__(self, *transformations: Transformation) -> None:
        self.transformations = transformations

    async def __call__(self, seed: Seed, ask: Ask) -> list[Content]:
        """Return all contents, in the order of the transformations."""
        groups = await asyncio.gather(*(_transform(*each, seed, ask) for each in _resolve(self.transformations, ask)))
        return [content for group in groups for content in group]


def _resolve(transformations: tuple[Transformation, ...], ask: Ask) -> list[tuple[str, Transformation]]:
    """Return each transformation with the label of its branch: an agent's name, or a function's place."""
    resolved: list[tuple[str, Transformation]] = []
    for place, each in enumerate(transformations):
        names = ask.prompts.matching(each) if isinstance(each, str) else []
        resolved += [(name, name) for name in names] or [(str(place), each)]
    return resolved


async def _transform(label: str, transformation: Transformation, seed: Seed, ask: Ask) -> list[Content]:
    branch = ask.branch(label)
    try:
        if isinstance(transformation, str):
            contents = [await _ask_for_passage(transformation, seed, branch)]
        else:
            contents = await transformation(seed, branch)
    except Rejected as rejected:
        refuse(branch, "transform", rejected)
        return []
    return [with_asked(each, (), branch) for each in contents]


async def _ask_for_passage(agent: str, seed: Seed, ask: Ask) -> Content:
    passage = await ask(agent, returns=Passage, text=seed.text)
    if passage.irrelevant or not passage.text.strip():
        raise Rejected("irrelevant", agent)
    return Content.of(seed, passage.text, agent=agent, title=passage.title)
