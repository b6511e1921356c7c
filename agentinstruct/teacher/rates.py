"""What a server tells, in the headers of a reply, of how much it may be asked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from autogen_core.models import CreateResult

_PARTS = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_DURATION = re.compile(rf"(?:{_PARTS.pattern})+")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_MOST = 1e12


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """An amount that may be used up: `limit` in all, `remaining` of it now, whole again in `reset` seconds."""

    limit: float | None
    remaining: float | None
    reset: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What may be asked still, in requests and in tokens, as `x-ratelimit-*` headers tell it; None where untold."""

    requests: Allowance | None
    tokens: Allowance | None

    @classmethod
    def told(cls, headers: Mapping[str, str]) -> Rates | None:
        """Read a reply's headers (a mapping that does not mind case); None where they tell nothing of limits."""
        requests, tokens = _allowance(headers, "requests"), _allowance(headers, "tokens")
        return cls(requests=requests, tokens=tokens) if requests or tokens else None


class RatedResult(CreateResult):
    """A reply that came with the server's word on its limits."""

    rates: Rates


def _allowance(headers: Mapping[str, str], name: str) -> Allowance | None:
    limit = headers.get(f"x-ratelimit-limit-{name}")
    remaining = headers.get(f"x-ratelimit-remaining-{name}")
    if limit is None and remaining is None:
        return None
    reset = headers.get(f"x-ratelimit-reset-{name}")
    told = Allowance(limit=_amount(limit), remaining=_amount(remaining), reset=_duration(reset))
    return None if told.limit is None and told.remaining is None else told


def _amount(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 <= number < _MOST else None  # also turns away nan and inf


def _duration(text: str | None) -> float | None:
    """Read `6m0s`, `20ms`, `1h2m3.5s`, or a plain number of seconds."""
    if text and len(text) < 40 and _DURATION.fullmatch(text):
        return sum(float(number) * _SECONDS[unit] for number, unit in _PARTS.findall(text))
    return _amount(text)
