"""All layers together around a real client and a server where everything goes wrong at once."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest
from autogen_core.models import CreateResult, UserMessage

from agentinstruct.errors import TeacherError
from agentinstruct.teacher.budget import Ledger
from agentinstruct.teacher.openai import OpenAITeacher
from agentinstruct.teacher.prices import Price
from agentinstruct.teacher.protected import Protected
from tests.openai_server import Fault, OpenAIServer

pytestmark = pytest.mark.slow


def run_questions(server: OpenAIServer, count: int, ledger: Ledger) -> tuple[list[Any], Protected]:
    async def quick(seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.01))

    async def run() -> tuple[list[Any], Protected]:
        teacher = OpenAITeacher("spider-1", base_url=server.base_url, timeout=1.0, concurrency=16, max_tokens=50)
        price = Price(input=1, output=2)
        stack = Protected(teacher, concurrency=16, ledger=ledger, price=price, sleep=quick, random=Random(0))
        questions = [[UserMessage(content=f"Question {number}", source="user")] for number in range(count)]
        outcomes = await asyncio.gather(*map(stack.create, questions), return_exceptions=True)
        await stack.close()
        return outcomes, stack

    return asyncio.run(run())


def test_with_all_faults_at_once_every_question_is_answered_rightly_or_fails_with_a_reason(
    openai_server: OpenAIServer,
) -> None:
    random = Random(4)
    faults = [
        *[Fault.throttled(0.01)] * 15,
        *[Fault.throttled()] * 15,
        *[Fault(status=500)] * 5,
        *[Fault(kind="reset_within_body", seconds=0)] * 2,
        *[Fault(kind="truncated_json")] * 2,
        Fault(kind="hang", seconds=5),
        *[None] * 60,
    ]
    openai_server.fail(lambda _number, _request: random.choice(faults))
    outcomes, stack = run_questions(openai_server, 150, ledger := Ledger(tokens=1_000_000))
    answered = [(place, outcome) for place, outcome in enumerate(outcomes) if isinstance(outcome, CreateResult)]
    failed = [outcome for outcome in outcomes if isinstance(outcome, TeacherError)]
    assert len(answered) + len(failed) == 150
    assert len(answered) > 120
    assert all(outcome.content == f"Question {place}" for place, outcome in answered)
    assert openai_server.in_flight_max <= 16
    assert stack.concurrency.in_flight == 0
    assert sum(openai_server.billed.values()) <= ledger.spent_tokens


def test_a_cap_in_dollars_holds_on_the_servers_own_bill(openai_server: OpenAIServer) -> None:
    random = Random(5)
    lost = [Fault(kind="truncated_json"), Fault(kind="reset_before_headers"), None, None, None]
    openai_server.fail(lambda _number, _request: random.choice(lost))
    run_questions(openai_server, 150, Ledger(dollars=0.004))
    billed = openai_server.billed
    assert 0 < billed["prompt_tokens"] * 1e-6 + billed["completion_tokens"] * 2e-6 <= 0.004
    assert len(openai_server.arrivals) < 150
