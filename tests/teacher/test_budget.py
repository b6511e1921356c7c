"""`Budget` and `Prices`: the cap holds whatever replies cost, fail or get lost."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import pytest
from autogen_core.models import RequestUsage, UserMessage

from agentinstruct.errors import BudgetExceeded, ConfigurationError, Rejected, TeacherRefused, TeacherUnavailable
from agentinstruct.teacher.budget import Budget, Cost, Ledger
from agentinstruct.teacher.prices import PICODOLLARS, Price, Prices, by_batch
from agentinstruct.teacher.protected import Protected
from tests.teacher.scripted import QUESTION, ScriptedClient, Time, gather

pytestmark = pytest.mark.slow


class Bill:
    """A provider's own count: what was really charged, lost replies included."""

    def __init__(self, random: Random, price: Price, max_tokens: int) -> None:
        self.random, self.price, self.max_tokens = random, price, max_tokens
        self.tokens = self.money = 0

    def step(self, _number: int) -> RequestUsage | Exception:
        if self.random.random() < 0.1:
            return TeacherUnavailable("429", throttled=True, perhaps_billed=False)
        usage = RequestUsage(
            prompt_tokens=self.random.randint(1, 60), completion_tokens=self.random.randint(0, self.max_tokens)
        )
        self.tokens += usage.prompt_tokens + usage.completion_tokens
        self.money += self.price.picodollars(usage)
        match self.random.random():
            case chance if chance < 0.1:
                return TeacherUnavailable("lost")
            case chance if chance < 0.15:
                return Rejected("content_filter")
            case chance if chance < 0.2:
                return RequestUsage(prompt_tokens=0, completion_tokens=0)  # the server does not tell
            case _:
                return usage


@pytest.mark.parametrize("seed", range(200))
def test_the_cap_holds_in_any_run(seed: int) -> None:
    async def run() -> None:
        random, time = Random(seed), Time()
        price = Price(input=random.uniform(0, 20), output=random.uniform(0, 100))
        most = random.choice([1, 50, 400])
        bill = Bill(random, price, most)
        in_dollars = random.random() < 0.5
        cap = random.uniform(0, 0.4)
        tokens = random.randint(0, 9000)
        ledger = Ledger(dollars=cap) if in_dollars else Ledger(tokens=tokens)
        client = ScriptedClient(bill.step, turns=random.randint(0, 4), max_tokens=most)
        stack = Protected(
            client,
            concurrency=random.choice([1, 8, 64]),
            ledger=ledger,
            price=price,
            sleep=time.sleep,
            clock=time.clock,
            random=Random(seed),
        )
        outcomes = await gather(*(stack.create(QUESTION) for _ in range(120)))
        assert all(
            isinstance(outcome, TeacherUnavailable | Rejected | BudgetExceeded)
            for outcome in outcomes
            if isinstance(outcome, BaseException)
        )
        if in_dollars:
            assert bill.money <= cap * PICODOLLARS
            assert bill.money / PICODOLLARS <= ledger.spent_dollars <= cap
        else:
            assert bill.tokens <= ledger.spent_tokens <= tokens

    asyncio.run(run())


def test_cheap_replies_are_not_kept_back_by_the_worst_case_of_others() -> None:
    async def run() -> None:
        client = ScriptedClient(lambda _number: RequestUsage(prompt_tokens=5, completion_tokens=5), max_tokens=100)
        ledger = Ledger(tokens=1000)
        stack = Protected(client, concurrency=64, ledger=ledger)
        outcomes = await gather(*(stack.create(QUESTION) for _ in range(200)))
        assert any(isinstance(outcome, BudgetExceeded) for outcome in outcomes)
        assert ledger.spent_tokens > 750, "only what one worst case needs may be left over"

    asyncio.run(run())


def test_nothing_is_sent_once_the_next_call_could_pass_the_cap() -> None:
    client = ScriptedClient(max_tokens=100)
    budget = Budget(client, Ledger(tokens=150))
    with pytest.raises(BudgetExceeded, match="0 of 150 tokens are spent"):
        asyncio.run(budget.create([UserMessage(content="x" * 200, source="user")]))
    assert client.calls == 0


def test_a_longer_reply_asked_for_reserves_more() -> None:
    budget = Budget(ScriptedClient(max_tokens=10), Ledger(tokens=500))
    asyncio.run(budget.create(QUESTION))
    with pytest.raises(BudgetExceeded):
        asyncio.run(budget.create(QUESTION, extra_create_args={"max_tokens": 500}))


def test_what_was_spent_before_an_interruption_counts() -> None:
    budget = Budget(ScriptedClient(max_tokens=10), Ledger(tokens=500, spent=Cost(tokens=450)))
    with pytest.raises(BudgetExceeded):
        asyncio.run(budget.create(QUESTION))


def test_a_refused_request_costs_nothing() -> None:
    ledger = Ledger(tokens=500)
    budget = Budget(ScriptedClient(lambda _number: TeacherRefused("key")), ledger)
    with pytest.raises(TeacherRefused):
        asyncio.run(budget.create(QUESTION))
    assert ledger.spent_tokens == 0


def test_teachers_share_one_cap() -> None:
    async def run() -> None:
        ledger = Ledger(dollars=0.001)
        dear = Budget(ScriptedClient(max_tokens=5), ledger, price=Price(input=1, output=100))
        cheap = Budget(ScriptedClient(max_tokens=5), ledger, price=Price(input=1, output=1))
        await dear.create(QUESTION)
        with pytest.raises(BudgetExceeded, match=r"\$0.0005 of \$0.001 are spent"):
            await dear.create(QUESTION)
        await cheap.create(QUESTION)
        assert ledger.spent_dollars == pytest.approx(0.000525)

    asyncio.run(run())


def test_a_cap_that_could_not_hold_is_refused_before_the_run() -> None:
    with pytest.raises(ConfigurationError, match="'spider-1'"):
        Budget(ScriptedClient(), Ledger(dollars=1))
    with pytest.raises(ConfigurationError, match="max_tokens"):
        Budget(ScriptedClient(max_tokens=None), Ledger(tokens=100))


def test_shipped_prices_are_dated_and_never_mistake_a_dearer_model_for_a_cheaper_one() -> None:
    prices = Prices.load()
    known = prices.of("gpt-4.1-mini-2025-04-14")
    assert known is not None and known.as_of is not None
    assert known.dollars(RequestUsage(prompt_tokens=1_000_000, completion_tokens=1_000_000)) == 2.0
    assert [prices.of(name) for name in ("gpt-5-pro", "gpt-4o-audio-preview", "spider-1")] == [None] * 3


def test_a_users_own_prices_come_first(tmp_path: Path) -> None:
    own = tmp_path / "prices.toml"
    own.write_text('[[price]]\nmodels = ["spider-*", "gpt-5"]\ninput = 0.0\noutput = 7\n', encoding="utf-8")
    prices = Prices.load(own)
    assert prices.of("spider-1") == Price(input=0, output=7)
    assert prices.of("gpt-5") == Price(input=0, output=7)
    assert prices.of("gpt-5-mini") is not None


def test_only_a_rebate_that_is_stated_is_counted_on_for_a_batch(tmp_path: Path) -> None:
    own = tmp_path / "prices.toml"
    own.write_text('[[price]]\nmodels = ["gpt-5"]\ninput = 2\noutput = 8\n', encoding="utf-8")
    assert Prices.load(own).of(by_batch("gpt-5")) == Price(input=2, output=8)
    full, half = Prices.load().of("gpt-4.1"), Prices.load().of(by_batch("gpt-4.1"))
    assert full and half and (half.input, half.output) == (full.input / 2, full.output / 2)


@pytest.mark.parametrize("text", ["price = 3", "[[price]]\nmodels=['a']\ninput=-1\noutput=1", "[", "[[price]]\nx=1"])
def test_a_malformed_price_file_is_named(tmp_path: Path, text: str) -> None:
    own = tmp_path / "prices.toml"
    own.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"prices\.toml"):
        Prices.load(own)
