"""`Retry`: what is tried again, how often, and after which wait."""

from __future__ import annotations

import asyncio
import time
from random import Random

import pytest
from autogen_core import CancellationToken
from autogen_core.models import CreateResult, RequestUsage
from hypothesis import given
from hypothesis import strategies as st

from agentinstruct.errors import BudgetExceeded, Rejected, TeacherRefused, TeacherUnavailable
from agentinstruct.teacher.failures import failure_of, retry_after
from agentinstruct.teacher.openai import OpenAITeacher
from agentinstruct.teacher.protected import Protected
from agentinstruct.teacher.retry import Retry
from tests import virtual_time
from tests.openai_server import Fault, Kind, OpenAIServer
from tests.teacher.scripted import QUESTION, ScriptedClient, Time, gather

pytestmark = pytest.mark.slow

ANSWERED = RequestUsage(prompt_tokens=10, completion_tokens=5)


def failing(times: int, error: Exception) -> ScriptedClient:
    return ScriptedClient(lambda number: error if number < times else ANSWERED)


def test_a_curable_failure_is_tried_again_until_it_is_cured() -> None:
    time = Time()
    client = failing(4, TeacherUnavailable("late"))
    result = asyncio.run(Retry(client, sleep=time.sleep, random=Random(1)).create(QUESTION))
    assert (result.content, client.calls) == ("Eight.", 5)
    assert all(0 <= wait <= bound for wait, bound in zip(time.slept, (1, 2, 4, 8), strict=True))


def test_after_the_last_attempt_the_failure_is_raised() -> None:
    client = failing(99, TeacherUnavailable("late"))
    with pytest.raises(TeacherUnavailable, match="late"):
        asyncio.run(Retry(client, attempts=3, sleep=Time().sleep).create(QUESTION))
    assert client.calls == 3


@pytest.mark.parametrize("error", [TeacherRefused("key"), Rejected("content_filter"), BudgetExceeded("cap")])
def test_what_no_try_can_cure_is_asked_once(error: Exception) -> None:
    client = failing(99, error)
    with pytest.raises(type(error)):
        asyncio.run(Retry(client, sleep=Time().sleep).create(QUESTION))
    assert client.calls == 1


def ask_over_http(server: OpenAIServer, fault: Fault) -> object:
    """Ask once, of a server where `fault` befalls every request but the third, and return what came of it."""

    async def quick(_seconds: float) -> None:
        await asyncio.sleep(0)

    async def run() -> object:
        stack = Protected(OpenAITeacher("spider-1", base_url=server.base_url, timeout=0.3), sleep=quick)
        (outcome,) = await gather(stack.create(QUESTION))
        await stack.close()
        return outcome

    server.fail(lambda number, _request: None if number == 2 else fault)
    return asyncio.run(run())


BROKEN: tuple[Kind, ...] = ("reset_before_headers", "reset_within_headers", "reset_within_body", "hang", "trickle")
CURABLE = [
    *[Fault(status=status) for status in (408, 409, 425, 429, 500, 502, 503, 504, 520, 529)],
    *[Fault.throttled(0.02), Fault.throttled(0), Fault.throttled(0, date=True)],
    *[Fault(kind=kind) for kind in (*BROKEN, "truncated_json", "not_json", "no_choices")],
]


@pytest.mark.parametrize("fault", CURABLE, ids=lambda fault: f"{fault.kind}-{fault.status}-{','.join(fault.headers)}")
def test_whatever_another_try_may_cure_is_tried_again(openai_server: OpenAIServer, fault: Fault) -> None:
    outcome = ask_over_http(openai_server, fault)
    assert isinstance(outcome, CreateResult) and outcome.content == "How many legs has a spider?"
    assert len(openai_server.arrivals) == 3


HOPELESS: list[tuple[Fault, type[Exception]]] = [
    *[(Fault(status=status), TeacherRefused) for status in (400, 401, 402, 403, 404, 405, 422)],
    (Fault(status=429, code="insufficient_quota"), TeacherRefused),
    (Fault(status=400, code="content_filter"), Rejected),
    (Fault(kind="content_filter"), Rejected),
    (Fault(kind="refusal"), Rejected),
    (Fault.throttled(301), TeacherUnavailable),
]


@pytest.mark.parametrize(("fault", "becomes"), HOPELESS, ids=lambda each: str(each)[:80])
def test_whatever_no_try_can_cure_is_asked_of_a_server_once(
    openai_server: OpenAIServer, fault: Fault, becomes: type[Exception]
) -> None:
    assert type(ask_over_http(openai_server, fault)) is becomes
    assert len(openai_server.arrivals) == 1


def test_a_jump_of_the_wall_clock_changes_no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> list[float]:
        sent: list[float] = []
        told = {"date": "Wed, 21 Oct 2026 07:28:00 GMT", "retry-after": "Wed, 21 Oct 2026 07:28:30 GMT"}

        def step(number: int) -> RequestUsage | Exception:
            sent.append(virtual_time.clock())
            error = failure_of(429, "", told, model="m", endpoint="e", key_variable="k")
            return error if number in (0, 7) else ANSWERED

        stack = Protected(ScriptedClient(step), concurrency=4, requests_per_minute=5, random=Random(1))
        await asyncio.gather(*(stack.create(QUESTION) for _ in range(20)))
        return sent

    steady = virtual_time.run(run)
    hours = iter(range(10**6))
    monkeypatch.setattr(time, "time", lambda: 1e9 + next(hours) * 3600 * (-1) ** next(hours))
    assert virtual_time.run(run) == steady
    assert steady[-1] - steady[0] > 3 * 60


def test_a_told_wait_is_kept_and_a_too_long_one_ends_the_tries() -> None:
    time = Time()
    client = failing(1, TeacherUnavailable("throttled", retry_after=40))
    asyncio.run(Retry(client, sleep=time.sleep).create(QUESTION))
    assert 40 <= time.slept[0] <= 45
    hopeless = failing(1, TeacherUnavailable("throttled", retry_after=86_400))
    with pytest.raises(TeacherUnavailable):
        asyncio.run(Retry(hopeless, sleep=time.sleep).create(QUESTION))


def test_calls_that_fail_together_do_not_come_back_together() -> None:
    async def run() -> list[float]:
        time = Time()
        retry = Retry(failing(20, TeacherUnavailable("late")), sleep=time.sleep)
        await asyncio.gather(*(retry.create(QUESTION) for _ in range(20)))
        return time.slept

    assert len({round(wait, 6) for wait in asyncio.run(run())}) == 20


def test_a_cancellation_token_ends_a_wait() -> None:
    async def run() -> None:
        token = CancellationToken()
        client = failing(1, TeacherUnavailable("throttled", retry_after=200))
        call = asyncio.create_task(Retry(client).create(QUESTION, cancellation_token=token))
        while not client.calls or client.in_flight:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        token.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    asyncio.run(run())


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ({}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "1e300"}, None),
        ({"retry-after-ms": "-1", "retry-after": "3"}, 3),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT", "date": "Fri, 31 Dec 9999 23:59:58 GMT"}, 1),
        ({"retry-after": "Mon, 01 Jan 0001 00:00:00 -0000"}, 0),
    ],
)
def test_retry_after_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_a_date_without_the_servers_clock_is_read_against_ours() -> None:
    now = time.mktime((2026, 10, 21, 9, 28, 0, 0, 0, 0))
    assert retry_after({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT"}, now) is not None


@given(st.text())
def test_no_header_whatever_makes_reading_it_fail(value: str) -> None:
    wait = retry_after({"retry-after": value, "retry-after-ms": value, "date": value})
    assert wait is None or wait >= 0
