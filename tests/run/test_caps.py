"""Caps in dollars and tokens over whole runs, stopped, killed and resumed: the server's bill never exceeds them."""

from __future__ import annotations

import asyncio
import json
import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from autogen_core.models import CreateResult, RequestUsage

from agentinstruct.api import run
from agentinstruct.errors import BudgetExceeded, Rejected, RunStopped, TeacherUnavailable
from agentinstruct.run.engine import Run
from agentinstruct.run.options import RunOptions
from agentinstruct.teacher.options import TeacherOptions
from agentinstruct.teacher.prices import PICODOLLARS, Price
from tests.engine import Question, Teacher, result, seeds, write_flow
from tests.forked import forked, run_command_line
from tests.openai_server import Fault, OpenAIServer

pytestmark = pytest.mark.slow

LIVES = 40
LONGEST = 40
"""Tokens a reply may have."""
_FLOW = """import asyncio

from agentinstruct import Pair
from agentinstruct.flow import flow


@flow(skill="S", kinds=("text",))
async def asking(seed, ask):
    sides = [ask.branch("side", number) for number in range(2)]
    first, second = await asyncio.gather(*(side("sayer", text=seed.text) for side in sides))
    yield Pair.of(seed.text, await ask("sayer", text=f"{first} {second}"))
"""
_FILES = {"flow.py": _FLOW, "sayer.md": "Say it again.\n---\n{{ text }}"}


def _price_file(path: Path, price: Price, model: str) -> Path:
    path.write_text(f'[[price]]\nmodels = ["{model}"]\ninput = {price.input}\noutput = {price.output}\n')
    return path


@dataclass
class Life:
    """One run from its first call to its last, with all that chance decides of it, and the provider's own bill."""

    chance: random.Random
    price: Price
    tokens: int = 0
    money: int = 0
    asked: int = 0
    runs: list[Run] = field(default_factory=list)
    stop_after: int = 0

    async def reply(self, _question: Question) -> CreateResult | Exception:
        for _ in range(self.chance.randrange(4)):
            await asyncio.sleep(0)
        self.asked += 1
        if self.asked == self.stop_after:
            self.runs[-1].stop()
        if self.chance.random() < 0.05:
            return TeacherUnavailable("429", throttled=True, perhaps_billed=False)
        said = RequestUsage(prompt_tokens=self.chance.randint(1, 30), completion_tokens=self.chance.randint(0, LONGEST))
        self.tokens += said.prompt_tokens + said.completion_tokens
        self.money += self.price.picodollars(said)
        match self.chance.randrange(20):
            case 0 | 1:
                return TeacherUnavailable("lost on the way")
            case 2:
                return Rejected("refused", "not this")
            case 3 | 4:
                said = RequestUsage(prompt_tokens=0, completion_tokens=0)  # the server does not tell
        return result(f"said {self.asked}", usage=said)


async def _live(folder: Path, flow: Path, seed: int) -> None:
    chance = random.Random(seed)
    life = Life(chance, Price(input=chance.uniform(0, 20), output=chance.uniform(0, 100)))
    in_dollars, folder = chance.random() < 0.5, folder / str(seed)
    tokens = chance.randint(200, 3000)
    dollars = life.price.dollars(RequestUsage(prompt_tokens=tokens // 2, completion_tokens=tokens // 2))
    cap: dict[str, Any] = {"budget": dollars} if in_dollars else {"budget_tokens": tokens}
    prices = _price_file(flow.parent / f"{seed}.toml", life.price, "spider-1")
    for _ in range(3):
        life.stop_after = life.asked + chance.randint(1, 60)
        teacher = TeacherOptions(
            teacher=Teacher(life.reply, max_tokens=LONGEST), concurrency=chance.choice([1, 5, 64]), prices=prices, **cap
        )
        options = RunOptions(seeds=seeds(*(f"{n}" for n in range(40))), flows=(flow,), out=folder, teacher=teacher)
        summary = await run(options, watch=life.runs.append)
        assert isinstance(summary.stopped, BudgetExceeded | RunStopped | None)
        assert summary.items == summary.done + summary.failed + summary.pending
        if in_dollars:
            assert life.money <= dollars * PICODOLLARS, seed
        else:
            assert life.tokens <= tokens, seed


def test_no_cap_is_passed_in_any_run_though_it_is_stopped_resumed_and_not_told_what_it_costs(tmp_path: Path) -> None:
    flow = write_flow(tmp_path / "asking", _FILES)

    async def live() -> None:
        await asyncio.gather(*(_live(tmp_path / "runs", flow, seed) for seed in range(LIVES)))

    asyncio.run(live())


def test_no_cap_is_passed_on_the_servers_bill_though_the_run_is_killed_again_and_again(
    tmp_path: Path, openai_server: OpenAIServer
) -> None:
    """Each kill loses 32 replies, which were paid for: together a fifth of the cap."""
    chance, price = random.Random(2), Price(input=3, output=15)
    openai_server.answer = lambda request: "said " * chance.randrange(30)
    lost: list[Fault | None] = [Fault(kind="without_usage"), *[None] * 7]
    openai_server.fail(lambda _number, _request: chance.choice(lost))
    openai_server.latency = 0.1
    flow = write_flow(tmp_path / "asking", _FILES)
    rows = [{"text": f"The harbour of Ambleton was dug by {number} men. " * 4} for number in range(400)]
    (tmp_path / "seeds.jsonl").write_text("\n".join(map(json.dumps, rows)))
    words = ["generate", str(tmp_path / "seeds.jsonl"), "--flow", str(flow), "--out", str(tmp_path / "run")]
    words += ["--teacher", "openai:m", "--base-url", openai_server.base_url, "--max-tokens", str(LONGEST)]
    words += ["--prices", str(_price_file(tmp_path / "prices.toml", price, "m")), "--budget", "0.3"]
    for _ in range(4):
        before = len(openai_server.requests)
        process = forked(run_command_line, [*words, "--concurrency", "32"], str(tmp_path / "said"))
        while len(openai_server.requests) < before + 32 and process.is_alive():
            time.sleep(0.005)
        process.kill()
        process.join()
    openai_server.latency = 0
    process = forked(run_command_line, [*words, "--concurrency", "4"], str(tmp_path / "said"))
    process.join(120)
    said = (tmp_path / "said").read_text()
    assert process.exitcode == 3, said
    assert "perhaps, on replies that an earlier call lost" in said
    assert 0.1 < price.dollars(RequestUsage(**openai_server.billed)) <= 0.3
