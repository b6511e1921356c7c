"""What does the engine cost per teacher call? CPU of whole runs of `generate`, over asking the bare client the same.

Two clients answer, both in this process: the offline teacher, and one that knows every answer by heart, so that what
is left is the engine: agents, journal, hashing, parsing, publishing. The runs take turns, since machines are noisy.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import os
import platform
import pstats
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Unpack

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.messages import TextMessage
from autogen_core import CancellationToken
from autogen_core.models import CreateResult, LLMMessage, SystemMessage
from pydantic import JsonValue

from agentinstruct.api import generate
from agentinstruct.records import Seed
from agentinstruct.teacher import Layer, RequestOptions, TeacherOptions
from agentinstruct.teacher.offline import OfflineTeacher
from benchmarks.passages import passages

HERE = Path(__file__).resolve().parent
Request = tuple[Sequence[LLMMessage], RequestOptions]
_AREAS = (
    ("AutoGen agent", ("autogen_agentchat", "autogen_core", "opentelemetry", "uuid")),
    ("offline teacher", ("agentinstruct/teacher/offline",)),
    ("client by heart", ("benchmarks/engine_cost",)),
    ("journal", ("agentinstruct/journal", "sqlite3")),
    ("dataset: settle, publish", ("agentinstruct/settle", "agentinstruct/dataset", "pyarrow", "agentinstruct/card")),
    ("reading seeds", ("agentinstruct/readers", "benchmarks/passages")),
    ("teacher stack", ("agentinstruct/teacher", "agentinstruct/stack", "agentinstruct/typed")),
    ("prompts (Jinja)", ("jinja2", "agentinstruct/prompts")),
    ("hashing, JSON", ("json/", "_json", "hashlib", "sha256", "blake2b", "agentinstruct/records", "dedup")),
    ("pydantic", ("pydantic",)),
    ("event loop", ("asyncio", "select", "socket", "queue", "threading", "concurrent/", "_weakrefset")),
    ("run, flow, ask", ("agentinstruct", "benchmarks/flows")),
)


class ByHeart(Layer):
    """Keeps every answer of `inner`, and gives it at once when the same is asked again."""

    def __init__(self) -> None:
        super().__init__(OfflineTeacher())
        self.requests: list[Request] = []
        self._answers: dict[tuple[str, ...], CreateResult] = {}

    def identity(self) -> dict[str, JsonValue]:
        return {"client": "by heart", "model": "by heart", "max_tokens": 4096}

    async def create(self, messages: Sequence[LLMMessage], **options: Unpack[RequestOptions]) -> CreateResult:
        key = tuple(str(message.content) for message in messages)
        if key not in self._answers:
            self._answers[key] = await self.inner.create(messages, **options)
            self.requests.append((messages, options))
        return self._answers[key]


def cpu_of(work: Callable[[], object]) -> float:
    """Return the seconds of CPU, of all threads, that `work` takes."""
    before = time.process_time()
    work()
    return time.process_time() - before


def ask_bare(client: OfflineTeacher | ByHeart, requests: Sequence[Request]) -> None:
    """Ask the client itself, one question after the other."""

    async def ask() -> None:
        for messages, options in requests:
            await client.create(messages, **options)

    asyncio.run(ask())


def ask_agents(client: ByHeart, requests: Sequence[Request]) -> None:
    """Ask through a fresh AutoGen agent per question, with nothing else around it."""

    async def ask() -> None:
        for messages, _ in requests:
            system = next((each.content for each in messages if isinstance(each, SystemMessage)), None)
            agent = AssistantAgent("agent", client, system_message=system)
            message = TextMessage(content=str(messages[-1].content), source="user")
            await agent.on_messages([message], CancellationToken())

    asyncio.run(ask())


class Runs:
    """Runs of `generate` over the same seeds, each in a directory of its own."""

    def __init__(self, seeds: list[Seed], flow: str, scratch: Path) -> None:
        self.seeds = seeds
        self.flow = flow
        self.scratch = scratch
        self.count = 0

    def __call__(self, teacher: str | ByHeart, concurrency: int) -> int:
        """Run once, from nothing, and return the number of calls."""
        self.count += 1
        out = self.scratch / f"run-{self.count}"
        summary = generate(
            self.seeds, [self.flow], out, teacher=TeacherOptions(teacher=teacher, concurrency=concurrency)
        )
        assert not summary.failed
        return summary.calls


def costs(runs: Runs, client: ByHeart, rounds: int, calls: int) -> dict[str, float]:
    """Return the median milliseconds of CPU per call of each kind of work, measured in turn."""
    offline = OfflineTeacher()
    kinds: dict[str, Callable[[], object]] = {
        "offline teacher, bare": lambda: ask_bare(offline, client.requests),
        "offline teacher, generate at 1": lambda: runs("offline", 1),
        "offline teacher, generate at 64": lambda: runs("offline", 64),
        "by heart, bare": lambda: ask_bare(client, client.requests),
        "by heart, AutoGen agents alone": lambda: ask_agents(client, client.requests),
        "by heart, generate at 1": lambda: runs(client, 1),
        "by heart, generate at 64": lambda: runs(client, 64),
    }
    measured: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(rounds):
        for name, work in kinds.items():
            measured[name].append(cpu_of(work) * 1000 / calls)
    return {name: round(statistics.median(values), 4) for name, values in measured.items()}


def by_area(work: Callable[[], object]) -> dict[str, float]:
    """Return the share of CPU that each area takes in `work`: the main thread's by profile, and all other threads'.

    The profiler makes small Python functions look dearer than they are; the shares are a guide, not a measurement.
    """
    profile = cProfile.Profile(time.thread_time)
    started, thread_started = time.process_time(), time.thread_time()
    profile.runcall(work)
    elapsed, thread_elapsed = time.process_time() - started, time.thread_time() - thread_started
    own: Counter[str] = Counter()
    for (file, _line, name), (_, _, total, _, callers) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]  # pstats declares no `stats`
        area = _area_of(name if file == "~" else file)
        if area != "other":
            own[area] += total
            continue
        for (caller, _, caller_name), (_, _, share, _) in callers.items():  # what a builtin takes is its caller's
            own[_area_of(caller_name if caller == "~" else caller)] += share
    scale = thread_elapsed / elapsed / (sum(own.values()) or 1)
    shares = {area: seconds * scale for area, seconds in own.most_common()}
    shares["other threads (journal's writer)"] = 1 - thread_elapsed / elapsed
    return {area: round(share, 3) for area, share in shares.items()}


def _area_of(place: str) -> str:
    place = place.replace(str(HERE.parent), "").replace("\\", "/")
    return next((area for area, marks in _AREAS if any(mark in place for mark in marks)), "other")


def main() -> None:
    """Measure, print tables, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--flow", default=str(HERE / "flows" / "close_reading"))
    parser.add_argument("--profile", type=int, default=0, metavar="LINES", help="also print the costliest functions")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    options = parser.parse_args()
    client = ByHeart()
    with tempfile.TemporaryDirectory() as scratch:
        seeds = [Seed.of(text) for text in passages(options.seeds)]
        runs = Runs(seeds, options.flow, Path(scratch))
        calls = runs(client, 64)  # learns every answer, and warms up what is made once
        ms = costs(runs, client, options.rounds, calls)
        areas = by_area(lambda: runs(client, 64))
        if options.profile:
            with cProfile.Profile(time.thread_time) as profile:
                runs(client, 64)
            pstats.Stats(profile).sort_stats("tottime").print_stats(options.profile)
    figures = {
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "calls": calls,
        "cpu_ms_per_call": ms,
        "ratio_to_bare_offline": {
            at: round(ms[f"offline teacher, generate at {at}"] / ms["offline teacher, bare"], 2) for at in (1, 64)
        },
        "engine_ms_per_call": {
            at: round(ms[f"by heart, generate at {at}"] - ms["by heart, bare"], 3) for at in (1, 64)
        },
        "share_by_area": areas,
    }
    show(figures)
    if options.out:
        options.out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def show(figures: dict[str, Any]) -> None:
    """Print the figures as tables."""
    print(f"{figures['calls']:,} calls a run, Python {figures['python']}, {figures['cores']} cores\n")
    print("ms of CPU a call")
    for name, value in figures["cpu_ms_per_call"].items():
        print(f"{value:>8.3f}  {name}")
    for at, ratio in figures["ratio_to_bare_offline"].items():
        own = figures["engine_ms_per_call"][at]
        print(f"\nat {at} in flight: {ratio} times the bare offline teacher; the engine's own cost is {own} ms a call")
    print("\nshare of CPU at 64 in flight, client by heart")
    for area, share in sorted(figures["share_by_area"].items(), key=lambda each: -each[1]):
        print(f"{share:>8.1%}  {area}")


if __name__ == "__main__":
    main()
