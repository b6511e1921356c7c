"""How much of one thing, requests or tokens, a server allows in a minute, and how much was used in the last one.

A limit is given by the user, or learnt from what replies tell. What a server tells need not be about a minute, and the
headers do not say; the time until the allowance is whole again does. It is

- up to 2 seconds for gateways that count by the second, and where little of a minute's allowance is used: such replies
  teach nothing. By the time a thirtieth of a minute's limit is used, a server that counts by the minute tells more;
- up to a minute for limits a minute, whether they are filled up steadily (OpenAI) or at the end of the minute;
- longer for limits an hour or a day (Groq's requests): these are not kept to here, and undo what was learnt before.

A gateway that counts in windows of, say, ten seconds is taken to allow in a minute what it allows in ten seconds: that
is slower than it must be, is shown as it happens, and a given limit is believed over it.
"""

from __future__ import annotations

from collections import deque

from agentinstruct.teacher.rates import Allowance

_WINDOW = 61.0
"""Seconds: the minute providers count, and one more, since calls may take unequal times to reach the server."""
_SLOT = 0.25
"""Seconds of uses that are kept as one, so that a window holds some 250 entries whatever the rate."""
_TELLING, _A_MINUTE = 2.0, 75.0
"""Seconds until an allowance is whole again: between these, it is one a minute."""
_LONGEST_HOLD = 60.0
"""Seconds. Where nothing is left for hours, asking again after this brings the server's own word, or its refusal."""


class Slot:
    """What was used within a quarter of a second."""

    __slots__ = ("amount", "end")

    def __init__(self, end: float) -> None:
        self.end = end
        self.amount = 0


class Minute:
    """Counts uses from the start, so that a limit learnt later holds for what was sent before as well."""

    def __init__(self, given: float | None = None) -> None:
        self.most = given
        """The limit in force; None while none is known."""
        self.given = given is not None
        self._slots: deque[Slot] = deque()
        self._used = 0

    def wait(self, now: float, amount: int) -> float:
        """Return the seconds until `amount` fits; what is larger than the limit goes alone."""
        if self.most is None or self._used + amount <= self.most:
            return 0.0
        self._free(now)
        excess = self._used + amount - self.most
        until = now
        for slot in self._slots:
            if excess <= 0:
                break
            excess -= slot.amount
            until = slot.end + _WINDOW
        return until - now

    def use(self, now: float, amount: int) -> Slot:
        """Count `amount` as used now; the slot is for `correct`."""
        slots = self._slots
        if not slots or now >= slots[-1].end:
            self._free(now)
            slots.append(Slot(now + _SLOT))
        slot = slots[-1]
        slot.amount += amount
        self._used += amount
        return slot

    def correct(self, slot: Slot, difference: int) -> None:
        """Change an estimate into what it came to, unless it is of no account any more."""
        if self._slots and slot.end >= self._slots[0].end:
            slot.amount += difference
            self._used += difference

    def learn(self, told: Allowance) -> float:
        """Take in what a reply tells, and return for how many seconds it says that nothing is left.

        Nonsense (a limit of 0, more left than there is) teaches nothing. A given limit stands, whatever is told.
        """
        limit, remaining, reset = told.limit, told.remaining or 0, told.reset or 0.0
        if self.given or (limit is not None and (limit < 1 or remaining > limit)):
            return 0.0
        if reset > _A_MINUTE:
            self.most = None
        elif limit is not None and (reset > _TELLING or self.most is not None):
            self.most = limit
        return min(reset, _LONGEST_HOLD) if told.remaining == 0 else 0.0

    def _free(self, now: float) -> None:
        while self._slots and self._slots[0].end + _WINDOW <= now:
            self._used -= self._slots.popleft().amount
