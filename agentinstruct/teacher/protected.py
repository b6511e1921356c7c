"""Puts the layers around a client, in the one order in which each can do its work."""

from __future__ import annotations

from random import Random

from autogen_core.models import ChatCompletionClient

from agentinstruct.teacher.budget import Budget, Ledger
from agentinstruct.teacher.foreign import Translated
from agentinstruct.teacher.layer import Layer
from agentinstruct.teacher.limits import Concurrency, Limits
from agentinstruct.teacher.minute import Minute
from agentinstruct.teacher.pace import Pace
from agentinstruct.teacher.prices import Price
from agentinstruct.teacher.retry import Clock, Retry, Sleep
from agentinstruct.teacher.state import Hold, Rate, State
from agentinstruct.teacher.switch import Gate, Switch, loop_time


class Protected(Layer):
    """A client within `Limits(Retry(Budget(Pace(Translated(Gate(client))))))`; `state` tells how it goes.

    `Limits` is outside `Retry`, so that a call holds its slot while it waits. `Budget` and `Pace` are inside, since
    the server counts, and may charge for, every attempt. The journal goes around it all: what is known costs nothing.
    Closing `switch` ends every wait in it with `RunStopped`; what is in flight comes back.
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
        switch: Switch | None = None,
        clock: Clock = loop_time,
        sleep: Sleep | None = None,
        random: Random | None = None,
    ) -> None:
        switch = switch or Switch()
        sleep = sleep or switch.sleep
        self.concurrency = Concurrency(concurrency, clock=clock, switch=switch)
        self.pace = Pace(
            Translated(Gate(client, switch)),
            self.concurrency,
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            sleep=sleep,
        )
        self._ledger = ledger
        attempt = Budget(self.pace, ledger, price=price) if ledger is not None else self.pace
        self.retry = Retry(attempt, attempts=attempts, clock=clock, sleep=sleep, random=random)
        super().__init__(Limits(self.retry, self.concurrency))

    def state(self) -> State:
        """Say how it goes at this moment."""
        concurrency, pace, retry = self.concurrency, self.pace, self.retry
        held = pace.held_back()
        return State(
            in_flight=pace.in_flight,
            allowed=int(concurrency.allowed),
            most=concurrency.most,
            waiting_for_slot=concurrency.waiting,
            waiting_for_budget=self._ledger.waiting if self._ledger else 0,
            waiting_to_send=pace.waiting,
            waiting_to_retry=retry.waiting,
            next_retry=retry.next_try(),
            hold=Hold(seconds=held[0], why=held[1]) if held else None,
            requests_a_minute=_rate(pace.requests),
            tokens_a_minute=_rate(pace.tokens),
            quiet=pace.quiet() if pace.in_flight or retry.waiting else None,
            reductions=concurrency.reductions,
            retries=retry.retries,
            held=pace.held,
            last_failure=retry.last_failure,
        )


def _rate(minute: Minute) -> Rate | None:
    return None if minute.most is None else Rate(limit=minute.most, learnt=not minute.given)
