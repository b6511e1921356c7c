"""Intervals for what an evaluation counts: shares, paired differences, and means of scores that come in clusters.

All intervals are at 95 %. Nothing here knows what was measured, and nothing needs more than the standard library.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

_Z = 1.959963984540054
"""The 97.5 % point of the normal distribution."""
RESAMPLES = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A figure with its interval, from `n` items; no interval (None) where there is one cluster only."""

    value: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """Two models on the same items: the difference of their shares, and the items only one of them had right."""

    difference: Estimate
    only_student: int
    only_control: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One scored item: `cluster` is what it came from (its seed), `group` what it is averaged in (its skill)."""

    cluster: str
    group: str
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """The mean of every group, and `overall`, the mean of those means: small groups count as much as large ones."""

    groups: dict[str, Estimate]
    overall: Estimate
    clusters: int


def wilson(successes: int, n: int) -> Estimate:
    """Return a share with Wilson's score interval, which keeps within 0 and 1 and has a width at 0 and at n, too."""
    if not 0 <= successes <= n or n == 0:
        raise ValueError(f"{successes} of {n} is not a share")
    share, spread = successes / n, _Z * _Z / n
    centre = (share + spread / 2) / (1 + spread)
    half = _Z * math.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return Estimate(value=share, low=low, high=high, n=n)


def paired_difference(student: Sequence[bool], control: Sequence[bool]) -> Paired:
    """Return the student's share less the control's on the same items, with Tango's score interval.

    It is the interval that McNemar's test belongs to: it leaves 0 out exactly where that test finds a difference.
    Unlike a paired bootstrap it needs no chance, and does not shrink to a point where no item tells the two apart.
    """
    pairs = list(zip(student, control, strict=True))
    if not pairs:
        raise ValueError("no items were given: there is no difference of nothing")
    gained = sum(ours and not theirs for ours, theirs in pairs)
    lost = sum(theirs and not ours for ours, theirs in pairs)
    n = len(pairs)
    estimate = Estimate(
        value=(gained - lost) / n,
        low=_crossing(gained, lost, n, _Z),
        high=_crossing(gained, lost, n, -_Z),
        n=n,
    )
    return Paired(difference=estimate, only_student=gained, only_control=lost)


def mean(values: Sequence[float]) -> Estimate:
    """Return the mean of independent values with its normal interval; for hundreds of them, as a benchmark has."""
    n, centre = len(values), math.fsum(values) / len(values)
    if n < 2:
        return Estimate(value=centre, low=None, high=None, n=n)
    half = _Z * math.sqrt(math.fsum((value - centre) ** 2 for value in values) / (n - 1) / n)
    return Estimate(value=centre, low=centre - half, high=centre + half, n=n)


def tango_statistic(gained: int, lost: int, n: int, difference: float) -> float:
    """Return Tango's score statistic (1998) of a hypothetical difference; at 0 its square is McNemar's."""
    linear = (2 * n - gained + lost) * difference - gained - lost
    constant = -lost * difference * (1 - difference)
    root = math.sqrt(max(0.0, linear * linear - 8 * n * constant))
    # the likeliest share of items lost if the difference were this; the other root of the quadratic is not a share
    losing = (root - linear) / (4 * n)
    variance = n * (2 * losing + difference * (1 - difference))
    distance = gained - lost - n * difference
    if variance <= 0:
        return 0.0 if distance == 0 else math.copysign(math.inf, distance)
    return distance / math.sqrt(variance)


def _crossing(gained: int, lost: int, n: int, wanted: float) -> float:
    """Return the difference at which the statistic, which falls as the difference grows, is `wanted`."""
    low, high = -1.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if tango_statistic(gained, lost, n, middle) > wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def clustered_means(scores: Iterable[Score], *, seed: int = 0) -> Means:
    """Return means of groups with bootstrap intervals that resample clusters, since items of one are alike.

    Each of 2,000 resamples weighs every cluster by a draw from the exponential distribution (Rubin's Bayesian
    bootstrap): unlike drawing clusters with replacement it never leaves a group empty. Under some twenty clusters it
    is too narrow, as every bootstrap.
    """
    cells: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for score in scores:
        cells[score.cluster][score.group].append(score.value)
    groups = sorted({group for held in cells.values() for group in held})
    if not groups:
        raise ValueError("no scores were given: there is no mean of nothing")
    places = {group: place for place, group in enumerate(groups)}
    sums = [
        [(places[group], math.fsum(values), len(values)) for group, values in sorted(held.items())]
        for _, held in sorted(cells.items())
    ]
    value, counts = _means(sums, [1.0] * len(sums), len(groups))
    draw = Random(seed)
    drawn = [
        _means(sums, [draw.expovariate(1.0) for _ in sums], len(groups))[0]
        for _ in range(RESAMPLES if len(sums) > 1 else 0)
    ]
    sizes = [round(count) for count in counts]
    spread = [sum(1 for held in cells.values() if group in held) > 1 for group in groups]
    return Means(
        groups={
            group: _estimate(value[place], [means[place] for means in drawn] if spread[place] else [], sizes[place])
            for group, place in places.items()
        },
        overall=_estimate(
            sum(value) / len(groups), [sum(means) / len(groups) for means in drawn] if all(spread) else [], sum(sizes)
        ),
        clusters=len(sums),
    )


def _means(
    sums: list[list[tuple[int, float, int]]], weights: list[float], groups: int
) -> tuple[list[float], list[float]]:
    totals, counts = [0.0] * groups, [0.0] * groups
    for weight, held in zip(weights, sums, strict=True):
        for place, total, count in held:
            totals[place] += weight * total
            counts[place] += weight * count
    return [total / count for total, count in zip(totals, counts, strict=True)], counts


def _estimate(value: float, drawn: list[float], n: int) -> Estimate:
    if not drawn:
        return Estimate(value=value, low=None, high=None, n=n)
    drawn.sort()
    tail = len(drawn) // 40
    return Estimate(value=value, low=drawn[tail], high=drawn[-1 - tail], n=n)
