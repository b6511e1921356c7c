"""What a run would take, before the first call: each flow's calls and tokens for a seed, scaled to all its seeds.

A shipped flow is tried on the sample seeds with the recorded replies of a strong model. Any other flow is tried on a
few of the seeds themselves with the offline teacher, which tells little of what a model would do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

from autogen_core.models import RequestUsage

from agentinstruct import paths
from agentinstruct.errors import QuestionsWait, SeedError
from agentinstruct.flow import Skill
from agentinstruct.readers import ReadOptions, read_seeds
from agentinstruct.records import Seed
from agentinstruct.run.preview import Tree, preview_item
from agentinstruct.run.teachers import TeacherStack
from agentinstruct.teacher import Exchange, Prices, TeacherOptions

SAMPLE = 12
"""Seeds tried for a flow that has no recording."""
SECONDS_PER_CALL = 4.0
"""A guess at how long a hosted model takes for one of these replies; the time left is measured once a run is going."""
_CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowEstimate:
    """One flow's share; `recorded` when it rests on recorded replies of a strong model."""

    flow: str
    items: int
    calls: int
    prompt_tokens: int
    completion_tokens: int
    recorded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Calls, tokens (four characters each), dollars (None: price unknown) and seconds of a whole run.

    Dollars are at the price of the teacher of all agents, also where a role has a cheaper or dearer one of its own.
    """

    flows: tuple[FlowEstimate, ...]
    dollars: float | None
    seconds: float

    @property
    def calls(self) -> int:
        """Calls of all flows."""
        return sum(flow.calls for flow in self.flows)


async def estimate_run(
    seeds: Iterable[Seed], skills: Iterable[Skill], teacher: TeacherOptions, *, run_seed: int = 0
) -> Estimate:
    """Try each flow, and scale what it took to all of its `seeds`."""
    chosen = tuple(skills)
    counts, samples = _sample(seeds, chosen)
    if not any(counts.values()):
        raise SeedError("no seed that a chosen flow takes was found")
    flows = [await _estimate_flow(skill, counts[skill.name], samples[skill.name], run_seed) for skill in chosen]
    return Estimate(flows=tuple(flows), dollars=_dollars(flows, teacher), seconds=_seconds(flows, teacher))


async def _estimate_flow(skill: Skill, items: int, sample: list[Seed], run_seed: int) -> FlowEstimate:
    recorded = await _replayed(skill) if skill.folder.parent == paths.FLOWS else []
    tried = recorded or await _tried(skill, sample, "offline", run_seed)
    exchanges = [exchange for tree in tried for exchange in tree.exchanges.values()]
    scale = items / max(1, len(tried))
    return FlowEstimate(
        flow=skill.name,
        items=items,
        calls=round(scale * len(exchanges)),
        prompt_tokens=round(scale * sum(map(_prompt_tokens, exchanges))),
        completion_tokens=round(scale * sum(map(_completion_tokens, exchanges))),
        recorded=bool(recorded),
    )


async def _replayed(skill: Skill) -> list[Tree]:
    """Replay a shipped flow on the sample seeds; nothing where its prompts are not the recorded ones any more."""
    found = read_seeds([str(paths.SEEDS / "sample")], options=ReadOptions())
    seeds = [each for each in found if isinstance(each, Seed) and each.kind in skill.flow.kinds]
    try:
        return await _tried(skill, seeds, "recorded:sample", 0)
    except QuestionsWait:
        return []


async def _tried(skill: Skill, seeds: list[Seed], teacher: str, run_seed: int) -> list[Tree]:
    stack = TeacherStack(TeacherOptions(teacher=teacher), spent={})
    try:
        return [await preview_item(seed, skill, stack, run_seed=run_seed) for seed in seeds]
    finally:
        await stack.close()


def _prompt_tokens(exchange: Exchange) -> int:
    """Return what the server counted, or what the words come to where a recording does not tell."""
    return exchange.prompt_tokens or len(exchange.request) // _CHARACTERS_PER_TOKEN


def _completion_tokens(exchange: Exchange) -> int:
    return exchange.completion_tokens or len(exchange.reply) // _CHARACTERS_PER_TOKEN


def _sample(seeds: Iterable[Seed], skills: tuple[Skill, ...]) -> tuple[dict[str, int], dict[str, list[Seed]]]:
    """Count the seeds each flow takes, and draw a few of them with equal chance."""
    random = Random(0)
    counts = {skill.name: 0 for skill in skills}
    samples: dict[str, list[Seed]] = {skill.name: [] for skill in skills}
    for seed in seeds:
        for skill in skills:
            if seed.kind not in skill.flow.kinds:
                continue
            counts[skill.name] += 1
            drawn = samples[skill.name]
            if len(drawn) < SAMPLE:
                drawn.append(seed)
            elif (place := random.randrange(counts[skill.name])) < SAMPLE:
                drawn[place] = seed
    return counts, samples


def _dollars(flows: list[FlowEstimate], teacher: TeacherOptions) -> float | None:
    spec = teacher.teacher if isinstance(teacher.teacher, str) else ""
    price = Prices.load(teacher.prices).of(spec.partition(":")[2] or spec)
    if price is None:
        return None
    return sum(
        price.dollars(RequestUsage(prompt_tokens=flow.prompt_tokens, completion_tokens=flow.completion_tokens))
        for flow in flows
    )


def _seconds(flows: list[FlowEstimate], teacher: TeacherOptions) -> float:
    calls = sum(flow.calls for flow in flows)
    if teacher.teacher == "offline":
        return calls * 0.001
    at_once = calls * SECONDS_PER_CALL / teacher.concurrency
    by_requests = calls / teacher.requests_per_minute * 60 if teacher.requests_per_minute else 0.0
    tokens = sum(flow.prompt_tokens + flow.completion_tokens for flow in flows)
    by_tokens = tokens / teacher.tokens_per_minute * 60 if teacher.tokens_per_minute else 0.0
    return max(at_once, by_requests, by_tokens)
