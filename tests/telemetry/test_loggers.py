"""AutoGen's event logging during a run: off, unless the user asked for it on AutoGen's own loggers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from autogen_agentchat import EVENT_LOGGER_NAME as AGENTCHAT_EVENTS
from autogen_agentchat import TRACE_LOGGER_NAME as AGENTCHAT_TRACE
from autogen_core import EVENT_LOGGER_NAME, ROOT_LOGGER_NAME, TRACE_LOGGER_NAME

from agentinstruct import generate, stream
from agentinstruct.teacher.options import TeacherOptions
from tests.engine import Teacher, seeds, write_flow

NAMES = (EVENT_LOGGER_NAME, TRACE_LOGGER_NAME, AGENTCHAT_EVENTS, AGENTCHAT_TRACE)
TEAM_FLOW = {
    "flow.py": '''
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from agentinstruct import Pair
from agentinstruct.flow import flow

def team(client):
    """Two agents in turn, on AutoGen's own runtime, which logs every message."""
    agents = [AssistantAgent(name, client) for name in ("first", "second")]
    return RoundRobinGroupChat(agents, termination_condition=MaxMessageTermination(3))

@flow(kinds=("text",))
async def talk(seed, ask):
    """A conversation."""
    result = await ask.team(team, seed.text)
    yield Pair.of(seed.text, result.messages[-1].content)
'''
}


@pytest.fixture
def debugging(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """A program that logs everything, as `logging.basicConfig(level=logging.DEBUG)` makes it."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.DEBUG)
    yield caplog
    root.setLevel(before)


def talk(folder: Path) -> None:
    flow = write_flow(folder / "talk", TEAM_FLOW)
    summary = generate(
        seeds("the heron"), [flow], folder / "run", teacher=TeacherOptions(teacher=Teacher(lambda _: "Indeed."))
    )
    assert summary.pairs == 1


def told(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name.startswith("autogen")]


def test_a_program_that_logs_everything_gets_no_prompt_from_autogen(
    debugging: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    talk(tmp_path)
    assert told(debugging) == []


@pytest.mark.parametrize("name", [EVENT_LOGGER_NAME, ROOT_LOGGER_NAME])
def test_who_asks_for_autogens_events_gets_them(debugging: pytest.LogCaptureFixture, tmp_path: Path, name: str) -> None:
    logger = logging.getLogger(name)
    logger.setLevel(logging.INFO)
    try:
        talk(tmp_path)
    finally:
        logger.setLevel(logging.NOTSET)
    names = {record.name for record in told(debugging)}
    assert EVENT_LOGGER_NAME in names
    assert all(each.startswith(name) for each in names)


def test_a_run_that_failed_or_was_left_leaves_the_loggers_as_they_were(tmp_path: Path) -> None:
    def levels() -> list[tuple[int, bool]]:
        loggers = [logging.getLogger(name) for name in (*NAMES, ROOT_LOGGER_NAME)]
        return [(logger.level, logger.isEnabledFor(logging.INFO)) for logger in loggers]

    before = levels()
    during: list[list[tuple[int, bool]]] = []
    flow = write_flow(tmp_path / "talk", TEAM_FLOW)

    async def leave() -> None:
        teacher = Teacher(lambda _: during.append(levels()) or "Indeed.")  # type: ignore[func-returns-value]  # None, so the answer
        pairs = stream(seeds("a", "b"), [flow], tmp_path / "run", teacher=TeacherOptions(teacher=teacher))
        async for _ in pairs:
            break
        await pairs.aclose()  # type: ignore[attr-defined]  # an async generator

    asyncio.run(leave())
    with pytest.raises(ValueError, match="no flow"):
        generate(seeds("a"), ["nothing"], tmp_path / "run")
    assert levels() == before
    assert during
    assert all(not enabled for each in during for _, enabled in each)


def test_a_program_that_wants_only_errors_is_told_no_more(tmp_path: Path) -> None:
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)
    heard: list[bool] = []
    flow = write_flow(tmp_path / "talk", TEAM_FLOW)

    def answer(_question: object) -> str:
        heard.append(logging.getLogger(ROOT_LOGGER_NAME).isEnabledFor(logging.WARNING))
        return "Indeed."

    try:
        generate(seeds("a"), [flow], tmp_path / "run", teacher=TeacherOptions(teacher=Teacher(answer)))
    finally:
        root.setLevel(before)
    assert heard
    assert not any(heard)
