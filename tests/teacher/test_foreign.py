"""AutoGen's own client, a stranger to this library, within the stack: its errors mean the same."""

from __future__ import annotations

import asyncio

import pytest
from autogen_core.models import ModelInfo
from autogen_ext.models.openai import OpenAIChatCompletionClient

from agentinstruct.errors import AgentInstructError, Rejected, TeacherError, TeacherRefused, TeacherUnavailable
from agentinstruct.teacher.foreign import Translated
from agentinstruct.teacher.protected import Protected
from tests.openai_server import Fault, OpenAIServer
from tests.teacher.scripted import QUESTION, ScriptedClient, Time

KEY = "sk-do-not-show-me-4711"
INFO = ModelInfo(vision=False, function_calling=True, json_output=True, structured_output=True, family="unknown")


def autogens_own(server: OpenAIServer) -> OpenAIChatCompletionClient:
    return OpenAIChatCompletionClient(
        model="spider-1", api_key=KEY, base_url=server.base_url, model_info=INFO, max_retries=0, timeout=0.5
    )


@pytest.mark.parametrize(
    ("fault", "becomes"),
    [
        (Fault(status=503), TeacherUnavailable),
        (Fault.throttled(3), TeacherUnavailable),
        (Fault(kind="reset_within_body"), TeacherUnavailable),
        (Fault(kind="truncated_json"), TeacherUnavailable),
        (Fault(kind="hang", seconds=5), TeacherUnavailable),
        (Fault(status=401, message=f"wrong key {KEY}"), TeacherRefused),
        (Fault(status=404, code="model_not_found"), TeacherRefused),
        (Fault(status=400, code="content_filter"), Rejected),
        (Fault(kind="no_choices"), TeacherError),
    ],
)
def test_a_strangers_errors_are_understood(
    openai_server: OpenAIServer, fault: Fault, becomes: type[AgentInstructError]
) -> None:
    async def run() -> None:
        client = autogens_own(openai_server)
        try:
            await Translated(client).create(QUESTION)
        finally:
            await client.close()

    openai_server.fail([fault])
    with pytest.raises(becomes) as caught:
        asyncio.run(run())
    error = caught.value
    assert type(error) is becomes
    assert KEY not in f"{error!r} {error.__cause__!r} {error.__context__!r}"
    if isinstance(error, TeacherUnavailable) and fault.status == 429:
        assert (error.throttled, error.retry_after) == (True, 3)


def test_a_strangers_client_gets_every_layer(openai_server: OpenAIServer) -> None:
    async def run() -> str:
        client = autogens_own(openai_server)
        time = Time()
        stack = Protected(client, clock=time.clock, sleep=time.sleep)
        result = await stack.create(QUESTION)
        await stack.close()
        return str(result.content)

    openai_server.fail([Fault.throttled(1), Fault(status=500), None])
    assert asyncio.run(run()) == "How many legs has a spider?"
    assert len(openai_server.arrivals) == 3


def test_a_client_that_never_ends_is_given_up() -> None:
    with pytest.raises(TeacherUnavailable):
        asyncio.run(Translated(ScriptedClient(turns=10**9), timeout=0.05).create(QUESTION))
