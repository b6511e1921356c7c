"""What servers tell of their limits, as they tell it."""

from __future__ import annotations

import pytest

from agentinstruct.teacher.rates import Allowance, Rates


def test_requests_and_tokens_are_read_as_openai_tells_them() -> None:
    headers = {
        "x-ratelimit-limit-requests": "500",
        "x-ratelimit-remaining-requests": "499",
        "x-ratelimit-reset-requests": "120ms",
        "x-ratelimit-limit-tokens": "30000",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "1h6m0.5s",
    }
    assert Rates.told(headers) == Rates(
        requests=Allowance(limit=500, remaining=499, reset=0.12),
        tokens=Allowance(limit=30000, remaining=0, reset=3960.5),
    )


@pytest.mark.parametrize("told", ["nan", "inf", "-1", "1e400", "many", ""])
def test_what_is_no_amount_is_not_learnt(told: str) -> None:
    assert Rates.told({"x-ratelimit-limit-requests": told}) is None


@pytest.mark.parametrize("reset", ["soon", "1y", "3m-2s", "9" * 50 + "s", ""])
def test_a_reset_that_cannot_be_read_leaves_the_rest(reset: str) -> None:
    told = Rates.told({"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": reset})
    assert told == Rates(requests=Allowance(limit=None, remaining=3, reset=None), tokens=None)


def test_a_plain_number_is_seconds_and_other_headers_tell_nothing() -> None:
    told = Rates.told({"x-ratelimit-remaining-tokens": "7", "x-ratelimit-reset-tokens": "2.5"})
    assert told is not None and told.tokens == Allowance(limit=None, remaining=7, reset=2.5)
    assert Rates.told({"retry-after": "3", "content-type": "application/json"}) is None
