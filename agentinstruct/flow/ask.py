"""`Ask`: one question to the teacher, one typed answer.

An `Ask` is bound to one seed and one flow. Every agent it runs is a fresh AutoGen agent (they keep state) on a client
that journals, repairs and types its replies; nothing here knows how the teacher is reached or where replies are kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from random import Random
from typing import TypeVar, Unpack, cast, overload

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import Response, TaskResult, Team
from autogen_agentchat.messages import TextMessage
from autogen_core import CancellationToken
from autogen_core.models import ChatCompletionClient, CreateResult, LLMMessage
from pydantic import BaseModel

from agentinstruct.errors import (
    AgentInstructError,
    BudgetExceeded,
    ConfigurationError,
    Rejected,
    RunStopped,
    TeacherRefused,
)
from agentinstruct.flow.prompts import Prompt, Prompts
from agentinstruct.records import Asked, Rejection, Seed, content_hash
from agentinstruct.teacher import Journaled, Layer, Recorder, RequestOptions, Scope, Typed, read_reply
from agentinstruct.telemetry import UNWATCHED, Span
from agentinstruct.verify import instruction_key

Reply = TypeVar("Reply", bound=BaseModel)
Teachers = Mapping[str, ChatCompletionClient]
"""Teachers by role: the name or last path part of an agent; `""` is the teacher of all others."""


def _no_claims(_key: str) -> bool:
    return True


@dataclass(slots=True, kw_only=True)
class Item:
    """One seed under one flow while it runs: what all branches of its `Ask` share."""

    seed: Seed
    flow: str
    run_seed: int
    prompts: Prompts
    teachers: Teachers
    recorder: Recorder
    claim: Callable[[str], bool] = _no_claims
    """Claim an instruction for this item; False when an earlier seed's item holds it."""
    span: Span = UNWATCHED
    rejections: list[Rejection] = field(default_factory=list)
    claimed: dict[str, bool] = field(default_factory=dict)
    """Every instruction this item wanted to claim, and whether it could."""
    stopped: AgentInstructError | None = None
    """What ended the run while this item asked: a flow, or a task group in it, may have lost it or its type."""
    ended: bool = False
    in_flight: int = 0
    quiet: asyncio.Event = field(default_factory=asyncio.Event)

    async def end(self) -> None:
        """Let branches that still run ask nothing more, and their questions in flight come back: they are paid for."""
        self.ended = True
        while self.in_flight:
            self.quiet.clear()
            await self.quiet.wait()


class Ask:
    """Asks the agents of one flow about one seed: `await ask("poet", text=seed.text, returns=Poem)`."""

    def __init__(self, item: Item, path: str = "", *, span: Span | None = None) -> None:
        self._item = item
        self._scope = Scope.at(path, flow=item.flow, seed=item.seed.id)
        self._span = span or item.span

    @property
    def seed(self) -> Seed:
        """The seed this `Ask` is bound to."""
        return self._item.seed

    @property
    def flow(self) -> str:
        """The name of the flow this `Ask` is bound to."""
        return self._item.flow

    @property
    def prompts(self) -> Prompts:
        """The prompts of the flow."""
        return self._item.prompts

    @property
    def asked(self) -> tuple[Asked, ...]:
        """Every question asked in this branch so far, in order."""
        return tuple(self._scope.asked)

    @cached_property
    def random(self) -> Random:
        """A generator seeded by run seed, flow, seed and branch: the same item always draws the same way."""
        item = self._item
        return Random(content_hash("random", item.run_seed, item.flow, item.seed.id, self._scope.path))

    def branch(self, *labels: object) -> Ask:
        """Return an `Ask` for work that runs beside other work of the same item.

        `labels` must tell the branches of an item apart, and stay the same from run to run: they decide the branch's
        chance and, with the request, its place in the journal.
        """
        return Ask(self._item, content_hash(self._scope.path, *labels), span=self._span)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Watch what this branch does in the block, and in branches made there, as one stage.

        `Flow` does so for its own stages. It changes nothing but the spans; a branch is in one stage at a time.
        """
        outer = self._span
        with outer.open("stage", name, stage=name) as span:
            self._span = span
            try:
                yield
            finally:
                self._span = outer

    @overload
    async def __call__(self, agent: str, *, returns: type[Reply], **variables: object) -> Reply: ...
    @overload
    async def __call__(self, agent: str, *, returns: None = None, **variables: object) -> str: ...

    async def __call__(
        self, agent: str, *, returns: type[BaseModel] | None = None, **variables: object
    ) -> BaseModel | str:
        """Ask `agent`, whose user message is rendered from `variables`, for a text or a reply of type `returns`.

        Raises `Rejected` when the teacher twice gives nothing readable, `FlowError` when the prompt lacks a variable,
        and what the teacher stack raises.
        """
        prompt = self._item.prompts[agent]
        message = TextMessage(content=prompt.render(variables), source="user")
        assistant = self.agent(agent, returns=returns)
        # `on_messages` would leave the stream unfinished, and have the event loop make two tasks to clean up after it
        async for event in assistant.on_messages_stream([message], CancellationToken()):
            last = event
        text = cast(TextMessage, cast(Response, last).chat_message).content
        return text if returns is None else read_reply(text, returns)

    def agent(self, name: str, *, returns: type[BaseModel] | None = None) -> AssistantAgent:
        """Return a fresh AutoGen agent with the prompt's system message, for teams; use it for one task only."""
        prompt = self._item.prompts[name]
        return AssistantAgent(
            prompt.identifier,
            self.client(name, returns=returns, prompt=prompt),
            description=f"The agent {name} of the flow {self._item.flow}.",
            system_message=prompt.system or None,
        )

    def client(
        self, agent: str, *, returns: type[BaseModel] | None = None, prompt: Prompt | None = None
    ) -> ChatCompletionClient:
        """Return the teacher of `agent` as an AutoGen client that journals in this branch and types its replies."""
        item = self._item
        journaled = Journaled(
            item.teachers.get(agent) or item.teachers.get(agent.rpartition("/")[2]) or item.teachers[""],
            recorder=item.recorder,
            scope=self._scope,
            agent=agent,
            prompt_hash=prompt.hash if prompt else "",
            span=self._span,
        )
        return Typed(_Counted(journaled, item), returns)

    async def team(self, factory: Callable[[ChatCompletionClient], Team], task: str) -> TaskResult:
        """Run a fresh AutoGen team of any kind on `task`.

        A stock team's runtime turns every error into a `RuntimeError`; the teacher's own error is raised instead.
        """
        witness = _Witness(self.client("team"))
        token = CancellationToken()
        try:
            result = await factory(witness).run(task=task, cancellation_token=token)
        except Exception as error:
            raise witness.failure or error from error
        finally:
            token.cancel()
        if witness.failure:
            raise witness.failure
        if not result.messages:
            raise Rejected("empty_reply", f"the team stopped without a message: {result.stop_reason}")
        return result

    def is_new(self, instruction: str) -> bool:
        """Claim an instruction: False when this item, or the item of an earlier seed, already has the same one.

        Whoever asks yields the pair, or a `Rejection` called `duplicate`: only so can the run see later that an
        instruction was refused for a holder that has lost it.
        """
        key = instruction_key(instruction)
        if key in self._item.claimed:
            return False
        self._item.claimed[key] = self._item.claim(key)
        return self._item.claimed[key]

    def holds(self, instruction: str) -> bool:
        """Tell whether this item has claimed an instruction, and could."""
        return self._item.claimed.get(instruction_key(instruction), False)

    def reject(self, rejection: Rejection) -> None:
        """Count something that did not become a pair."""
        self._item.rejections.append(rejection)


class _Counted(Layer):
    """Knows an item's questions in flight, and what stopped them.

    An item may end while branches of it still run: `gather` leaves them behind when one of them fails.
    """

    def __init__(self, inner: ChatCompletionClient, item: Item) -> None:
        super().__init__(inner)
        self._item = item

    async def create(self, messages: Sequence[LLMMessage], **options: Unpack[RequestOptions]) -> CreateResult:
        if self._item.ended:
            raise RunStopped("the item has ended")
        self._item.in_flight += 1
        try:
            return await self.inner.create(messages, **options)
        except (RunStopped, BudgetExceeded, TeacherRefused, ConfigurationError) as error:
            self._item.stopped = self._item.stopped or error
            raise
        finally:
            self._item.in_flight -= 1
            if not self._item.in_flight:
                self._item.quiet.set()


class _Witness(Layer):
    """Keeps the first error the teacher raised, since a team's runtime loses its type."""

    failure: AgentInstructError | None = None

    async def create(self, messages: Sequence[LLMMessage], **options: Unpack[RequestOptions]) -> CreateResult:
        try:
            return await self.inner.create(messages, **options)
        except AgentInstructError as error:
            self.failure = self.failure or error
            raise
