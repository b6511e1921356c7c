"""What a run would take, before the first call: the flows are tried on a few seeds with the offline teacher."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

from autogen_core.models import RequestUsage

from agentinstruct.errors import SeedError
from agentinstruct.flow import Skill
from agentinstruct.records import Seed
from agentinstruct.run.preview import preview_item
from agentinstruct.run.teachers import TeacherStack
from agentinstruct.teacher import Prices, TeacherOptions

SAMPLE = 12
"""Seeds tried for each flow."""
SECONDS_PER_CALL = 4.0
"""A guess at how long a hosted model takes for one of these replies; the time left is measured once a run is going."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowEstimate:
    """One flow's share."""

    flow: str
    items: int
    calls: int
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Calls, tokens (four characters each), dollars (None: price unknown) and seconds of a whole run.

    Dollars are at the price of the teacher of all agents, also where a role has a cheaper or dearer one of its own.
    A lower bound in kind: the offline teacher declines what a model would do, so a model is asked more.
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
    """Try each flow on up to `SAMPLE` seeds drawn from `seeds`, and scale up to all of them."""
    chosen = tuple(skills)
    counts, samples = _sample(seeds, chosen)
    if not any(counts.values()):
        raise SeedError("no seed that a chosen flow takes was found")
    stack = TeacherStack(TeacherOptions(), spent={})
    flows = []
    for skill in chosen:
        tried = [await preview_item(seed, skill, stack, run_seed=run_seed) for seed in samples[skill.name]]
        exchanges = [exchange for each in tried for exchange in each.exchanges.values()]
        scale = counts[skill.name] / max(1, len(tried))
        flows.append(
            FlowEstimate(
                flow=skill.name,
                items=counts[skill.name],
                calls=round(scale * len(exchanges)),
                prompt_tokens=round(scale * sum(exchange.prompt_tokens for exchange in exchanges)),
                completion_tokens=round(scale * sum(exchange.completion_tokens for exchange in exchanges)),
            )
        )
    return Estimate(flows=tuple(flows), dollars=_dollars(flows, teacher), seconds=_seconds(flows, teacher))


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
