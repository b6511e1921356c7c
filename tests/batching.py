"""What tests of batches share: a flow of eight dependent questions, answers that tell them apart, and starting it."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from agentinstruct import Summary, TeacherOptions, generate
from agentinstruct.batch.options import BatchOptions
from tests.engine import pairs_of, rejected_of
from tests.forked import forked, run_command_line
from tests.openai_server import OpenAIServer

STEPS = 8
ITEMS = 10
CHAIN: Mapping[str, str] = {
    "flow.py": f'''"""Eight questions, each of which depends on the one before."""

from collections.abc import AsyncIterator

from agentinstruct import Ask, Pair, Seed
from agentinstruct.flow import flow


@flow(skill="Chain", kinds=("text",))
async def chain(seed: Seed, ask: Ask) -> AsyncIterator[Pair]:
    told = seed.text
    for step in range({STEPS}):
        told = await ask("teller", step=step, text=told, mark=ask.random.random())
    yield Pair.of(seed.text, told)
''',
    "teller.md": "You tell on.\n---\n<step>{{ step }}</step>\n<mark>{{ mark }}</mark>\n<text>{{ text }}</text>\n",
}
POEMS = '''"""One typed question."""

from pydantic import BaseModel

from agentinstruct import Pair
from agentinstruct.flow import flow


class Poem(BaseModel):
    """A short poem."""

    subject: str
    lines: int


@flow(skill="Poems", kinds=("text",))
async def poems(seed, ask):
    poem = await ask("teller", step="", mark="", text=seed.text, returns=Poem)
    yield Pair.of(f"Write {poem.lines} lines on {poem.subject} {seed.text}", "Lines.")
'''


def write_seeds(path: Path, number: int = ITEMS) -> Path:
    """Write that many seeds of kind text."""
    walk = "a traveller walked along the river, over the hills and past the old mill, for so many days:"
    rows = [{"text": f"Story {each}: {walk} {each}. Then came the sea, and a ship."} for each in range(number)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def without_requests(run: Path) -> list[dict[str, Any]]:
    """Return all pairs and rejections, without what names the teacher's place: for runs on different servers."""
    rows = [*pairs_of(run), *rejected_of(run)]
    for row in rows:
        for asked in row["lineage"]["asked"]:
            del asked["request"]
    return rows


def tell_on(request: dict[str, Any]) -> str:
    """Answer with words that only this question gets."""
    said = hashlib.sha256(json.dumps(request["messages"]).encode()).hexdigest()
    return f"And then {said[: 8 + int(said[0], 16)]}."


def options_for(server: OpenAIServer, **settings: Any) -> TeacherOptions:
    """Ask this server; live and in batches alike."""
    return TeacherOptions(**{"teacher": "openai:small", "base_url": server.base_url, "concurrency": 8, **settings})


def run_live(server: OpenAIServer, seeds: Path, flow: str | Path, out: Path, **options: Any) -> Summary:
    """Make or resume a run question by question."""
    return generate([seeds], [flow], out, teacher=options_for(server), **options)


def run_batches(server: OpenAIServer, seeds: Path, flow: str | Path, out: Path, **options: Any) -> Summary:
    """Make or resume a run by batches; `batch` holds fields of `BatchOptions`."""
    given = {"teacher": options_for(server), "batch": quickly(**options.pop("batch", {})), **options}
    return generate([seeds], [flow], out, **given)


def quickly(**options: Any) -> BatchOptions:
    """Look at batches as often as tests want it."""
    return BatchOptions(**{"poll": 0.01, "quiet": 0.02, **options})


def words_for(server: OpenAIServer, seeds: Path, flow: Path, out: Path, *more: str) -> list[str]:
    """Return the command line that does the same as `run_batches`."""
    words = ["generate", str(seeds), "--flow", str(flow), "--out", str(out), "--json", "--concurrency", "8"]
    words += ["--teacher", "openai:small", "--base-url", server.base_url]
    return [*words, "--batch", "openai", "--poll", "0.01", *more]


def start_command(words: list[str], said: Path) -> BaseProcess:
    """Start `agentinstruct` in a process of its own; what it says goes to the end of `said`."""
    return forked(run_command_line, words, str(said))


def start_run(server: OpenAIServer, seeds: Path, flow: Path, out: Path) -> BaseProcess:
    """Start `run_batches` in a process of its own."""
    return forked(_run_there, server.base_url, str(seeds), str(flow), str(out))


def _run_there(base_url: str, seeds: str, flow: str, out: str) -> None:
    teacher = TeacherOptions(teacher="openai:small", base_url=base_url, concurrency=8)
    generate([seeds], [flow], out, teacher=teacher, batch=quickly())


def wait_for_more(count: Callable[[], int], before: int, *, while_alive: BaseProcess | None = None) -> None:
    """Wait until `count` is above `before`."""
    wait_until(lambda: count() > before, while_alive=while_alive)


def wait_until(is_so: Callable[[], bool], *, while_alive: BaseProcess | None = None) -> None:
    """Wait for something the server will see; fails if the process ends, or a minute passes, without it."""
    for _ in range(12_000):
        if is_so():
            return
        assert while_alive is None or while_alive.is_alive(), "the command ended too early"
        time.sleep(0.005)
    raise AssertionError("it did not come to that within a minute")
