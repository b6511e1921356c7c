"""The layer that keeps a run under a cap in dollars or tokens, whatever the replies turn out to be.

Before a request is sent, the most it can cost is reserved; its own count settles it afterwards. `Budget` stands inside
`Retry`: every attempt may be charged for, and a call that waits for a slot or between attempts reserves nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Unpack

from autogen_core.models import ChatCompletionClient, CreateResult, LLMMessage, RequestUsage

from agentinstruct.errors import (
    BudgetExceeded,
    ConfigurationError,
    RunStopped,
    TeacherRefused,
    TeacherUnavailable,
)
from agentinstruct.teacher.layer import Layer, RequestOptions, cancellable, identity_of
from agentinstruct.teacher.prices import PICODOLLARS, Price
from agentinstruct.teacher.tokens import longest_reply, prompt_bytes


class Cost(NamedTuple):
    """Tokens, and picodollars so that sums are exact."""

    tokens: int = 0
    money: int = 0

    def plus(self, other: Cost) -> Cost:
        """Return the sum."""
        return Cost(self.tokens + other.tokens, self.money + other.money)

    def beyond(self, other: Cost) -> Cost:
        """Return by how much this is more than `other`, at least nothing."""
        return Cost(max(0, self.tokens - other.tokens), max(0, self.money - other.money))


Grant = Callable[[Cost], Awaitable[None]]
"""Is told the most that may be spent in all, and returns when that would be known after a crash."""


class Ledger:
    """What was spent and what calls in flight may still cost, against one cap; the teachers of a run share it.

    `spent` carries over what an interrupted run has already cost.
    """

    def __init__(self, *, dollars: float | None = None, tokens: int | None = None, spent: Cost | None = None) -> None:
        self.dollars = dollars
        self.tokens = tokens
        self._spent = spent or Cost()
        self._reserved = Cost()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._lost = Cost()
        self._grant: Grant | None = None
        self._granted = Cost()
        self._granting = asyncio.Lock()

    def resume(self, lost: Cost, grant: Grant) -> None:
        """Count `lost` as spent too; from now on nothing is sent before `grant` has vouched for what it may cost."""
        self._spent, self._lost = self._spent.plus(lost), lost
        self._grant = grant

    @property
    def spent(self) -> Cost:
        """What the calls that ended have cost."""
        return self._spent

    @property
    def committed(self) -> Cost:
        """What is spent, with all that calls in flight may still cost."""
        return self._spent.plus(self._reserved)

    @property
    def spent_dollars(self) -> float:
        """What the calls that ended have cost; replies that were lost count as the most they can have cost."""
        return self._spent.money / PICODOLLARS

    @property
    def spent_tokens(self) -> int:
        """The tokens of the calls that ended, counted in the same way."""
        return self._spent.tokens

    @property
    def waiting(self) -> int:
        """The calls that wait for others to turn out cheaper than they may be."""
        return sum(not settled.done() for settled in self._waiting)

    async def reserve(self, cost: Cost) -> None:
        """Set `cost` aside. Waits while calls in flight may turn out cheap enough; else raises `BudgetExceeded`."""
        while not self._fits(cost, self._reserved):
            if not self._fits(cost, Cost()) or not self._reserved.tokens:
                raise BudgetExceeded(self._refusal(cost))
            settled = asyncio.get_running_loop().create_future()
            self._waiting.append(settled)
            await settled
        self._reserved = self._reserved.plus(cost)
        try:
            await self._vouch()
        except BaseException:  # nothing is sent
            self.settle(cost, Cost())
            raise

    async def _vouch(self) -> None:
        """Have what is committed granted, and a quarter more than is in flight, so that few calls need a grant."""
        if self._grant is None or not any(self.committed.beyond(self._granted)):
            return
        async with self._granting:
            if any(self.committed.beyond(self._granted)):
                more = self.committed.plus(Cost(self._reserved.tokens // 4, self._reserved.money // 4))
                more = self._within_cap(more)
                await self._grant(more)
                self._granted = more

    def _within_cap(self, cost: Cost) -> Cost:
        tokens = cost.tokens if self.tokens is None else min(cost.tokens, self.tokens)
        money = cost.money if self.dollars is None else min(cost.money, int(self.dollars * PICODOLLARS))
        return Cost(tokens, money)

    def settle(self, reserved: Cost, actual: Cost) -> None:
        """Book what a reservation came to."""
        self._reserved = Cost(self._reserved.tokens - reserved.tokens, self._reserved.money - reserved.money)
        self._spent = self._spent.plus(actual)
        waiting, self._waiting = self._waiting, deque()
        for settled in waiting:
            if not settled.done():
                settled.set_result(None)

    def _fits(self, cost: Cost, reserved: Cost) -> bool:
        tokens = self._spent.tokens + reserved.tokens + cost.tokens
        money = self._spent.money + reserved.money + cost.money
        return (self.tokens is None or tokens <= self.tokens) and (
            self.dollars is None or money <= self.dollars * PICODOLLARS
        )

    def _refusal(self, cost: Cost) -> str:
        if self.dollars is not None and not Ledger(dollars=self.dollars, spent=self._spent)._fits(cost, Cost()):
            more, lost = cost.money / PICODOLLARS, self._lost.money / PICODOLLARS
            perhaps = f" (${lost:.4f} perhaps, on replies that an earlier call lost)" if lost else ""
            spent = f"${self.spent_dollars:.4f} of ${self.dollars:g} are spent{perhaps}"
            return f"{spent} and the next call may cost ${more:.4f}"
        perhaps = f" ({self._lost.tokens} perhaps, on replies that an earlier call lost)" if self._lost.tokens else ""
        return (
            f"{self.spent_tokens} of {self.tokens} tokens are spent{perhaps} and the next call may take {cost.tokens}"
        )


class Budget(Layer):
    """Sends a request only when `ledger` can bear the most it can cost.

    Raises `ConfigurationError` at once where the cap could not hold: a cap in dollars without a price, or a teacher
    whose replies have no longest length (`longest` gives one where the client's identity does not).
    """

    def __init__(
        self, inner: ChatCompletionClient, ledger: Ledger, *, price: Price | None = None, longest: int | None = None
    ) -> None:
        super().__init__(inner)
        self._ledger = ledger
        identity = identity_of(inner)
        model = identity.get("model", identity.get("client", "this teacher"))
        if ledger.dollars is not None and price is None:
            raise ConfigurationError(
                f"a budget in dollars needs a price, and none is known for {model!r}: "
                "add the model to a price file of your own, or give the budget in tokens"
            )
        setting = identity.get("max_tokens")
        self._longest = longest or (int(setting) if isinstance(setting, int | float) else None)
        if self._longest is None:
            raise ConfigurationError(f"a budget needs a limit on the length of replies: set max_tokens for {model!r}")
        self._price = price or Price(input=0, output=0)

    @property
    def ledger(self) -> Ledger:
        """The ledger, for what was spent."""
        return self._ledger

    async def create(self, messages: Sequence[LLMMessage], **options: Unpack[RequestOptions]) -> CreateResult:
        """Reserve, ask, settle; raises `BudgetExceeded` before anything is sent."""
        reply = longest_reply(options, self._longest)
        assert reply is not None  # the constructor made sure of a default
        worst = self._cost(RequestUsage(prompt_tokens=prompt_bytes(messages, options), completion_tokens=reply))
        await cancellable(self._ledger.reserve(worst), options.get("cancellation_token"))
        actual = worst  # unless the outcome tells better, also when cancelled: the server may have answered
        try:
            result = await self.inner.create(messages, **options)
            if result.usage.prompt_tokens or result.usage.completion_tokens:
                actual = self._cost(result.usage)
            return result
        except TeacherUnavailable as error:
            actual = worst if error.perhaps_billed else Cost()
            raise
        except (TeacherRefused, RunStopped):  # the latter is raised before anything is sent, or is out in a batch
            actual = Cost()
            raise
        finally:
            self._ledger.settle(worst, actual)

    def _cost(self, usage: RequestUsage) -> Cost:
        return Cost(usage.prompt_tokens + usage.completion_tokens, self._price.picodollars(usage))
