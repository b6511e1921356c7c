"""Puts the layers around a client, in the one order in which each can do its work."""

from __future__ import annotations

import asyncio
import time
from random import Random

from autogen_core.models import ChatCompletionClient

from agentinstruct.teacher.budget import Budget, Ledger
from agentinstruct.teacher.foreign import Translated
from agentinstruct.teacher.layer import Layer
from agentinstruct.teacher.limits import Clock, Concurrency, Limits
from agentinstruct.teacher.pace import Pace
from agentinstruct.teacher.prices import Price
from agentinstruct.teacher.retry import Retry, Sleep


class Protected(Layer):
    """A client within `Limits(Retry(Budget(Pace(Translated(client)))))`; `concurrency` and `retry` tell how it goes.

    `Limits` is outside `Retry`, so that a call holds its slot while it waits. `Budget` and `Pace` are inside, since
    the server counts, and may charge for, every attempt. The journal goes around it all: what is known costs nothing.
    """

    def __init__(
        self,
        client: ChatCompletionClient,
        *,
        concurrency: int = 64,
        attempts: int = 5,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        ledger: Ledger | None = None,
        price: Price | None = None,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
        random: Random | None = None,
    ) -> None:
        self.concurrency = Concurrency(concurrency, clock=clock)
        attempt: ChatCompletionClient = Pace(
            Translated(client),
            self.concurrency,
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            sleep=sleep,
        )
        if ledger is not None:
            attempt = Budget(attempt, ledger, price=price)
        self.retry = Retry(attempt, attempts=attempts, sleep=sleep, random=random)
        super().__init__(Limits(self.retry, self.concurrency))
