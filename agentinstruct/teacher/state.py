"""What a teacher is doing at a moment: the numbers, and in words whatever keeps it from going at full speed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_LONG_QUIET = 30.0
"""Seconds without any reply that are worth a word; most calls take less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Nothing is sent for so many seconds, and why."""

    seconds: float
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A limit a minute that is kept; `learnt` from the server's replies, else given by the user."""

    limit: float
    learnt: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One teacher at one moment. Every call that is not `in_flight` waits for something, and is counted there."""

    in_flight: int
    """Calls that are sent and not answered."""
    allowed: int
    """Calls that may be under way at once, waits between attempts included; `most` when nothing throttles."""
    most: int
    waiting_for_slot: int
    waiting_for_budget: int
    """Of all teachers, for they share the budget."""
    waiting_to_send: int
    waiting_to_retry: int
    next_retry: float | None
    """Seconds until the first of these is tried again."""
    hold: Hold | None
    """What the calls that wait to be sent wait for."""
    requests_a_minute: Rate | None
    tokens_a_minute: Rate | None
    quiet: float | None
    """Seconds without a reply (also one that asks to come back later), while one is owed."""
    reductions: int
    """How often a burst of 429 has halved `allowed`."""
    retries: int
    held: float
    """Seconds in which calls stood in line to be sent, so far."""
    last_failure: str
    """What the last failed attempt said, though it may be cured by now."""

    def unusual(self) -> list[str]:
        """Say what keeps the teacher from going at full speed, and for how long; nothing when all is well."""
        return list(self._unusual())

    def _unusual(self) -> Iterator[str]:
        if self.allowed < self.most:
            yield f"throttled to {self.allowed} of {self.most} at once"
        if self.hold:
            calls = f"{self.waiting_to_send} calls wait, " if self.waiting_to_send else ""
            yield f"{calls}nothing is sent for {_seconds(self.hold.seconds)} ({self._why(self.hold.why)})"
        elif self.waiting_to_send:
            yield f"{self.waiting_to_send} calls wait to be sent"
        if self.waiting_to_retry:
            soon = f", the first in {_seconds(self.next_retry)}" if self.next_retry is not None else ""
            yield f"{self.waiting_to_retry} calls wait to be tried again{soon}"
        if self.waiting_for_budget:
            yield f"{self.waiting_for_budget} calls wait for others to leave something of the budget"
        if self.quiet is not None and self.quiet > _LONG_QUIET:
            yield f"no reply for {_seconds(self.quiet)} to {self.in_flight} calls in flight"
        if self.last_failure and (self.waiting_to_retry or (self.quiet or 0) > _LONG_QUIET):
            yield f"last failure: {self.last_failure}"

    def _why(self, why: str) -> str:
        for name, rate in (("requests a minute", self.requests_a_minute), ("tokens a minute", self.tokens_a_minute)):
            if why == name and rate:
                return f"{rate.limit:g} {name}, {'learnt' if rate.learnt else 'given'}"
        return why


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds >= 9.5 else f"{seconds:.1f} s"
