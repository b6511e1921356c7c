"""Processes that are killed or told to stop, at any moment: what was acknowledged stays, nothing comes twice."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from agentinstruct.api import status
from agentinstruct.journal.writer import Journal
from tests.engine import dataset_bytes, write_flow
from tests.forked import AT_ONCE, REPLIES, forked, reply_of, run_command_line, write_replies
from tests.openai_server import OpenAIServer

pytestmark = pytest.mark.slow

KILLS = 100
_ASKING = """import asyncio

from agentinstruct import Pair
from agentinstruct.flow import flow


@flow(skill="S", kinds=("text",))
async def asking(seed, ask):
    first = await ask("sayer", text=seed.text)
    yield Pair.of(seed.text, await ask("sayer", text=f"{first} {seed.text}"))
"""
_WRITING = """from agentinstruct import Pair
from agentinstruct.flow import flow


@flow(skill="S", kinds=("text",))
async def writing(seed, ask):
    for number in range(200):
        yield Pair.of(f"{seed.text} {number}", f"said of {number}")
"""
_SAYER = "Say it again.\n---\n{{ text }}"
_LONG = "The harbour of Ambleton was dug by forty men, and their names stand on a stone at the quay: number "


def test_a_journal_killed_a_hundred_times_keeps_all_it_acknowledged_and_doubles_nothing(tmp_path: Path) -> None:
    """Every other moment counts from the first reply kept, so that it falls into the writing."""
    path, moments = tmp_path / "journal.sqlite", random.Random(5)
    asked: Counter[str] = Counter()
    writing = 0
    for number in range(KILLS):
        told = _killed_while_writing(path, moments.uniform(0, 0.06), opened=number % 2 == 1)
        kept = {word for verb, word in told if verb == "kept"}
        asked.update(word for verb, word in told if verb == "asked")
        writing += bool(kept)
        with Journal(path) as journal:
            for key in kept:
                item, _, place = key.partition("/")
                assert journal.replies_of(int(item))[key] == reply_of(int(item), int(place))
            for item in (word for verb, word in told if verb == "done"):
                assert journal.state_of(int(item)) == ("done", "", 1)
    assert writing > KILLS // 2, "the moments were too early"
    assert sum(asked.values()) - len(asked) <= KILLS * AT_ONCE
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        keys = [key for (key,) in connection.execute("SELECT key FROM replies")]
        items = [item for (item,) in connection.execute("SELECT item FROM outcomes")]
    assert len(set(keys)) == len(keys)
    assert set(keys) <= set(asked)
    assert len(items) > KILLS
    assert {f"{item}/{place}" for item in items for place in range(REPLIES)} <= set(keys), "an outcome without replies"


def _killed_while_writing(path: Path, after: float, *, opened: bool) -> list[tuple[str, str]]:
    """Kill a process that writes `after` seconds from its start or its first acknowledgement; return all it told."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = forked(write_replies, str(path), theirs)
    theirs.close()
    said = b""
    while opened and b"kept" not in said and (piece := os.read(ours.fileno(), 65536)):
        said += piece
    process.join(after)
    os.kill(process.pid or 0, signal.SIGKILL)
    while piece := os.read(ours.fileno(), 65536):
        said += piece
    process.join()
    ours.close()
    assert process.exitcode == -signal.SIGKILL, "the journal did not open"
    lines = said.decode().splitlines()
    return [(verb, word) for verb, _, word in (line.partition(" ") for line in lines)]


# -- told to stop ----------------------------------------------------------------------------------------------------

SIGNALS = [(signal.SIGINT, ()), (signal.SIGTERM, ()), (signal.SIGTERM, (signal.SIGINT,))]
SIGNALS += [(signal.SIGINT, (signal.SIGINT,))]  # as a shell starts what runs in the background


@pytest.fixture
def asking(tmp_path: Path, openai_server: OpenAIServer) -> list[str]:
    """Return the words of a run that asks twice for each of 12 seeds."""
    flow = write_flow(tmp_path / "asking", {"flow.py": _ASKING, "sayer.md": _SAYER})
    rows = _rows(tmp_path / "seeds.jsonl", 12)
    words = ["generate", str(rows), "--flow", str(flow), "--out", str(tmp_path / "run"), "--kind", "text"]
    return [*words, "--teacher", "openai:m", "--base-url", openai_server.base_url]


def _rows(path: Path, number: int) -> Path:
    path.write_text("".join(json.dumps({"text": f"{_LONG} {place}."}) + "\n" for place in range(number)))
    return path


@pytest.mark.parametrize(("number", "ignored"), SIGNALS)
def test_a_signal_lets_calls_in_flight_end_and_the_run_resumes_though_the_shell_had_it_ignored(
    tmp_path: Path, openai_server: OpenAIServer, asking: list[str], number: int, ignored: tuple[int, ...]
) -> None:
    openai_server.latency = 0.8
    process = forked(run_command_line, [*asking, "--concurrency", "5"], str(tmp_path / "said"), ignored)
    _wait_until(process, lambda: len(openai_server.requests) == 5)
    os.kill(process.pid or 0, number)
    process.join(60)
    assert process.exitcode == 130, (tmp_path / "said").read_text()
    assert openai_server.answered == len(openai_server.requests) == 5
    summary = status(tmp_path / "run")
    assert (summary.calls, summary.done, summary.failed) == (5, 0, 0)
    openai_server.latency = 0
    _run_to_its_end(asking, tmp_path)
    assert openai_server.duplicates == 0
    assert len(openai_server.requests) == 24


def test_a_second_sigterm_leaves_at_once_and_the_run_resumes(
    tmp_path: Path, openai_server: OpenAIServer, asking: list[str]
) -> None:
    openai_server.latency = 600
    process = forked(run_command_line, asking, str(tmp_path / "said"))
    _wait_until(process, lambda: len(openai_server.requests) == 12)
    os.kill(process.pid or 0, signal.SIGTERM)
    _wait_until(process, lambda: "stopping" in (tmp_path / "said").read_text())
    os.kill(process.pid or 0, signal.SIGTERM)
    process.join(60)
    assert process.exitcode == 130
    assert openai_server.answered == 0
    openai_server.latency = 0
    _run_to_its_end(asking, tmp_path)


def _wait_until(process: BaseProcess, holds: Callable[[], bool]) -> None:
    while not holds():
        assert process.is_alive(), "it ended too soon"
        time.sleep(0.005)


def _run_to_its_end(words: list[str], folder: Path) -> None:
    process = forked(run_command_line, words, str(folder / "said"))
    process.join(120)
    assert process.exitcode == 0, (folder / "said").read_text()


def test_a_signal_while_seeds_are_passed_over_ends_the_reading(tmp_path: Path) -> None:
    flow = write_flow(tmp_path / "asking", {"flow.py": _ASKING, "sayer.md": _SAYER})
    rows = [{"text": f"{_LONG} {place}.", "kind": "code" if place else "text"} for place in range(40_000)]
    (tmp_path / "seeds.jsonl").write_text("\n".join(map(json.dumps, rows)))
    words = ["generate", str(tmp_path / "seeds.jsonl"), "--flow", str(flow), "--out", str(tmp_path / "run")]
    words += ["--teacher", "offline"]
    process = forked(run_command_line, words, str(tmp_path / "said"))
    _wait_until(process, lambda: _items(tmp_path / "run") == 1)
    os.kill(process.pid or 0, signal.SIGTERM)
    process.join(60)
    said = (tmp_path / "said").read_text()
    assert process.exitcode == 130, said
    unused = re.search(r"not used: (\d+) seed", said)
    assert unused is None or int(unused[1]) < 35_000
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["seed_fingerprint"] is None


def _items(run: Path) -> int:
    """Return how many items a run knows so far."""
    if not (run / "manifest.json").exists():
        return 0
    with Journal(run / "journal.sqlite") as journal:
        return journal.states().total()


def test_a_run_stopped_or_killed_while_it_publishes_holds_a_whole_dataset_and_then_the_new_one(
    tmp_path: Path,
) -> None:
    flow = write_flow(tmp_path / "writing", {"flow.py": _WRITING})
    words = ["generate", "", "--flow", str(flow), "--kind", "text", "--out"]
    few, many = (str(_rows(tmp_path / f"{number}.jsonl", number)) for number in (2, 25))
    words[1] = many
    _run_to_its_end([*words, str(tmp_path / "unbroken")], tmp_path)
    out = tmp_path / "run"
    words[1] = few
    _run_to_its_end([*words, str(out)], tmp_path)
    before, words[1], moments = dataset_bytes(out), many, random.Random(9)
    for signals in [*[[signal.SIGKILL]] * 4, [signal.SIGTERM, signal.SIGINT], [signal.SIGTERM]]:
        process = forked(run_command_line, [*words, str(out)], str(tmp_path / "said"))
        _wait_until(process, (out / ".publishing" / "pairs").exists)
        for number in signals:
            time.sleep(moments.uniform(0, 0.02))
            os.kill(process.pid or 0, number)
        process.join(60)
        assert process.exitcode == (-9 if signals == [signal.SIGKILL] else 130)
        if signals == [signal.SIGTERM]:
            before = dataset_bytes(tmp_path / "unbroken")
        assert dataset_bytes(out) == before
        shutil.rmtree(out / ".publishing", ignore_errors=True)
    _run_to_its_end([*words, str(out)], tmp_path)
    assert dataset_bytes(out) == dataset_bytes(tmp_path / "unbroken")
    assert not [path for path in out.iterdir() if path.name in (".publishing", ".pairs.old", ".rejected.old")]
