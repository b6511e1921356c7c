"""`OpenAITeacher` against a real server: what is sent, what comes back, and what each fault becomes."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.messages import ModelClientStreamingChunkEvent, StructuredMessage
from autogen_core import CancellationToken, FunctionCall, Image
from autogen_core.models import (
    AssistantMessage,
    CreateResult,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
)
from autogen_core.tools import FunctionTool
from PIL import Image as Picture
from pydantic import BaseModel

from agentinstruct.errors import ConfigurationError, Rejected, TeacherRefused, TeacherUnavailable
from agentinstruct.stages.replies import Questions
from agentinstruct.teacher.layer import identity_of
from agentinstruct.teacher.openai import OpenAITeacher
from tests.openai_server import Fault, OpenAIServer

pytestmark = pytest.mark.slow

KEY = "sk-proj-Zq7_do-not-show-me-41"
QUESTION: list[LLMMessage] = [UserMessage(content="How many legs has a spider?", source="user")]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("OPENAI_BASE_URL", "AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    yield


def ask(
    server: OpenAIServer,
    messages: list[LLMMessage] | None = None,
    settings: dict[str, Any] | None = None,
    **options: Any,
) -> CreateResult:
    async def run() -> CreateResult:
        teacher = OpenAITeacher("spider-1", **{"base_url": server.base_url, **(settings or {})})
        try:
            return await teacher.create(messages or QUESTION, **options)
        finally:
            await teacher.close()

    return asyncio.run(run())


def test_a_question_is_answered_with_text_reason_and_usage(openai_server: OpenAIServer) -> None:
    result = ask(openai_server, settings={"temperature": 0.5, "seed": 7, "extra_body": {"top_k": 3}})
    assert (result.content, result.finish_reason) == ("How many legs has a spider?", "stop")
    assert result.usage.prompt_tokens == 10
    assert openai_server.requests == [
        {
            "model": "spider-1",
            "temperature": 0.5,
            "max_tokens": 4096,
            "seed": 7,
            "messages": [{"role": "user", "content": "How many legs has a spider?"}],
            "top_k": 3,
        }
    ]
    assert openai_server.headers[0]["Authorization"] == f"Bearer {KEY}"


def test_a_whole_conversation_with_tools_is_sent_in_the_openai_form(openai_server: OpenAIServer) -> None:
    def add(a: int, b: int) -> int:
        return a + b

    tool = FunctionTool(add, description="Adds.")
    call = FunctionCall(id="c1", name="add", arguments='{"a": 1, "b": 2}')
    outcome = FunctionExecutionResult(content="3", name="add", call_id="c1")
    asked = {"id": "c2", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    openai_server.answer = lambda _request: {"content": "Once more.", "tool_calls": [asked]}
    result = ask(
        openai_server,
        [
            SystemMessage(content="Add."),
            UserMessage(content=["1 and", "2"], source="user"),
            AssistantMessage(content=[call], thought="Adding.", source="adder"),
            FunctionExecutionResultMessage(content=[outcome]),
        ],
        tools=[tool],
        tool_choice=tool,
    )
    assert result.finish_reason == "function_calls"
    assert result.content == [FunctionCall(id="c2", name="add", arguments="{}")]
    assert result.thought == "Once more."
    request = openai_server.requests[0]
    assert [turn["role"] for turn in request["messages"]] == ["system", "user", "assistant", "tool"]
    assert request["messages"][1]["content"] == "1 and\n2"
    assert request["messages"][2]["tool_calls"][0]["function"] == {"name": "add", "arguments": '{"a": 1, "b": 2}'}
    assert request["messages"][3] == {"role": "tool", "tool_call_id": "c1", "content": "3"}
    assert request["tools"][0]["function"]["parameters"]["required"] == ["a", "b"]
    assert request["tool_choice"] == {"type": "function", "function": {"name": "add"}}


def test_a_reply_type_is_sent_as_a_strict_schema(openai_server: OpenAIServer) -> None:
    ask(openai_server, json_output=Questions)
    sent = openai_server.requests[0]["response_format"]
    assert (sent["type"], sent["json_schema"]["name"], sent["json_schema"]["strict"]) == (
        "json_schema",
        "Questions",
        True,
    )
    schema = sent["json_schema"]["schema"]
    assert schema["required"] == ["questions"]
    assert all(entry["additionalProperties"] is False for entry in (schema, schema["$defs"]["Question"]))
    ask(openai_server, json_output=True)
    assert openai_server.requests[1]["response_format"] == {"type": "json_object"}


def test_an_image_is_refused_in_words(openai_server: OpenAIServer) -> None:
    picture = Image(Picture.new("RGB", (1, 1)))
    with pytest.raises(ConfigurationError, match="text only"):
        ask(openai_server, [UserMessage(content=["Look:", picture], source="user")])
    assert not openai_server.requests


def test_a_higher_limit_for_one_reply_replaces_the_usual_one(openai_server: OpenAIServer) -> None:
    openai_server.fail([Fault(kind="length")])
    assert ask(openai_server, extra_create_args={"max_tokens": 9}).finish_reason == "length"
    assert openai_server.requests[0]["max_tokens"] == 9


class Count(BaseModel):
    """How many."""

    legs: int


def test_an_assistant_agent_runs_on_it_with_a_typed_reply(openai_server: OpenAIServer) -> None:
    async def run() -> list[Any]:
        openai_server.answer = lambda _request: '{"legs": 8}'
        teacher = OpenAITeacher("spider-1", base_url=openai_server.base_url)
        agent = AssistantAgent("counter", teacher, output_content_type=Count)
        streaming = AssistantAgent("counter", teacher, model_client_stream=True)
        results: list[Any] = [(await agent.run(task="Legs?")).messages[-1]]
        results += [event async for event in streaming.run_stream(task="Legs?")]
        await teacher.close()
        return results

    results = asyncio.run(run())
    assert isinstance(results[0], StructuredMessage) and results[0].content == Count(legs=8)
    assert [chunk.content for chunk in results if isinstance(chunk, ModelClientStreamingChunkEvent)] == ['{"legs": 8}']


@pytest.mark.parametrize(
    ("fault", "throttled", "billed", "words"),
    [
        (Fault.throttled(), True, False, "429"),
        (Fault(status=408), False, False, "408"),
        (Fault(status=409), False, False, "409"),
        (Fault(status=500), False, False, "500"),
        (Fault(status=503), False, False, "not well"),
        (Fault(status=529), False, False, "529"),
        (Fault(kind="reset_before_headers"), False, True, "failed"),
        (Fault(kind="reset_within_headers"), False, True, "failed"),
        (Fault(kind="reset_within_body"), False, True, "failed"),
        (Fault(kind="truncated_json"), False, True, "not JSON"),
        (Fault(kind="not_json"), False, True, "Bad gateway"),
        (Fault(kind="no_choices"), False, True, "no chat completion"),
        (Fault(kind="hang", seconds=30), False, True, "within 0.3 s"),
        (Fault(kind="trickle", seconds=0.02), False, True, "within 0.3 s"),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) and value.kind != "status" else None,
)
def test_what_another_try_can_cure_is_unavailable(
    openai_server: OpenAIServer, fault: Fault, throttled: bool, billed: bool, words: str
) -> None:
    openai_server.fail([fault])
    with pytest.raises(TeacherUnavailable, match=words) as caught:
        ask(openai_server, settings={"timeout": 0.3})
    assert (caught.value.throttled, caught.value.perhaps_billed) == (throttled, billed)
    assert len(openai_server.arrivals) == 1, "the client must leave trying again to the layer"


def test_a_server_that_is_not_there_is_unavailable_and_named() -> None:
    with OpenAIServer() as server:
        pass
    with pytest.raises(TeacherUnavailable, match=rf"127\.0\.0\.1:{server.port}"):
        ask(server)


def test_a_reply_without_end_is_cut_off(openai_server: OpenAIServer) -> None:
    openai_server.fail([Fault(kind="endless")])
    with pytest.raises(TeacherUnavailable, match="larger than 32 MB"):
        ask(openai_server)


@pytest.mark.parametrize("as_date", [False, True])
def test_the_wait_a_server_asks_for_is_told(openai_server: OpenAIServer, as_date: bool) -> None:
    openai_server.fail([Fault.throttled(40, date=as_date)])
    with pytest.raises(TeacherUnavailable) as caught:
        ask(openai_server)
    assert caught.value.retry_after == pytest.approx(40, abs=2)


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (401, "invalid_api_key", "OPENAI_API_KEY"),
        (403, None, "rights"),
        (404, "model_not_found", "'spider-1'"),
        (400, "invalid_value", "settings"),
        (422, None, "settings"),
        (429, "insufficient_quota", "credit"),
    ],
)
def test_what_no_try_can_cure_stops_with_what_to_fix(
    openai_server: OpenAIServer, status: int, code: str | None, words: str
) -> None:
    openai_server.fail([Fault(status=status, code=code, message="so says the server " * 90)])
    with pytest.raises(TeacherRefused, match=words) as caught:
        ask(openai_server)
    assert "so says the server" in str(caught.value)
    assert len(str(caught.value)) < 600 and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(status=400, code="content_filter"), "content_filter"),
        (Fault(kind="content_filter"), "content_filter"),
        (Fault(kind="refusal"), "refused"),
        (Fault(status=400, code="context_length_exceeded"), "too_long"),
        (Fault(status=400, message="This model's maximum context length is 8 tokens"), "too_long"),
    ],
)
def test_a_question_the_teacher_will_not_answer_is_rejected(
    openai_server: OpenAIServer, fault: Fault, reason: str
) -> None:
    openai_server.fail([fault])
    with pytest.raises(Rejected) as caught:
        ask(openai_server)
    assert caught.value.reason == reason


def test_half_a_character_is_rejected_and_sent_to_nobody(openai_server: OpenAIServer) -> None:
    with pytest.raises(Rejected, match="unencodable_text"):
        ask(openai_server, [UserMessage(content="\ud83d", source="user")])


def test_a_reply_without_usage_counts_nothing_and_still_answers(openai_server: OpenAIServer) -> None:
    openai_server.fail([Fault(kind="without_usage")])
    assert ask(openai_server).usage.prompt_tokens == 0


LEAKS: list[Callable[[str], Fault]] = [
    *(
        lambda key, status=status, code=code: Fault(status=status, code=code, message=f"{key} is wrong, {key}!")
        for status, code in [
            (400, None),
            (400, "content_filter"),
            (400, "context_length_exceeded"),
            (401, None),
            (403, None),
            (404, None),
            (429, None),
            (429, "insufficient_quota"),
            (500, None),
        ]
    ),
    lambda _key: Fault(kind="reset_before_headers"),
    lambda _key: Fault(kind="reset_within_headers"),
    lambda _key: Fault(kind="reset_within_body"),
    lambda _key: Fault(kind="truncated_json"),
    lambda _key: Fault(kind="hang", seconds=9),
]


@pytest.mark.parametrize("leak", LEAKS)
@pytest.mark.parametrize("key", [KEY, "plain%2Fword/with signs", "0123456789abcdef"])
def test_the_key_appears_in_no_error(
    openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, leak: Callable[[str], Fault], key: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    openai_server.fail([leak(key)])
    with pytest.raises(Exception) as caught:
        ask(openai_server, settings={"timeout": 0.3})
    seen: list[str] = ["".join(traceback.format_exception(caught.value))]
    error: BaseException | None = caught.value
    while error is not None:
        seen += [repr(error), str(error), repr(vars(error))]
        error = error.__cause__ or error.__context__
    assert key not in "\n".join(seen)


def test_the_key_appears_in_no_description(openai_server: OpenAIServer) -> None:
    url = f"{openai_server.base_url}?api-key={KEY}"
    teacher = OpenAITeacher("spider-1", base_url=url, extra_body={"api_key": KEY, "headers": {"x": KEY}})
    shown = f"{teacher!r} {identity_of(teacher)} {teacher}"
    assert KEY not in shown
    assert openai_server.base_url in shown


def test_a_key_a_reply_repeats_back_stays_out_of_a_refusal(openai_server: OpenAIServer) -> None:
    openai_server.answer = lambda _request: {"content": None, "refusal": f"I will not use {KEY}"}
    with pytest.raises(Rejected) as caught:
        ask(openai_server)
    assert KEY not in str(caught.value)


def test_openai_itself_without_a_key_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY"):
        OpenAITeacher("gpt-4.1-mini")
    with pytest.raises(ConfigurationError, match="MY_KEY"):
        OpenAITeacher("gpt-4.1-mini", base_url="http://127.0.0.1:1/v1", key_variable="MY_KEY")


@pytest.mark.parametrize("url", ["127.0.0.1:1/v1", "http://", "http://host:port/v1", "http://[::1", "file:///etc"])
def test_a_base_url_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(ConfigurationError, match="base URL"):
        OpenAITeacher("gpt-4.1-mini", base_url=url)


def test_a_base_url_with_a_user_in_it_is_refused_unseen() -> None:
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY") as caught:
        OpenAITeacher("spider-1", base_url=f"http://me:{KEY}@127.0.0.1:1/v1")
    assert KEY not in str(caught.value)


def test_a_key_that_cannot_be_one_is_refused_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-with-ümlaut-4711")
    with pytest.raises(ConfigurationError) as caught:
        OpenAITeacher("gpt-4.1-mini")
    assert "4711" not in str(caught.value)


def test_a_server_of_ones_own_needs_no_key(openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    assert ask(openai_server).finish_reason == "stop"


def test_azure_asks_the_deployment(openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", openai_server.base_url.removesuffix("/v1"))
    assert ask(openai_server, settings={"base_url": None, "api_version": "2024-10-21"}).finish_reason == "stop"
    assert openai_server.headers[0]["api-key"] == KEY


def test_every_setting_that_decides_an_answer_is_in_the_identity() -> None:
    def identity(**settings: Any) -> str:
        return str(identity_of(OpenAITeacher(**{"model": "m", "base_url": "http://127.0.0.1:1/v1", **settings})))

    changes: list[dict[str, Any]] = [
        {},
        {"model": "n"},
        {"base_url": "http://127.0.0.1:2/v1"},
        {"temperature": 0.1},
        {"top_p": 0.1},
        {"max_tokens": 7},
        {"seed": 7},
        {"extra_body": {"top_k": 7}},
    ]
    assert len({identity(**change) for change in changes}) == len(changes)
    assert identity() == identity(timeout=3, concurrency=2)


def test_a_cancellation_token_ends_a_call_in_flight(openai_server: OpenAIServer) -> None:
    async def run() -> None:
        openai_server.fail([Fault(kind="hang", seconds=9)])
        teacher = OpenAITeacher("spider-1", base_url=openai_server.base_url)
        token = CancellationToken()
        call = asyncio.create_task(teacher.create(QUESTION, cancellation_token=token))
        while not openai_server.in_flight:
            await asyncio.sleep(0.01)
        token.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert (await teacher.create(QUESTION)).finish_reason == "stop"
        await teacher.close()

    asyncio.run(run())


def test_calls_at_once_share_one_pool_and_connections_are_kept(openai_server: OpenAIServer) -> None:
    async def run() -> None:
        openai_server.latency = 0.05
        teacher = OpenAITeacher("spider-1", base_url=openai_server.base_url, concurrency=8)
        await asyncio.gather(*(teacher.create(QUESTION) for _ in range(40)))
        await teacher.close()
        await teacher.create(QUESTION)
        await teacher.close()

    asyncio.run(run())
    assert openai_server.in_flight_max == 8
    assert openai_server.answered == 41
