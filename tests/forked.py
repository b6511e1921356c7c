"""Processes forked from one that has its imports already: a hundred starts, and kills, take seconds."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from itertools import count
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import agentinstruct.api
import agentinstruct.teacher.openai
from agentinstruct import cli
from agentinstruct.journal.writer import ItemRecorder, Journal
from agentinstruct.records import Pair
from agentinstruct.teacher.journaled import Exchange

AT_ONCE = 16
"""Replies that a writing process has in flight."""
REPLIES = 8
"""Replies of one item."""


def forked(target: Callable[..., None], *arguments: Any) -> BaseProcess:
    """Start `target` in a process of its own."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["pytest", "tests.forked"])
    process = processes.Process(target=target, args=arguments)
    process.start()
    return process


def run_command_line(words: list[str], said: str, ignored: tuple[int, ...] = ()) -> None:
    """Be the command; what it says goes to the end of the file `said`. Signals `ignored` are so from the start."""
    assert agentinstruct.api
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)
    sys.argv = ["agentinstruct", *words]
    with Path(said).open("a", encoding="utf-8") as log:
        sys.stdout = sys.stderr = log
        cli.main()


def reply_of(item: int, number: int) -> str:
    """Return what is recorded as the answer to a question, of a length that differs."""
    return f"{item}/{number} " + "said " * (item * number % 500)


def write_replies(path: str, told: Connection) -> None:
    """Work through items as a run does: known replies are taken from the journal, new ones recorded, then the outcome.

    A line goes to `told` before each question ("asked"), and after the journal has said that its reply is kept.
    """

    def tell(*words: object) -> None:
        os.write(told.fileno(), (" ".join(map(str, words)) + "\n").encode())  # one write: whole or not at all

    async def finish(journal: Journal, item: int) -> None:
        recorder = ItemRecorder(journal, item)
        for number in range(REPLIES):
            key = f"{item}/{number}"
            if recorder.find(key) is not None:
                continue
            tell("asked", key)
            text = reply_of(item, number)
            await recorder.record(
                Exchange(key=key, agent="a", model="m", request="[]", reply=text, prompt_tokens=1, completion_tokens=1)
            )
            tell("kept", key)
        await journal.finish(item, "", [Pair.of(f"{item}", "said")], [])
        tell("done", item)

    async def work(journal: Journal) -> None:
        for first in count(step=AT_ONCE):
            items = [item for item in range(first, first + AT_ONCE) if journal.state_of(item)[0] != "done"]
            for item in items:
                journal.post("INSERT OR IGNORE INTO items (id, seed, flow) VALUES (?, '', '')", (item,))
            await asyncio.gather(*(finish(journal, item) for item in items))

    with Journal(Path(path)) as journal:
        asyncio.run(work(journal))
