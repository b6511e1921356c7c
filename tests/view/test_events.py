"""`generate --json` as a machine follows it: pure JSON lines, one for everything that happens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_cli import MATH, PROBLEMS, Command, Said, command, start
from tests.engine import sample_answer, write_flow
from tests.openai_server import Fault, OpenAIServer

pytestmark = pytest.mark.slow

assert command  # the fixture
NOISY_FLOW = {
    "flow.py": '''
from agentinstruct import Pair, Rejection
from agentinstruct.flow import flow

@flow(skill="Noisy", kinds=("text",))
async def noisy(seed, ask):
    """Prints, rejects and fails."""
    print("a flow may print what it likes")
    if "cat" in seed.text:
        raise ValueError("no cats,\\nplease")
    yield Rejection(stage="flow", reason="too_plain")
    yield Pair.of(seed.text, "A dog.")
'''
}


def events_of(said: Said) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.out.splitlines()]


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    rows = [{"text": f"The {animal} sat on the mat and looked at me. " * 20} for animal in ("cat", "dog")]
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "animals.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "docs" / "image.png").write_bytes(b"\x89PNG")
    (tmp_path / "docs" / "code.py").write_text("def double(x):\n    return 2 * x\n" * 30)
    return write_flow(tmp_path / "noisy", NOISY_FLOW)


def test_every_step_of_a_run_is_one_line_of_json(command: Command, animals: Path) -> None:
    said = command("generate", "docs", "-f", animals, "-o", "run", "--json")

    events = events_of(said)
    assert said.code == 1
    kinds = [event["event"] for event in events]
    assert kinds[0] == "started"
    assert sorted(kinds[1:-2]) == ["item", "item", "skipped"]
    assert kinds[-2:] == ["unused", "summary"]
    seconds = [event["seconds"] for event in events]
    assert seconds == sorted(seconds)
    assert events[0] | {"seconds": 0} == {
        "event": "started",
        "directory": "run",
        "flows": ["noisy"],
        "teacher": {"": "none"},
        "concurrency": 64,
        "run_seed": 0,
        "limit": None,
        "target": None,
        **{"items": 0, "done": 0, "failed": 0, "pending": 0, "seconds": 0},
    }
    items = {event["state"]: event for event in events if event["event"] == "item"}
    assert items["failed"]["error"] == "please"
    assert (items["failed"]["pairs"], items["failed"]["rejections"]) == (0, {})
    assert (items["done"]["pairs"], items["done"]["rejections"]) == (1, {"too_plain": 1})
    assert items["done"]["error"] is None
    assert items["done"]["flow"] == "noisy"
    assert items["done"]["seed"] != items["failed"]["seed"]
    (skipped,) = [event for event in events if event["event"] == "skipped"]
    assert (skipped["source"], skipped["reason"]) == ("docs/image.png", "is an image")
    assert events[-2]["kind"] == "code"
    assert events[-1]["failed"] == 1
    assert "a flow may print what it likes" in said.err


def test_a_run_that_is_resumed_says_what_it_held(command: Command, animals: Path) -> None:
    command("generate", "docs", "-f", animals, "-o", "run")
    events = events_of(command("generate", "docs", "-f", animals, "-o", "run", "--json"))
    assert [events[0][state] for state in ("items", "done", "failed", "pending")] == [2, 1, 1, 0]
    assert [event["state"] for event in events if event["event"] == "item"] == ["failed"]


@pytest.mark.parametrize(
    ("words", "kind", "told"),
    [
        (("-f", "math_word_problem", "-o", "run"), "FlowError", "did you mean 'math_word_problems'?"),
        ((*MATH, "-o", "run", "--kind", "txet"), "ConfigurationError", "'txet'"),
        ((*MATH, "-o", "run", "--role", "nonsense"), "ConfigurationError", "AGENT=TEACHER"),
        ((*MATH, "-o", "docs"), "ConfigurationError", "docs holds other things"),
    ],
)
def test_an_error_is_an_event_before_the_exit(
    command: Command, animals: Path, words: tuple[str, ...], kind: str, told: str
) -> None:
    said = command("generate", PROBLEMS, *words, "--json")
    (event,) = events_of(said)
    assert said.code == event["exit_code"] == 2
    assert (event["event"], event["type"]) == ("error", kind)
    assert told in event["message"]
    assert said.err == f"agentinstruct: {event['message']}\n"


def test_what_stops_a_run_is_told_when_it_stops_it_and_again_at_the_end(
    command: Command, openai_server: OpenAIServer
) -> None:
    openai_server.answer = sample_answer
    where = ("-t", "openai:m", "--base-url", openai_server.base_url)
    said = command("generate", PROBLEMS, *MATH, "--limit", 2, "-o", "run", *where, "--budget-tokens", 15_000, "--json")
    events = events_of(said)
    assert said.code == 3
    kinds = [event["event"] for event in events]
    assert kinds.count("stopping") == 1
    assert kinds[-2:] == ["summary", "error"]
    stopping, error = events[kinds.index("stopping")], events[-1]
    assert stopping["type"] == error["type"] == "BudgetExceeded"
    assert stopping["message"] == error["message"] == events[-2]["stopped"]
    assert error["exit_code"] == 3


def test_a_refusal_is_told_without_the_key(
    command: Command, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a-planted-secret-000")
    openai_server.fail(lambda _number, _request: Fault(status=401, message="bad key a-planted-secret-000"))
    where = ("-t", "openai:m", "--base-url", openai_server.base_url)
    said = command("generate", PROBLEMS, *MATH, "-o", "run", *where, "--json")
    assert events_of(said)[-1]["type"] == "TeacherRefused"
    assert "planted-secret" not in said.out + said.err


def test_a_reader_of_events_that_leaves_early_does_not_end_the_run(command: Command, tmp_path: Path) -> None:
    process = start("generate", PROBLEMS, *MATH, "--limit", 3, "-o", "run", "--json", cwd=tmp_path)
    assert process.stdout and process.stderr
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == ""
    assert process.wait(60) == 0
    assert "3 = 3 done" in command("status", tmp_path / "run").out
