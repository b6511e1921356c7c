"""Stopping: what waits ends at once, what is in flight comes back, and nothing new is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Unpack

import pytest
from autogen_core import CancellationToken
from autogen_core.models import CreateResult, LLMMessage, RequestUsage
from hypothesis import given, settings
from hypothesis import strategies as st

from agentinstruct.errors import RunStopped, TeacherUnavailable
from agentinstruct.teacher.budget import Ledger
from agentinstruct.teacher.layer import RequestOptions
from agentinstruct.teacher.protected import Protected
from agentinstruct.teacher.switch import Switch
from tests import virtual_time
from tests.teacher.scripted import QUESTION, ScriptedClient, gather

ANSWERED = RequestUsage(prompt_tokens=10, completion_tokens=5)


class Slow(ScriptedClient):
    """Takes `seconds` for each answer."""

    def __init__(self, seconds: float, *failures: Exception) -> None:
        super().__init__(lambda number: failures[number] if number < len(failures) else ANSWERED, turns=0)
        self.seconds = seconds

    async def create(self, messages: Sequence[LLMMessage], **options: Unpack[RequestOptions]) -> CreateResult:
        await asyncio.sleep(self.seconds)
        return await super().create(messages, **options)


LATE = TeacherUnavailable("late")
TOLD = TeacherUnavailable("429", throttled=True, retry_after=250, perhaps_billed=False)


@pytest.mark.parametrize(
    ("failures", "limits", "waiting"),
    [
        ([LATE] * 99, {"random": Random(3)}, "waiting_to_retry"),
        ([TOLD], {}, "waiting_to_send"),
        ([], {"requests_per_minute": 2}, "waiting_to_send"),
        ([], {"tokens_per_minute": 300}, "waiting_to_send"),
        ([], {"concurrency": 1}, "waiting_for_slot"),
        ([], {"ledger": Ledger(tokens=400)}, "waiting_for_budget"),
    ],
    ids=["back-off", "told to wait", "requests", "tokens", "slot", "budget"],
)
def test_every_wait_ends_at_once_and_what_is_in_flight_comes_back(
    failures: list[Exception], limits: dict[str, object], waiting: str
) -> None:
    async def run() -> None:
        switch = Switch()
        client = Slow(1.0, *failures)
        stack = Protected(client, switch=switch, **limits)  # type: ignore[arg-type]  # one of its settings
        calls = [asyncio.create_task(stack.create(QUESTION)) for _ in range(5)]
        await asyncio.sleep(1.05)
        calls += [asyncio.create_task(stack.create(QUESTION)) for _ in range(5)]
        await asyncio.sleep(0.05)
        state = stack.state()
        assert getattr(state, waiting) > 0
        answered = sum(call.done() for call in calls)
        stopped = virtual_time.clock()
        switch.close()
        outcomes = await gather(*calls)
        came_back = 0 if client.step(0) is LATE else state.in_flight
        assert sum(isinstance(outcome, CreateResult) for outcome in outcomes) == answered + came_back
        assert sum(isinstance(outcome, RunStopped) for outcome in outcomes) == 10 - answered - came_back > 0
        assert client.calls == answered + state.in_flight + state.retries
        assert virtual_time.clock() - stopped <= 1, "only what was in flight was waited for"
        state = stack.state()
        assert state.in_flight == state.waiting_for_slot == state.waiting_to_send == state.waiting_to_retry == 0

    virtual_time.run(run)


@given(st.randoms(use_true_random=False), st.integers(1, 6), st.floats(0, 8))
@settings(max_examples=40, deadline=None)
def test_whenever_it_stops_no_call_is_lost_and_no_slot_kept(random: Random, concurrency: int, moment: float) -> None:
    async def run() -> None:
        switch = Switch()
        stack = Protected(
            Slow(0.5, *[random.choice([LATE, TOLD]) for _ in range(4)]),
            concurrency=concurrency,
            requests_per_minute=6,
            switch=switch,
            random=random,
        )
        token = CancellationToken()
        calls = [asyncio.create_task(stack.create(QUESTION, cancellation_token=token)) for _ in range(12)]
        await asyncio.sleep(moment)
        for call in random.sample(calls, 3):
            call.cancel()
        switch.close()
        if random.random() < 0.5:
            token.cancel()
        outcomes = await gather(*calls)
        assert all(isinstance(each, CreateResult | RunStopped | asyncio.CancelledError) for each in outcomes)
        assert stack.concurrency.in_flight == stack.state().in_flight == 0
        with pytest.raises(RunStopped):
            await switch.sleep(1)

    virtual_time.run(run)


def test_a_stopped_call_that_was_not_sent_is_not_booked() -> None:
    async def run() -> None:
        switch, ledger = Switch(), Ledger(tokens=10_000)
        stack = Protected(Slow(1.0), ledger=ledger, requests_per_minute=1, switch=switch)
        calls = [asyncio.create_task(stack.create(QUESTION)) for _ in range(5)]
        await asyncio.sleep(0.5)
        switch.close()
        await gather(*calls)
        assert ledger.spent_tokens == 15

    virtual_time.run(run)
