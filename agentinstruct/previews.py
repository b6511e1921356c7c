"""One seed through one flow without a run: what each agent was asked and said, and what came of it. Writes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from agentinstruct.agent import Ask, Item
from agentinstruct.library import Skill
from agentinstruct.records import Pair, Rejection, Seed
from agentinstruct.stack import TeacherStack
from agentinstruct.teacher.journaled import Exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A seed's tree: its exchanges by request id in the order asked, its pairs and its rejections."""

    seed: Seed
    skill: Skill
    exchanges: dict[str, Exchange] = field(default_factory=dict)
    pairs: list[Pair] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)


class _Memory:
    """A recorder that keeps an item's exchanges in memory."""

    def __init__(self) -> None:
        self.exchanges: dict[str, Exchange] = {}

    def find(self, key: str) -> str | None:
        known = self.exchanges.get(key)
        return known.reply if known else None

    async def record(self, exchange: Exchange) -> None:
        self.exchanges[exchange.key] = exchange


async def preview_item(
    seed: Seed,
    skill: Skill,
    stack: TeacherStack,
    *,
    run_seed: int = 0,
    claim: Callable[[str], bool] = lambda _: True,
) -> Preview:
    """Run one item in memory; raises what the flow and the teacher raise."""
    recorder = _Memory()
    item = Item(
        seed=seed,
        flow=skill.name,
        run_seed=run_seed,
        prompts=skill.prompts,
        teachers=stack.teachers,
        recorder=recorder,
        claim=claim,
    )
    pairs: list[Pair] = []
    async for outcome in skill.flow.generate(seed, Ask(item)):
        if isinstance(outcome, Pair):
            pairs.append(outcome)
        else:
            item.rejections.append(outcome)
    return Preview(seed=seed, skill=skill, exchanges=recorder.exchanges, pairs=pairs, rejections=item.rejections)
