"""`Retry`: what is tried again, how often, and after which wait."""

from __future__ import annotations

import asyncio
import time
from random import Random

import pytest
from autogen_core import CancellationToken
from autogen_core.models import RequestUsage
from hypothesis import given
from hypothesis import strategies as st

from agentinstruct.errors import BudgetExceeded, Rejected, TeacherRefused, TeacherUnavailable
from agentinstruct.teacher.failures import retry_after
from agentinstruct.teacher.retry import Retry
from tests.teacher.scripted import QUESTION, ScriptedClient, Time

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
