"""Runs against a real HTTP server, whole and killed: nothing is lost, nothing comes twice, little is asked again."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from agentinstruct import Summary, TeacherOptions, generate
from agentinstruct.api import status
from agentinstruct.paths import SEEDS
from tests.engine import Teacher, dataset_bytes, pairs_of, rejected_of, sample_answer, sample_reply, write_flow
from tests.forked import forked, run_command_line
from tests.openai_server import OpenAIServer

pytestmark = pytest.mark.slow

KILLS = 20
CONCURRENCY = 4
_STEPS = '''"""Four questions, each of which depends on the one before."""

import asyncio
from collections.abc import AsyncIterator

from agentinstruct import Ask, Pair, Seed
from agentinstruct.flow import flow


@flow(skill="Steps", kinds=("math",))
async def steps(seed: Seed, ask: Ask) -> AsyncIterator[Pair]:
    told = await ask("teller", text=seed.text, style=ask.random.choice(["plain", "vivid", "terse"]))
    sides = [ask.branch("side", number) for number in range(3)]
    titles = await asyncio.gather(*(side("namer", text=f"{told} {side.random.random()}") for side in sides))
    for number, title in enumerate(titles):
        answer = await ask("teller", text=title, style="plain")
        yield Pair.of(f"{seed.text} {number}: {title}", answer)
'''
_FILES = {
    "flow.py": _STEPS,
    "teller.md": "You tell what you read.\n---\n<style>{{ style }}</style>\n<passage>\n{{ text }}\n</passage>\n",
    "namer.md": "You find a name for what you read.\n---\n<passage>\n{{ text }}\n</passage>\n",
}


@pytest.fixture
def teaching_server() -> Iterator[OpenAIServer]:
    with OpenAIServer(sample_answer) as server:
        yield server


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    lines = (SEEDS / "sample" / "word_problems.jsonl").read_text(encoding="utf-8").splitlines()
    path = tmp_path / "problems.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _generate(problems: Path, flows: Sequence[str | Path], out: Path, server: OpenAIServer) -> Summary:
    teacher = TeacherOptions(teacher="openai:small", base_url=server.base_url, concurrency=CONCURRENCY)
    return generate([problems], flows, out, teacher=teacher)


def test_pairs_over_http_are_those_made_in_process(
    tmp_path: Path, problems: Path, teaching_server: OpenAIServer
) -> None:
    flows: list[str | Path] = ["math_word_problems", write_flow(tmp_path / "steps", _FILES)]
    near = generate([problems], flows, tmp_path / "near", teacher=Teacher(sample_reply))
    far = _generate(problems, flows, tmp_path / "far", teaching_server)
    assert near.pairs == far.pairs > 50
    assert far.calls == near.calls == len(teaching_server.requests)
    assert teaching_server.in_flight_max <= CONCURRENCY
    for read in (pairs_of, rejected_of):
        here, there = read(tmp_path / "near"), read(tmp_path / "far")
        for row in (*here, *there):
            for asked in row["lineage"]["asked"]:
                del asked["request"]  # it names the teacher as well
        assert here == there


def test_a_run_killed_twenty_times_ends_as_an_unbroken_one_and_asks_hardly_anything_twice(
    tmp_path: Path, problems: Path, teaching_server: OpenAIServer
) -> None:
    teaching_server.latency, teaching_server.jitter = 0.01, 0.03
    flows: list[str | Path] = ["math_word_problems", write_flow(tmp_path / "steps", _FILES)]
    unbroken = _generate(problems, flows, tmp_path / "unbroken", teaching_server)
    asked_unbroken = len(teaching_server.requests)
    assert unbroken.calls == asked_unbroken

    out = tmp_path / "killed"
    words = ["generate", str(problems), "--out", str(out), "--concurrency", str(CONCURRENCY), "--json"]
    words += ["--teacher", "openai:small", "--base-url", teaching_server.base_url]
    words += [word for flow in flows for word in ("--flow", str(flow))]
    killed = _kill_at_random_moments(words, tmp_path / "said", teaching_server)

    whole = _generate(problems, flows, out, teaching_server)
    assert (whole.done, whole.failed, whole.pending) == (unbroken.items, 0, 0)
    assert dataset_bytes(out) == dataset_bytes(tmp_path / "unbroken")
    assert whole.calls == asked_unbroken, "an answer was lost, or recorded twice"
    asked_again = len(teaching_server.requests) - 2 * asked_unbroken
    assert 0 <= asked_again <= killed * CONCURRENCY


def _kill_at_random_moments(words: list[str], said: Path, server: OpenAIServer) -> int:
    """Start the command and kill it `KILLS` times; half of the moments count from its first question."""
    moments = random.Random(11)
    killed = within = 0
    for number in range(KILLS):
        before = len(server.requests)
        process = forked(run_command_line, words, str(said))
        while number % 2 and len(server.requests) == before and process.is_alive():
            time.sleep(0.01)
        process.join(moments.uniform(0.0, 0.15 if number % 2 else 0.6))
        process.kill()
        process.join()
        killed += process.exitcode == -9
        within += len(server.requests) > before
    assert killed > KILLS // 2, "the moments were too late"
    assert within > KILLS // 4, "the moments were too early"
    return killed


def test_status_can_be_asked_while_the_run_goes_on(
    tmp_path: Path, problems: Path, teaching_server: OpenAIServer
) -> None:
    teaching_server.latency = 0.02
    flows = [write_flow(tmp_path / "steps", _FILES)]
    seen: list[Summary] = []

    def look(request: dict[str, object]) -> str:
        if len(teaching_server.requests) >= 30 and not seen:
            seen.append(status(tmp_path / "run"))
        return sample_answer(request)

    teaching_server.answer = look
    whole = _generate(problems, flows, tmp_path / "run", teaching_server)
    (while_running,) = seen
    assert while_running.items == while_running.done + while_running.pending
    assert 0 < while_running.calls < whole.calls
    assert while_running.pending > 0
