"""One seed's tree: what each agent was asked and said, and what came of it, tried in memory or read from a journal."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from agentinstruct.flow import Item, Skill, run_item
from agentinstruct.journal import JournalReader, Outcome
from agentinstruct.records import Pair, Rejection, Seed
from agentinstruct.run.teachers import TeacherStack
from agentinstruct.teacher import Exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A seed's way through a flow: its exchanges by request id in the order asked, its pairs and its rejections."""

    seed: Seed
    flow: str
    exchanges: dict[str, Exchange] = field(default_factory=dict)
    pairs: list[Pair] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    error: str = ""
    """Why the item failed, if it did."""
    pending: bool = False
    """True for an item that its run has not finished."""
    notices: tuple[str, ...] = ()
    """What a person should know of the teachers that answered."""


class _Memory:
    """A recorder that keeps an item's exchanges in memory."""

    def __init__(self) -> None:
        self.exchanges: dict[str, Exchange] = {}

    def find(self, key: str) -> str | None:
        known = self.exchanges.get(key)
        return known.reply if known else None

    async def record(self, exchange: Exchange) -> None:
        self.exchanges[exchange.key] = exchange

    def question(self, key: str) -> str:
        return key


async def preview_item(
    seed: Seed,
    skill: Skill,
    stack: TeacherStack,
    *,
    run_seed: int = 0,
) -> Tree:
    """Run one item in memory; raises what the flow and the teacher raise."""
    recorder = _Memory()
    item = Item(
        seed=seed,
        flow=skill.name,
        run_seed=run_seed,
        prompts=skill.prompts,
        teachers=stack.teachers,
        recorder=recorder,
    )
    pairs, rejections = await run_item(skill.flow, item)
    made = Tree(seed=seed, flow=skill.name, exchanges=recorder.exchanges, pairs=pairs, rejections=rejections)
    return replace(made, notices=tuple(stack.notices()))


def recorded_trees(journal: JournalReader, wanted: str) -> list[Tree]:
    """Return the trees of a run's items with the seed `wanted`; or, where `wanted` is a pair's id, that pair's way."""
    if of_seed := journal.outcomes_of(wanted):
        return [_recorded(journal, outcome) for outcome in of_seed]
    trees = []
    for outcome in journal.outcome_with(wanted):
        whole = _recorded(journal, outcome)
        pairs = [pair for pair in outcome.pairs if pair.id == wanted]
        asked = {each.request for pair in pairs if pair.lineage for each in pair.lineage.asked}
        exchanges = {key: exchange for key, exchange in whole.exchanges.items() if key in asked}
        trees += [replace(whole, exchanges=exchanges, pairs=pairs, rejections=[])] if pairs else []
    return trees


def _recorded(journal: JournalReader, outcome: Outcome) -> Tree:
    return Tree(
        seed=journal.seed(outcome.seed),
        flow=outcome.flow,
        exchanges={exchange.key: exchange for exchange in journal.exchanges(outcome.item)},
        pairs=outcome.pairs,
        rejections=outcome.rejections,
        error=outcome.error if outcome.state == "failed" else "",
        pending=outcome.state == "pending",
    )
