"""Batch runs interrupted and killed at any moment: the same batches are picked up, and nothing is asked twice."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import signal
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from agentinstruct.errors import ConfigurationError
from agentinstruct.journal.recovery import recover
from tests.batch_api import BatchAPI, Operation
from tests.batching import (
    ITEMS,
    STEPS,
    options_for,
    run_batches,
    run_live,
    start_command,
    start_run,
    wait_for_more,
    words_for,
)
from tests.engine import dataset_bytes
from tests.openai_server import OpenAIServer

pytestmark = pytest.mark.slow

KILLS = 15
ALL = ITEMS * STEPS


def _is_whole(server: OpenAIServer, stories: Path, chain: Path, tmp_path: Path) -> None:
    """End the run, and compare it with an unbroken one."""
    summary = run_batches(server, stories, chain, tmp_path / "run")
    assert (summary.done, summary.failed, summary.pending, summary.calls) == (ITEMS, 0, 0, ALL)
    batches = server.batches
    assert (batches.asked.total(), batches.asked_twice) == (ALL, 0)
    assert batches.submitted.total() == ALL
    run_live(server, stories, chain, tmp_path / "unbroken")
    assert dataset_bytes(tmp_path / "run") == dataset_bytes(tmp_path / "unbroken")


def test_a_batch_run_killed_fifteen_times_ends_as_an_unbroken_one_and_asks_nothing_twice(
    server: OpenAIServer, stories: Path, chain: Path, tmp_path: Path
) -> None:
    batches = server.batches
    batches.seconds = 0.02
    batches.reply_after = {"create": 0.05, "content": 0.03, "upload": 0.02}
    moments, landmarks = random.Random(5), itertools.cycle(("upload", "create", "retrieve", "content", "start"))
    killed = 0
    for _ in range(KILLS):
        landmark, before = next(landmarks), batches.calls.copy()
        process = start_run(server, stories, chain, tmp_path / "run")
        if landmark != "start":
            wait_for_more(lambda: batches.calls[landmark], before[landmark], while_alive=process)  # noqa: B023
        process.join(moments.uniform(0.0, 0.1 if landmark != "start" else 0.6))
        process.kill()
        process.join()
        killed += process.exitcode == -9
    assert killed > KILLS / 2, "the moments were too late"
    assert STEPS > len(batches.made) >= KILLS // 5, "the run was over too early"  # a fifth waited for a batch
    _is_whole(server, stories, chain, tmp_path)


@pytest.mark.parametrize("operation", ["upload", "create", "retrieve", "content"])
def test_a_run_killed_between_an_effect_and_its_reply_picks_up_what_there_is(
    server: OpenAIServer, stories: Path, chain: Path, tmp_path: Path, operation: Operation
) -> None:
    batches = server.batches
    batches.reply_after = {operation: 600.0}
    for _ in range(3):
        before = batches.calls[operation]
        process = start_run(server, stories, chain, tmp_path / "run")
        wait_for_more(lambda: batches.calls[operation], before, while_alive=process)
        process.kill()
        process.join()
    batches.reply_after = {}
    _is_whole(server, stories, chain, tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_while_a_batch_is_in_progress_leaves_at_once_and_the_next_call_picks_it_up(
    server: OpenAIServer, stories: Path, chain: Path, tmp_path: Path, number: int
) -> None:
    batches = server.batches
    batches.hold = True
    words = words_for(server, stories, chain, tmp_path / "run")
    for _ in range(2):
        before = batches.calls["retrieve"]
        process = start_command(words, tmp_path / "said")
        wait_for_more(lambda: batches.calls["retrieve"], before, while_alive=process)
        assert process.pid is not None
        os.kill(process.pid, number)
        process.join()
        assert process.exitcode == 130
    assert _states(batches) == ["in_progress"]
    assert "Traceback" not in (tmp_path / "said").read_text(encoding="utf-8")
    batches.hold = False
    _is_whole(server, stories, chain, tmp_path)
    assert len(batches.made) == STEPS


def test_a_run_whose_batch_is_out_is_not_gone_on_with_live_where_its_questions_would_be_paid_for_twice(
    server: OpenAIServer, stories: Path, chain: Path, tmp_path: Path
) -> None:
    batches = _killed_while_a_batch_is_out(server, start_run(server, stories, chain, tmp_path / "run"))
    with pytest.raises(ConfigurationError, match=rf"{ITEMS} questions .* batch_0000.* --batch openai"):
        run_live(server, stories, chain, tmp_path / "run")
    assert not server.arrivals
    batches.hold = False
    _is_whole(server, stories, chain, tmp_path)


def _killed_while_a_batch_is_out(server: OpenAIServer, process: BaseProcess) -> BatchAPI:
    """Hold every batch, and kill the process when it has one out."""
    server.batches.hold = True
    wait_for_more(lambda: server.batches.calls["retrieve"], 0, while_alive=process)
    process.kill()
    process.join()
    return server.batches


def _states(batches: BatchAPI) -> list[str]:
    return [batch.status for batch in batches.made.values()]


def test_questions_that_were_out_when_a_run_was_killed_count_once_against_its_cap(
    server: OpenAIServer, stories: Path, chain: Path, tmp_path: Path
) -> None:
    words = words_for(server, stories, chain, tmp_path / "run", "--budget-tokens", "60000")
    batches = _killed_while_a_batch_is_out(server, start_command(words, tmp_path / "said"))
    batches.hold = False
    teacher = options_for(server, budget_tokens=60_000)  # not enough for two waves
    assert run_batches(server, stories, chain, tmp_path / "run", teacher=teacher).done == ITEMS
    assert batches.asked_twice == 0


def test_a_recovered_journal_still_knows_what_is_out_in_a_batch(
    server: OpenAIServer, stories: Path, chain: Path, tmp_path: Path
) -> None:
    batches = _killed_while_a_batch_is_out(server, start_run(server, stories, chain, tmp_path / "run"))
    asyncio.run(recover(tmp_path / "run"))
    batches.hold = False
    _is_whole(server, stories, chain, tmp_path)
    assert len(batches.made) == STEPS
