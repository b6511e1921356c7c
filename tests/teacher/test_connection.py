"""What stands between a teacher and its server: proxies, certificates, and what is told to whom."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from autogen_core.models import CreateResult, LLMMessage, UserMessage

from agentinstruct.errors import AgentInstructError, ConfigurationError, TeacherUnavailable
from agentinstruct.teacher.endpoint import Endpoint
from agentinstruct.teacher.openai import OpenAITeacher
from agentinstruct.teacher.rates import Allowance, RatedResult
from tests.openai_server import Fault, OpenAIServer

KEY = "sk-proj-Zq7_do-not-show-me-41"
QUESTION: list[LLMMessage] = [UserMessage(content="How many legs has a spider?", source="user")]
CERTIFICATE = Path(__file__).parent / "localhost.pem"
ANSWER = {"choices": [{"message": {"content": "Eight."}, "finish_reason": "stop"}]}
LIMITS = "X-RateLimit-Limit-Requests: 60\r\nX-RateLimit-Remaining-Requests: 59\r\nX-RateLimit-Reset-Requests: 1.5s\r\n"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    yield


def ask(base_url: str, messages: list[LLMMessage] | None = None, **settings: Any) -> CreateResult:
    async def run() -> CreateResult:
        teacher = OpenAITeacher("spider-1", base_url=base_url, timeout=5, **settings)
        try:
            return await teacher.create(messages or QUESTION)
        finally:
            await teacher.close()

    return asyncio.run(run())


async def heard(
    base_url: str,
    *,
    encrypted: bool = False,
    answers: bool = True,
    headers: str = "",
    model: str = "spider-1",
    **settings: Any,
) -> tuple[str, object]:
    """Ask through, or at, a server on a port that stands for `{port}` in `base_url` and in the environment.

    Returns what the server heard, and the outcome.
    """
    requests: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        if answers:
            body = json.dumps(ANSWER)
            writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n{headers}\r\n{body}".encode())
            await writer.drain()
        writer.close()

    context = None
    if encrypted:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    with pytest.MonkeyPatch.context() as patch:
        for name in {"HTTP_PROXY", "HTTPS_PROXY"} & os.environ.keys():
            patch.setenv(name, os.environ[name].replace("{port}", str(port)))
        url = base_url.replace("{port}", str(port))
        teacher = OpenAITeacher(model, base_url=url, timeout=5, **settings)
    try:
        outcome: object = await teacher.create(QUESTION)
    except AgentInstructError as error:
        outcome = error
    await teacher.close()
    server.close()
    await server.wait_closed()
    return b"".join(requests).decode(), outcome


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_questions_go_through_the_proxy_the_environment_names(
    openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, openai_server.base_url.removesuffix("/v1"))
    assert ask("http://teacher.invalid/v1").finish_reason == "stop"
    assert openai_server.headers[0]["Host"] == "teacher.invalid"


def test_a_proxy_is_told_the_password_meant_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://m%65:pass%20word@127.0.0.1:{port}")
    said, outcome = asyncio.run(heard("http://teacher.invalid/v1"))
    assert isinstance(outcome, CreateResult)
    assert said.startswith("POST http://teacher.invalid/v1/chat/completions HTTP/1.1")
    assert f"Proxy-Authorization: Basic {base64.b64encode(b'me:pass word').decode()}" in said
    assert f"Authorization: Bearer {KEY}" in said


def test_a_proxy_on_the_way_to_an_encrypted_server_never_hears_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "me:planted-password@127.0.0.1:{port}")
    said, outcome = asyncio.run(heard("https://teacher.invalid/v1", answers=False))
    assert said.startswith("CONNECT teacher.invalid:443 HTTP/1.1")
    assert "Proxy-Authorization" in said
    assert KEY not in said
    assert isinstance(outcome, TeacherUnavailable)
    assert "planted-password" not in str(outcome)


def test_a_server_that_needs_no_proxy_is_asked_directly(
    openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "example.org,127.0.0.1")
    assert ask(openai_server.base_url).finish_reason == "stop"


@pytest.mark.parametrize("url", ["socks5://me:planted-password@127.0.0.1:1080", "http://", "http://[::1"])
def test_a_proxy_that_cannot_be_used_is_refused_at_once(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("ALL_PROXY", url)
    with pytest.raises(ConfigurationError, match="NO_PROXY") as caught:
        OpenAITeacher("spider-1", base_url="https://teacher.invalid/v1")
    assert "planted-password" not in str(caught.value)


def test_an_entry_in_netrc_does_not_take_the_place_of_the_key(
    openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    ask(openai_server.base_url)
    assert openai_server.headers[0]["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("trusted", [True, False])
def test_an_encrypted_server_is_trusted_by_the_certificates_the_environment_names(
    monkeypatch: pytest.MonkeyPatch, trusted: bool
) -> None:
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    said, outcome = asyncio.run(heard("https://127.0.0.1:{port}/v1", encrypted=True))
    if trusted:
        assert isinstance(outcome, CreateResult) and outcome.content == "Eight."
    else:
        assert isinstance(outcome, TeacherUnavailable) and "certificate" in str(outcome).lower()
        assert not said


def test_who_pays_is_told_as_the_environment_says(openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-2")
    ask(openai_server.base_url)
    sent = openai_server.headers[0]
    assert (sent["OpenAI-Organization"], sent["OpenAI-Project"]) == ("org-1", "proj-2")
    assert sent["User-Agent"].startswith("agentinstruct/")
    assert sent["Content-Type"] == "application/json"
    monkeypatch.setenv("OPENAI_ORG_ID", "org\r\nX-Evil: 1")
    with pytest.raises(ConfigurationError, match="OPENAI_ORG_ID"):
        OpenAITeacher("spider-1", base_url=openai_server.base_url)


def test_a_question_of_megabytes_is_sent_whole(openai_server: OpenAIServer) -> None:
    text = "é" * 1_500_000
    assert ask(openai_server.base_url, [UserMessage(content=text, source="user")]).content == text


def test_a_query_in_the_base_url_is_sent_and_never_shown(openai_server: OpenAIServer) -> None:
    url = f"{openai_server.base_url}?token=planted-query"
    said, _ = asyncio.run(heard("http://127.0.0.1:{port}/v1/?token=planted-query"))
    assert said.startswith("POST /v1/chat/completions?token=planted-query HTTP/1.1")
    openai_server.fail([Fault(status=200, headers={"X-Long": "a" * 100_000}), Fault(status=401)])
    for _ in range(2):
        with pytest.raises(AgentInstructError) as caught:
            ask(url)
        assert "planted-query" not in f"{caught.value!r} {caught.value}"


def test_azure_is_asked_at_its_deployment_in_the_version_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    said, _ = asyncio.run(heard("http://127.0.0.1:{port}/", model="a/b", api_version="2024-10-21"))
    assert said.startswith("POST /openai/deployments/a%2Fb/chat/completions?api-version=2024-10-21 HTTP/1.1")
    assert f"api-key: {KEY}" in said
    assert "Authorization" not in said


def test_a_teacher_serves_one_event_loop_after_another(openai_server: OpenAIServer) -> None:
    teacher = OpenAITeacher("spider-1", base_url=openai_server.base_url)

    async def once() -> None:
        assert (await teacher.create(QUESTION)).finish_reason == "stop"
        await teacher.close()

    for _ in range(2):
        asyncio.run(once())


def test_what_a_server_tells_of_its_limits_comes_with_the_result(openai_server: OpenAIServer) -> None:
    assert type(ask(openai_server.base_url)) is CreateResult
    _, result = asyncio.run(heard("http://127.0.0.1:{port}/v1", headers=LIMITS))
    assert isinstance(result, RatedResult) and result.content == "Eight."
    assert result.rates.requests == Allowance(limit=60.0, remaining=59.0, reset=1.5)


def test_openais_own_client_for_files_and_batches_asks_the_same_server(openai_server: OpenAIServer) -> None:
    async def run() -> str | None:
        endpoint = Endpoint.find(openai_server.base_url)
        async with endpoint.connect(concurrency=2, timeout=5) as client:
            made = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Eight?"}])
        return made.choices[0].message.content

    assert asyncio.run(run()) == "Eight?"
    assert openai_server.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert openai_server.headers[0]["Accept-Encoding"] == "identity"


def test_a_teacher_needs_no_package_of_half_a_second() -> None:
    code = "import sys, agentinstruct.teacher.openai; sys.exit('openai' in sys.modules or 'httpx2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
