"""A run with more calls in flight than the usual number of open files."""

from __future__ import annotations

import json
import resource
from pathlib import Path

from tests.engine import write_flow
from tests.forked import forked, run_command_line
from tests.openai_server import OpenAIServer

_FLOW = {
    "flow.py": '''"""One question."""

from collections.abc import AsyncIterator

from agentinstruct import Ask, Pair, Seed
from agentinstruct.flow import flow


@flow
async def once(seed: Seed, ask: Ask) -> AsyncIterator[Pair]:
    yield Pair.of(seed.text, await ask("teller", text=seed.text))
''',
    "teller.md": "You tell what you read.\n---\n{{ text }}\n",
}
_AT_ONCE = 100
_LIMIT = 90
"""Open files at the start: fewer than the calls in flight, and enough for everything else."""


def _run(limits: tuple[int, int], words: list[str], said: str) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    run_command_line(words, said)


def _generate(tmp_path: Path, server: OpenAIServer, limits: tuple[int, int]) -> tuple[int | None, str]:
    seeds = tmp_path / "seeds.jsonl"
    texts = (
        f"The keeper of room {number} repaired the lamp before dawn, as ever, alone. " * 5 for number in range(_AT_ONCE)
    )
    seeds.write_text("\n".join(json.dumps({"text": text}) for text in texts))
    flow = write_flow(tmp_path / "once", _FLOW)
    words = ["generate", str(seeds), "-f", str(flow), "--teacher", "openai:small", "--base-url", server.base_url]
    words += ["--concurrency", str(_AT_ONCE), "--out", str(tmp_path / "run")]
    said = tmp_path / "said.txt"
    process = forked(_run, limits, words, str(said))
    process.join(60)
    return process.exitcode, said.read_text(encoding="utf-8")


def test_a_low_soft_limit_of_open_files_is_raised_to_hold_every_call(
    tmp_path: Path, openai_server: OpenAIServer
) -> None:
    openai_server.latency = 1.5
    code, said = _generate(tmp_path, openai_server, (_LIMIT, 1_000))
    assert code == 0, said
    assert openai_server.in_flight_max == len(openai_server.requests) == _AT_ONCE


def test_a_hard_limit_that_is_too_low_is_said_before_anything_is_asked(
    tmp_path: Path, openai_server: OpenAIServer
) -> None:
    code, said = _generate(tmp_path, openai_server, (_LIMIT, _LIMIT))
    assert code == 2
    assert f"{_AT_ONCE} calls at once need" in said
    assert f"may have {_LIMIT}" in said
    assert not openai_server.requests
