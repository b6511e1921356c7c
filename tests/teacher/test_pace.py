"""`Pace`: what is learnt of a server's limits and kept, and what is not sent while it asks to wait."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, Unpack

import pytest
from autogen_core.models import CreateResult, LLMMessage, RequestUsage, UserMessage
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agentinstruct.errors import TeacherUnavailable
from agentinstruct.teacher.failures import failure_of
from agentinstruct.teacher.layer import RequestOptions
from agentinstruct.teacher.openai import OpenAITeacher
from agentinstruct.teacher.protected import Protected
from agentinstruct.teacher.rates import RatedResult, Rates
from agentinstruct.teacher.state import Rate
from tests import virtual_time
from tests.openai_server import OpenAIServer
from tests.rate_limited import RateLimited, Style, fullest_minutes
from tests.teacher.scripted import QUESTION, ScriptedClient, gather

pytestmark = pytest.mark.slow

PROMPT = 9


class RatedClient(ScriptedClient):
    """Answers in virtual time as a server with `limits` would, and knows which calls were sent under a learnt limit."""

    def __init__(self, limits: RateLimited, *, latencies: Sequence[float] = (0.1,), replies: Sequence[int] = (5,)):
        super().__init__(max_tokens=200)
        self.limits = limits
        self.latencies, self.replies = latencies, replies
        self.stack: Protected | None = None
        self.sent: list[float] = []
        self.known: list[tuple[bool, bool]] = []

    async def create(self, messages: Sequence[LLMMessage], **options: Unpack[RequestOptions]) -> CreateResult:
        number, self.calls = self.calls, self.calls + 1
        reply, latency = self.replies[number % len(self.replies)], self.latencies[number % len(self.latencies)]
        self.sent.append(virtual_time.clock())
        state = self.stack.state() if self.stack else None
        known = (bool(state and state.requests_a_minute), bool(state and state.tokens_a_minute))
        await asyncio.sleep(min(latency / 2, 0.9))  # on its way
        self.known.append(known)
        fault = self.limits(number, {"cost": PROMPT + reply})
        headers = self.limits.headers()
        await asyncio.sleep(latency / 2)
        if fault:
            told = {name.lower(): value for name, value in {**headers, **fault.headers}.items()}
            raise failure_of(fault.status, fault.message, told, model="m", endpoint="e", key_variable="k")
        return rated(headers, reply)


def rated(headers: Mapping[str, str], reply: int = 5) -> CreateResult:
    usage = RequestUsage(prompt_tokens=PROMPT, completion_tokens=reply)
    rates = Rates.told(headers)
    if rates is None:
        return CreateResult(finish_reason="stop", content="Eight.", usage=usage, cached=False)
    return RatedResult(finish_reason="stop", content="Eight.", usage=usage, cached=False, rates=rates)


def limited(**limits: Any) -> RateLimited:
    return RateLimited(virtual_time.clock, cost=lambda request: request["cost"], **limits)


@given(
    requests=st.integers(1, 60),
    tokens=st.integers(300, 6000),
    by_user=st.booleans(),
    style=st.sampled_from(["bucket", "window"]),
    concurrency=st.integers(1, 64),
    latencies=st.lists(st.floats(0.0, 90.0), min_size=1, max_size=7),
    replies=st.lists(st.integers(1, 199), min_size=1, max_size=7),
)
@example(
    60, 500, True, "bucket", 64, [140.0, 0.1, 0.1, 0.1, 0.1], [1, 199, 199, 199, 199]
)  # replies that come after their minute is over
@settings(max_examples=40, deadline=None)
def test_no_minute_on_the_servers_clock_is_fuller_than_a_limit_given_or_learnt_and_everything_ends(
    requests: int,
    tokens: int,
    by_user: bool,
    style: Style,
    concurrency: int,
    latencies: list[float],
    replies: list[int],
) -> None:
    async def run() -> None:
        limits = limited(requests=requests, tokens=tokens, style="silent" if by_user else style)
        client = RatedClient(limits, latencies=latencies, replies=replies)
        client.stack = Protected(
            client,
            concurrency=concurrency,
            requests_per_minute=requests if by_user else None,
            tokens_per_minute=tokens if by_user else None,
            random=Random(0),
        )
        outcomes = await gather(*(client.stack.create(QUESTION) for _ in range(100)))
        answered = [each for each in outcomes if isinstance(each, CreateResult)]
        assert len(answered) + sum(isinstance(each, TeacherUnavailable) for each in outcomes) == 100
        minutes = zip(client.known, fullest_minutes(limits.arrivals), strict=True)
        for (requests_known, tokens_known), (_, calls, used) in minutes:
            assert not requests_known or calls <= requests
            assert not tokens_known or used <= tokens
        assert not by_user or len(answered) == 100 == client.calls
        state = client.stack.state()
        assert state.in_flight == state.waiting_to_send == state.waiting_to_retry == state.waiting_for_slot == 0

    virtual_time.run(run)


@pytest.mark.parametrize("style", ["bucket", "window"])
def test_what_was_sent_before_a_limit_was_learnt_counts_and_the_minute_is_then_used_to_the_full(style: Style) -> None:
    async def run() -> None:
        limits = limited(requests=100, style=style)
        client = RatedClient(limits)
        client.stack = Protected(client, concurrency=8, random=Random(0))
        await asyncio.gather(*(client.stack.create(QUESTION) for _ in range(400)))
        assert client.stack.state().requests_a_minute == Rate(limit=100, learnt=True)
        assert not limits.refused
        assert client.calls == 400
        assert client.sent[-1] - client.sent[0] < 3 * 63, "four minutes' worth takes three waits"

    virtual_time.run(run)


def headers(limit: object, remaining: object, reset: str, kind: str = "requests") -> dict[str, str]:
    told = {"limit": limit, "remaining": remaining, "reset": reset}
    return {f"x-ratelimit-{name}-{kind}": str(value) for name, value in told.items()}


async def learnt(*told: Mapping[str, str], **limits: float) -> Protected:
    """Ask once for each headers, one after the other, and return the stack."""
    results = iter([rated(each) for each in told])

    class Telling(ScriptedClient):
        async def create(self, messages: Sequence[LLMMessage], **options: Unpack[RequestOptions]) -> CreateResult:
            return next(results, None) or rated({})

    stack = Protected(Telling(), **limits)  # type: ignore[arg-type]  # floats for two of its settings
    for _ in told:
        await stack.create(QUESTION)
    return stack


LESSONS: list[tuple[str, list[dict[str, str]], float | None]] = [
    ("OpenAI: little used tells nothing", [headers(500, 499, "120ms")], None),
    ("OpenAI: more used tells", [headers(500, 499, "120ms"), headers(500, 440, "7.2s")], 500),
    ("known once, kept when little is used", [headers(500, 440, "7.2s"), headers(500, 499, "120ms")], 500),
    ("a window", [headers(60, 59, "48s")], 60),
    ("raised", [headers(60, 30, "30s"), headers(120, 119, "500ms")], 120),
    ("lowered", [headers(60, 30, "30s"), headers(20, 19, "3s")], 20),
    ("Groq: a day", [headers(14400, 14370, "2m59.56s")], None),
    ("a day found out late", [headers(14400, 14399, "6s"), headers(14400, 14370, "2m59.56s")], None),
    ("a window of a day", [headers(50, 49, "23h59m0s")], None),
    ("by the second", [headers(5, remaining, reset) for remaining, reset in ((4, "0.9s"), (1, "1s"))], None),
    ("no reset", [{"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "3"}], None),
    ("a limit of nothing", [headers(0, 5, "30s")], None),
    ("a limit of nothing, and nothing left", [headers(0, 0, "30s")], None),
    ("more left than there is", [headers(10, 11, "30s")], None),
    ("huge", [headers(10**11, 10**10, "30s")], 1e11),
    ("past all bounds", [headers(10**30, 10**29, "30s")], None),
]


@pytest.mark.parametrize(("told", "limit"), [each[1:] for each in LESSONS], ids=[each[0] for each in LESSONS])
def test_only_what_is_about_a_minute_is_taken_for_a_limit_a_minute(
    told: list[dict[str, str]], limit: float | None
) -> None:
    async def run() -> None:
        stack = await learnt(*told)
        assert stack.state().requests_a_minute == (None if limit is None else Rate(limit=limit, learnt=True))
        began = virtual_time.clock()
        await stack.create(QUESTION)
        assert virtual_time.clock() == began, "and none of it holds anything up"

    virtual_time.run(run)


def test_a_given_limit_is_believed_over_what_the_server_tells() -> None:
    async def run() -> None:
        stack = await learnt(headers(3, 0, "50s"), headers(9, 0, "50s", "tokens"), requests_per_minute=70)
        assert stack.state().requests_a_minute == Rate(limit=70, learnt=False)
        assert stack.state().tokens_a_minute == Rate(limit=9, learnt=True)

    virtual_time.run(run)


@pytest.mark.parametrize(("reset", "held"), [("7s", 7), ("0.4s", 0.4), ("5h", 60)])
def test_where_nothing_is_left_nothing_is_sent_until_there_is_but_not_for_hours(reset: str, held: float) -> None:
    async def run() -> None:
        began = virtual_time.clock()
        stack = await learnt(headers(500, 0, reset))
        hold = stack.state().hold
        assert hold is not None and hold.seconds == pytest.approx(held)
        assert hold.why == "no requests left"
        await stack.create(QUESTION)
        assert virtual_time.clock() - began == pytest.approx(held, abs=0.01)

    virtual_time.run(run)


def test_a_raised_limit_lets_those_who_wait_go_at_once() -> None:
    async def run() -> None:
        class Raising(ScriptedClient):
            async def create(self, messages: Sequence[LLMMessage], **options: Unpack[RequestOptions]) -> CreateResult:
                self.calls += 1
                if self.calls < 4:
                    return rated(headers(4, 2, "30s"))
                await asyncio.sleep(20)
                return rated(headers(1000, 900, "6s"))

        client = Raising()
        stack = Protected(client)
        for _ in range(3):
            await stack.create(QUESTION)
        calls = [asyncio.create_task(stack.create(QUESTION)) for _ in range(6)]
        await asyncio.sleep(19)
        assert (client.calls, stack.state().waiting_to_send) == (4, 5)
        assert stack.state().unusual() == ["5 calls wait, nothing is sent for 42 s (4 requests a minute, learnt)"]
        await asyncio.sleep(3)
        assert client.calls == 9
        await asyncio.gather(*calls)

    virtual_time.run(run)


@pytest.mark.parametrize(("status", "allowed"), [(429, 16), (503, 32)])
def test_a_told_wait_holds_back_the_neighbours_who_then_come_one_after_the_other(status: int, allowed: int) -> None:
    async def run() -> None:
        sent: list[float] = []

        def step(number: int) -> RequestUsage | Exception:
            sent.append(virtual_time.clock())
            error = failure_of(status, "", {"retry-after": "40"}, model="m", endpoint="e", key_variable="k")
            return error if number == 0 else RequestUsage(prompt_tokens=9, completion_tokens=5)

        stack = Protected(ScriptedClient(step), concurrency=32, random=Random(1))
        first = asyncio.create_task(stack.create(QUESTION))
        await asyncio.sleep(1)
        others = [asyncio.create_task(stack.create(QUESTION)) for _ in range(31)]
        await asyncio.sleep(9)
        state = stack.state()
        assert (state.waiting_to_send, state.waiting_to_retry, state.in_flight) == (allowed - 1, 1, 0)
        assert state.hold is not None and (state.hold.seconds, state.hold.why) == (30, "the server asked")
        assert f"{allowed - 1} calls wait, nothing is sent for 30 s (the server asked)" in state.unusual()
        await asyncio.gather(first, *others)
        assert len(sent) == 33
        assert sent[1] - sent[0] == pytest.approx(40, abs=0.1)
        assert len(set(sent[1:allowed])) == allowed - 1, "no two of them at the same moment"
        assert sent[-1] - sent[0] < 46

    virtual_time.run(run)


def test_a_server_that_still_asks_to_wait_is_asked_by_one_and_not_by_all() -> None:
    async def run() -> None:
        sent: list[float] = []

        def step(_number: int) -> RequestUsage | Exception:
            sent.append(virtual_time.clock())
            return TeacherUnavailable("503", retry_after=20, perhaps_billed=False)

        stack = Protected(ScriptedClient(step), concurrency=64, random=Random(1))
        began = virtual_time.clock()
        calls = [asyncio.create_task(stack.create(QUESTION)) for _ in range(64)]
        await asyncio.sleep(70)
        assert len(sent) == 64 + 3, "all at first, who knew nothing yet; then one every 20 seconds"
        for call in calls:
            call.cancel()
        await gather(*calls)
        assert virtual_time.clock() - began == 70

    virtual_time.run(run)


def test_a_wait_that_is_too_long_to_be_waited_for_holds_nobody() -> None:
    async def run() -> None:
        error = TeacherUnavailable("429", throttled=True, retry_after=86_400, perhaps_billed=False)
        stack = Protected(ScriptedClient(lambda _number: error))
        began = virtual_time.clock()
        assert await gather(*(stack.create(QUESTION) for _ in range(200))) == [error] * 200
        assert virtual_time.clock() == began

    virtual_time.run(run)


@pytest.mark.parametrize("told", ["0", "-5", "nan", "1e300"])
def test_a_told_wait_that_is_none_holds_nothing_back(told: str) -> None:
    async def run() -> None:
        error = failure_of(429, "", {"retry-after": told}, model="m", endpoint="e", key_variable="k")
        answer = RequestUsage(prompt_tokens=9, completion_tokens=5)
        stack = Protected(ScriptedClient(lambda number: answer if number else error), random=Random(1))
        began = virtual_time.clock()
        await stack.create(QUESTION)
        assert virtual_time.clock() - began < 2

    virtual_time.run(run)


def test_silence_is_counted_until_an_answer_comes_whatever_fails_meanwhile() -> None:
    async def run() -> None:
        class Hanging(ScriptedClient):
            async def create(self, messages: Sequence[LLMMessage], **options: Unpack[RequestOptions]) -> CreateResult:
                self.calls += 1
                await asyncio.sleep(100)
                if self.calls <= 4:
                    raise TeacherUnavailable("http://there gave no whole reply within 100 s")
                return rated({})

        stack = Protected(Hanging(), random=Random(1), concurrency=2)
        calls = [asyncio.create_task(stack.create(QUESTION)) for _ in range(3)]
        await asyncio.sleep(31)
        state = stack.state()
        assert (state.quiet, state.in_flight, state.waiting_for_slot) == (31, 2, 1)
        assert state.unusual() == ["no reply for 31 s to 2 calls in flight"]
        await asyncio.sleep(120)
        assert stack.state().unusual() == [
            "no reply for 151 s to 2 calls in flight",
            "last failure: http://there gave no whole reply within 100 s",
        ]
        await asyncio.gather(*calls)
        assert (stack.state().quiet, stack.state().unusual()) == (None, [])
        await asyncio.sleep(500)
        late = asyncio.create_task(stack.create(QUESTION))
        await asyncio.sleep(1)
        assert stack.state().quiet == 1, "it owed nothing before"
        late.cancel()
        await gather(late)
        await asyncio.sleep(500)
        later = asyncio.create_task(stack.create(QUESTION))
        await asyncio.sleep(1)
        assert stack.state().quiet == 1, "it owes nothing for what is cancelled"
        await later

    virtual_time.run(run)


@pytest.mark.parametrize("style", ["bucket", "window"])
def test_over_a_real_connection_a_servers_limits_are_learnt_and_kept(style: Style) -> None:
    async def run() -> None:
        limits = RateLimited(virtual_time.clock, requests=30, style=style)
        server = OpenAIServer(faults=limits)
        server.reply_headers = limits.headers
        serving = asyncio.create_task(server.serve())
        while not server.port:
            await asyncio.sleep(0.01)
        teacher = OpenAITeacher("spider-1", base_url=server.base_url, concurrency=8)
        stack = Protected(teacher, concurrency=8, random=Random(0))
        questions = [[UserMessage(content=f"Question {number}", source="user")] for number in range(100)]
        outcomes = await gather(*map(stack.create, questions))
        await stack.close()
        serving.cancel()
        await gather(serving)
        assert [outcome.content for outcome in outcomes] == [f"Question {number}" for number in range(100)]
        assert stack.state().requests_a_minute == Rate(limit=30, learnt=True)
        assert not limits.refused
        assert max(calls for _, calls, _ in fullest_minutes(limits.arrivals)) <= 30

    virtual_time.run(run, others=True)
