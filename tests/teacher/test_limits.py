"""`Limits` and `Pace`: how many calls at once, and how many a minute."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from random import Random

import pytest
from autogen_core import CancellationToken
from autogen_core.models import RequestUsage
from hypothesis import given, settings
from hypothesis import strategies as st

from agentinstruct.errors import TeacherUnavailable
from agentinstruct.teacher.limits import Concurrency, Limits
from agentinstruct.teacher.pace import Pace
from agentinstruct.teacher.protected import Protected
from tests.teacher.scripted import QUESTION, ScriptedClient, Time, gather

THROTTLED = TeacherUnavailable("429", throttled=True, perhaps_billed=False)
ANSWERED = RequestUsage(prompt_tokens=10, completion_tokens=5)


def test_no_more_calls_than_allowed_are_in_flight() -> None:
    async def run() -> ScriptedClient:
        client = ScriptedClient(turns=3)
        limits = Limits(client, Concurrency(5))
        await asyncio.gather(*(limits.create(QUESTION) for _ in range(50)))
        assert limits.concurrency.in_flight == 0
        return client

    client = asyncio.run(run())
    assert (client.calls, client.in_flight_max) == (50, 5)


def test_a_burst_of_429_reduces_once_and_recovers_to_full() -> None:
    async def run() -> None:
        time = Time()
        client = ScriptedClient(lambda number: THROTTLED if number < 32 else ANSWERED)
        stack = Protected(client, concurrency=32, clock=time.clock, sleep=time.sleep)
        assert not [
            outcome
            for outcome in await gather(*(stack.create(QUESTION) for _ in range(32)))
            if isinstance(outcome, Exception)
        ]
        assert stack.concurrency.reductions == 1
        await asyncio.gather(*(stack.create(QUESTION) for _ in range(300)))
        assert stack.concurrency.allowed == 32
        assert str(stack.concurrency) == "0 in flight, 32 of 32 allowed, reduced 1 times"

    asyncio.run(run())


def test_a_server_that_always_throttles_leaves_one_call_at_a_time_and_ends() -> None:
    async def run() -> None:
        time = Time()
        stack = Protected(ScriptedClient(lambda _number: THROTTLED), concurrency=16, clock=time.clock, sleep=time.sleep)
        outcomes = await gather(*(stack.create(QUESTION) for _ in range(40)))
        assert all(isinstance(outcome, TeacherUnavailable) for outcome in outcomes)
        assert int(stack.concurrency.allowed) == 1

    asyncio.run(run())


def test_a_call_keeps_its_slot_while_it_waits_to_be_tried_again() -> None:
    async def run() -> None:
        gate = asyncio.Event()

        async def sleep(_seconds: float) -> None:
            await gate.wait()

        client = ScriptedClient(lambda number: THROTTLED if number == 0 else ANSWERED)
        stack = Protected(client, concurrency=1, sleep=sleep)
        calls = [asyncio.create_task(stack.create(QUESTION)) for _ in range(3)]
        for _ in range(30):
            await asyncio.sleep(0)
        assert client.calls == 1
        gate.set()
        await asyncio.gather(*calls)

    asyncio.run(run())


@given(st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_cancelled_calls_leave_no_slot_taken(random: Random) -> None:
    async def run() -> None:
        concurrency = Concurrency(3)
        limits = Limits(ScriptedClient(turns=2), concurrency)
        tokens = [CancellationToken() for _ in range(20)]
        calls = [asyncio.create_task(limits.create(QUESTION, cancellation_token=token)) for token in tokens]
        for place in random.sample(range(20), 8):
            await asyncio.sleep(0)
            if random.random() < 0.5:
                calls[place].cancel()
            else:
                tokens[place].cancel()
        await gather(*calls)
        assert concurrency.in_flight == 0
        assert (await limits.create(QUESTION)).content == "Eight."

    asyncio.run(run())


def arrivals(requests: int | None, tokens: int | None, usage: list[RequestUsage]) -> list[tuple[float, int]]:
    """Return when each call was sent and what it took, on a clock that only waiting moves."""
    time = Time()
    sent: list[tuple[float, int]] = []

    def step(number: int) -> RequestUsage:
        used = usage[number % len(usage)]
        sent.append((time.now, used.prompt_tokens + used.completion_tokens))
        time.now += 0.01
        return used

    pace = Pace(
        ScriptedClient(step, turns=0, max_tokens=200),
        Concurrency(16, clock=time.clock),
        requests_per_minute=requests,
        tokens_per_minute=tokens,
        sleep=time.sleep,
    )

    async def run() -> None:
        await asyncio.gather(*(pace.create(QUESTION) for _ in range(80)))

    asyncio.run(run())
    return sent


def test_no_minute_sees_more_requests_than_allowed() -> None:
    sent = [when for when, _ in arrivals(20, None, [ANSWERED])]
    assert len(sent) == 80
    assert all(later - earlier >= 60 for earlier, later in zip(sent, sent[20:], strict=False))
    assert sent[-1] - sent[0] < 4 * 62, "it must not be slower than the limit asks"


@given(st.lists(st.integers(1, 199), min_size=1, max_size=9), st.integers(300, 3000))
@settings(max_examples=25, deadline=None)
def test_no_minute_sees_more_tokens_than_allowed(replies: list[int], limit: int) -> None:
    sent = arrivals(None, limit, [RequestUsage(prompt_tokens=9, completion_tokens=reply) for reply in replies])
    assert len(sent) == 80
    for place, (start, _) in enumerate(sent):
        assert sum(used for when, used in sent[place:] if when < start + 60) <= limit


def test_replies_shorter_than_feared_make_room_for_more() -> None:
    sent = [when for when, _ in arrivals(None, 1000, [ANSWERED])]
    assert sent[-1] - sent[0] < 3 * 62, "80 calls of 15 tokens are 1,200; by the estimates they would be some 19,000"


def test_a_question_larger_than_the_minute_goes_alone_and_not_never() -> None:
    sent = [when for when, _ in arrivals(None, 50, [ANSWERED])]
    assert len(sent) == 80
    assert all(later > earlier for earlier, later in pairwise(sent))


def test_attempts_count_as_requests() -> None:
    async def run() -> None:
        time = Time()
        sent: list[float] = []

        def step(number: int) -> RequestUsage | Exception:
            sent.append(time.now)
            return TeacherUnavailable("late") if number % 2 else ANSWERED

        stack = Protected(
            ScriptedClient(step, turns=0), requests_per_minute=10, clock=time.clock, sleep=time.sleep, concurrency=8
        )
        await gather(*(stack.create(QUESTION) for _ in range(30)))
        assert len(sent) > 30
        assert all(later - earlier >= 60 for earlier, later in zip(sent, sent[10:], strict=False))

    asyncio.run(run())


@pytest.mark.parametrize("most", [1, 2, 7])
def test_calls_are_served_in_the_order_they_came(most: int) -> None:
    async def run() -> list[int]:
        order: list[int] = []
        concurrency = Concurrency(most)

        async def call(number: int) -> None:
            async with concurrency.slot():
                order.append(number)
                await asyncio.sleep(0)

        await asyncio.gather(*(call(number) for number in range(30)))
        return order

    assert asyncio.run(run()) == list(range(30))
