"""A flow: how one seed becomes pairs that teach one skill (AgentInstruct, section 2).

Either composed from stages with `Flow`, or written as an async generator under `@flow`. Both are asked the same way:
`async for pair in flow.generate(seed, ask)`.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Protocol, cast, get_args, overload

from agentinstruct.errors import FlowError, Rejected
from agentinstruct.flow.ask import Ask, Item
from agentinstruct.flow.lineage import finish, refuse, trace, with_asked
from agentinstruct.records import (
    Content,
    Instruction,
    Pair,
    Rejection,
    Seed,
    SeedKind,
    Verdict,
)
from agentinstruct.verify import instruction_key

Transform = Callable[[Seed, Ask], Awaitable[list[Content]]]
Instruct = Callable[[Content, Ask], Awaitable[list[Instruction]]]
Refine = Callable[[Instruction, Ask], Awaitable[list[Instruction]]]
Respond = Callable[[Instruction, Ask], Awaitable[Pair]]
Check = Callable[[Pair, Instruction], Verdict | None]
"""A program's check; None where it has nothing to say about the pair."""
TeacherCheck = Callable[[Pair, Instruction, Ask], Awaitable[Verdict | None]]
"""A check that asks the teacher: an async callable."""

ALL_KINDS: tuple[SeedKind, ...] = get_args(SeedKind)


class AnyFlow(Protocol):
    """What a run needs of a flow."""

    skill: str
    kinds: tuple[SeedKind, ...]

    def generate(self, seed: Seed, ask: Ask) -> AsyncIterator[Pair | Rejection]:
        """Yield what becomes of `seed`."""
        ...


FlowFunction = Callable[[Seed, Ask], AsyncIterator[Pair] | AsyncIterator[Pair | Rejection]]


class FunctionFlow:
    """A flow written as one async generator; see `flow`."""

    def __init__(self, function: FlowFunction, skill: str, kinds: tuple[SeedKind, ...]) -> None:
        self.function = function
        self.skill = skill
        self.kinds = kinds
        self.__doc__ = function.__doc__

    async def generate(self, seed: Seed, ask: Ask) -> AsyncIterator[Pair | Rejection]:
        """Yield the function's pairs with their lineage; a second pair with the same instruction is rejected."""
        yielded: set[str] = set()
        try:
            async for outcome in self.function(seed, ask):
                lineage = trace(seed, ask.flow, asked=ask.asked)
                if isinstance(outcome, Rejection):
                    yield outcome.model_copy(update={"lineage": outcome.lineage or lineage})
                    continue
                key = instruction_key(outcome.instruction)
                lineage = lineage.model_copy(update={"claims": (key,)})
                if ask.is_new(outcome.instruction) or (key not in yielded and ask.holds(outcome.instruction)):
                    yielded.add(key)
                    yield finish(outcome, lineage, skill=self.skill)
                else:
                    yield Rejection(stage="flow", reason="duplicate", text=outcome.instruction, lineage=lineage)
        except Rejected as rejected:
            lineage = trace(seed, ask.flow, asked=ask.asked)
            yield Rejection(stage="flow", reason=rejected.reason, detail=rejected.detail, lineage=lineage)


@overload
def flow(function: FlowFunction) -> FunctionFlow: ...
@overload
def flow(
    function: None = None, *, skill: str = "", kinds: tuple[SeedKind, ...] = ALL_KINDS
) -> Callable[[FlowFunction], FunctionFlow]: ...


def flow(
    function: FlowFunction | None = None, *, skill: str = "", kinds: tuple[SeedKind, ...] = ALL_KINDS
) -> FunctionFlow | Callable[[FlowFunction], FunctionFlow]:
    """Make a flow of an async generator function `(seed, ask)` that yields pairs.

    `skill` is the function's name unless given; `kinds` are the kinds of seed it takes.
    """

    def decorate(wrapped: FlowFunction) -> FunctionFlow:
        if not inspect.isasyncgenfunction(wrapped):
            raise FlowError(f"@flow wants `async def` with `yield`; {wrapped.__name__} is not an async generator")
        return FunctionFlow(wrapped, skill or wrapped.__name__.replace("_", " ").title(), kinds)

    return decorate(function) if function else decorate


class Flow:
    """A flow composed from stages: transform, instruct, refine, respond, verify.

    Refinement adds: after each of `rounds` rounds the parents stay beside their children. Every instruction is
    answered anew from its final text, then goes through the checks of `verify` until one fails: plain functions get
    `(pair, instruction)`, async ones also `ask`. Branches of a seed run side by side.
    """

    def __init__(
        self,
        *,
        skill: str,
        transform: Transform,
        instruct: Instruct,
        respond: Respond,
        refine: Refine | None = None,
        rounds: int = 1,
        verify: Sequence[Check | TeacherCheck] = (),
        kinds: tuple[SeedKind, ...] = ("text", "textbook"),
    ) -> None:
        self.skill = skill
        self.kinds = kinds
        self.transform = transform
        self.instruct = instruct
        self.refine = refine
        self.rounds = rounds
        self.respond = respond
        self.verify = verify

    async def generate(self, seed: Seed, ask: Ask) -> AsyncIterator[Pair | Rejection]:
        """Yield the pairs of `seed` in the order of their instructions; rejections go through `ask.reject`."""
        contents = await self._transformed(seed, ask)
        instructions = await self._instructed(contents, ask)
        by_id = {content.id: content for content in contents}
        answered = await asyncio.gather(
            *(self._answered(by_id.get(each.content_id), each, ask.branch("respond", each.id)) for each in instructions)
        )
        for pair in answered:
            if pair is not None:
                yield pair

    async def _transformed(self, seed: Seed, ask: Ask) -> list[Content]:
        branch = ask.branch("transform")
        try:
            with branch.stage("transform"):
                contents = await self.transform(seed, branch)
        except Rejected as rejected:
            refuse(branch, "transform", rejected)
            return []
        return [with_asked(content, (), branch) for content in contents]

    async def _instructed(self, contents: Sequence[Content], ask: Ask) -> list[Instruction]:
        """Return written and refined instructions, each new; duplicates are refused before more is spent on them."""

        async def write(content: Content) -> list[Instruction]:
            branch = ask.branch("instruct", content.id)
            try:
                with branch.stage("instruct"):
                    written = await self.instruct(content, branch)
            except Rejected as rejected:
                refuse(branch, "instruct", rejected, content=content)
                return []
            return [with_asked(instruction, content.asked, branch) for instruction in written]

        async def improve(parent: Instruction) -> list[Instruction]:
            branch = ask.branch("refine", parent.id)
            try:
                assert self.refine is not None
                with branch.stage("refine"):
                    children = await self.refine(parent, branch)
            except Rejected as rejected:
                refuse(branch, "refine", rejected, instruction=parent)
                return []
            return [with_asked(child, parent.asked, branch) for child in children]

        frontier = _new(_flat(await asyncio.gather(*map(write, contents))), "instruct", ask)
        instructions = list(frontier)
        for _ in range(self.rounds if self.refine else 0):
            open_ended = [instruction for instruction in frontier if instruction.aim != "decline"]
            frontier = _new(_flat(await asyncio.gather(*map(improve, open_ended))), "refine", ask)
            instructions += frontier
        return instructions

    async def _answered(self, content: Content | None, instruction: Instruction, ask: Ask) -> Pair | None:
        """Answer and check one instruction; None when it was rejected."""
        stage, response = "respond", ""
        try:
            with ask.stage("respond"):
                pair = await self.respond(instruction, ask)
            stage, response = "verify", pair.response if pair.instruction == instruction.text else ""
            with ask.stage("verify"):
                verdicts = await self._verified(pair, instruction, ask)
        except Rejected as rejected:
            asked = instruction.text
            refuse(ask, stage, rejected, content=content, instruction=instruction, text=asked, response=response)
            return None
        typed = pair.model_copy(update={"type": pair.type or instruction.type, "verdicts": tuple(verdicts)})
        lineage = trace(
            ask.seed, ask.flow, content=content, instruction=instruction, asked=instruction.asked + ask.asked
        )
        return finish(typed, lineage, skill=self.skill)

    async def _verified(self, pair: Pair, instruction: Instruction, ask: Ask) -> list[Verdict]:
        verdicts = []
        for check in self.verify:
            if verdict := await _ask_check(check, pair, instruction, ask):
                verdicts.append(verdict)
                if not verdict.passed:
                    raise Rejected(verdict.check, verdict.detail)
        return verdicts


async def _ask_check(check: Check | TeacherCheck, pair: Pair, instruction: Instruction, ask: Ask) -> Verdict | None:
    is_async = inspect.iscoroutinefunction(check) or inspect.iscoroutinefunction(getattr(check, "__call__", None))  # noqa: B004
    if is_async:
        return await cast(TeacherCheck, check)(pair, instruction, ask)
    return cast(Check, check)(pair, instruction)


async def run_item(flow: AnyFlow, item: Item) -> tuple[list[Pair], list[Rejection]]:
    """Run a flow on one item to its end; raises what the flow or the teacher raises, whatever the flow made of it."""
    pairs: list[Pair] = []
    try:
        async for outcome in flow.generate(item.seed, Ask(item)):
            if isinstance(outcome, Pair):
                pairs.append(outcome)
            else:
                item.rejections.append(outcome)
    except Exception as error:
        raise item.stopped or error from error
    finally:
        await item.end()
    if item.stopped:
        raise item.stopped  # the flow went on without the answer, as if there were none
    return pairs, item.rejections


def _flat(groups: Iterable[list[Instruction]]) -> list[Instruction]:
    return [instruction for group in groups for instruction in group]


def _new(instructions: Sequence[Instruction], stage: str, ask: Ask) -> list[Instruction]:
    fresh: list[Instruction] = []
    for instruction in instructions:
        if ask.is_new(instruction.text):
            fresh.append(instruction)
        else:
            refuse(ask, stage, Rejected("duplicate"), instruction=instruction, text=instruction.text)
    return fresh
