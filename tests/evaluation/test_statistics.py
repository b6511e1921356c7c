"""Intervals: against figures from the literature, by what they promise of simulated data, and at their edges."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentinstruct.evaluation.statistics import (
    Score,
    clustered_means,
    paired_difference,
    tango_statistic,
    wilson,
)

pytestmark = pytest.mark.slow

Z = 1.959964


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    # Newcombe (1998), table I, method 3: the score interval
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilsons_interval_is_the_published_one(successes: int, n: int, low: float, high: float) -> None:
    found = wilson(successes, n)
    assert found.low == pytest.approx(low, abs=6e-5)
    assert found.high == pytest.approx(high, abs=6e-5)
    assert found.value == successes / n


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilsons_interval_holds_the_share_and_has_a_width(counts: tuple[int, int]) -> None:
    successes, n = counts
    found = wilson(successes, n)
    assert found.low is not None and found.high is not None
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.high > found.low
    mirrored = wilson(n - successes, n)
    assert mirrored.low == pytest.approx(1 - found.high)


@pytest.mark.parametrize(("share", "n"), [(0.03, 100), (0.5, 40), (0.9, 300)])
def test_wilsons_interval_covers_as_often_as_it_says(share: float, n: int) -> None:
    draw = Random(1)
    trials = [wilson(sum(draw.random() < share for _ in range(n)), n) for _ in range(1000)]
    covered = sum((found.low or 0) <= share <= (found.high or 1) for found in trials)
    assert 0.925 <= covered / 1000 <= 0.985


OUTCOMES = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=120)


@given(OUTCOMES)
def test_a_paired_difference_has_the_sign_of_who_won_and_turns_round_with_the_models(
    pairs: list[tuple[bool, bool]],
) -> None:
    ours, theirs = [one for one, _ in pairs], [other for _, other in pairs]
    found, turned = paired_difference(ours, theirs), paired_difference(theirs, ours)
    difference = found.difference
    assert difference.value == pytest.approx((sum(ours) - sum(theirs)) / len(pairs))
    assert (found.only_student, found.only_control) == (turned.only_control, turned.only_student)
    assert difference.low is not None and difference.high is not None
    assert turned.difference.low == pytest.approx(-difference.high, abs=1e-9)
    assert -1 <= difference.low <= difference.value + 1e-9
    assert difference.value - 1e-9 <= difference.high <= 1
    assert difference.low < difference.high


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_the_interval_leaves_zero_out_exactly_where_mcnemars_test_finds_a_difference(
    gained: int, lost: int, alike: int
) -> None:
    if gained + lost == 0:
        return
    mcnemar = (gained - lost) / math.sqrt(gained + lost)
    n = gained + lost + alike
    assert tango_statistic(gained, lost, n, 0.0) == pytest.approx(mcnemar)
    if abs(abs(mcnemar) - Z) < 1e-6:
        return
    ours = [True] * gained + [False] * lost + [True] * alike
    theirs = [False] * gained + [True] * lost + [True] * alike
    found = paired_difference(ours, theirs).difference
    assert found.low is not None and found.high is not None
    assert (found.low > 0 or found.high < 0) == (abs(mcnemar) > Z)


@pytest.mark.parametrize(("gained", "lost", "alike"), [(9, 3, 20), (1, 0, 43), (40, 40, 20), (0, 12, 0)])
def test_the_ends_of_the_interval_solve_tangos_equation(gained: int, lost: int, alike: int) -> None:
    """With the constrained likelihood maximised by search, apart from the closed form that is under test."""
    n = gained + lost + alike
    ours = [True] * gained + [False] * lost + [True] * alike
    theirs = [False] * gained + [True] * lost + [True] * alike
    found = paired_difference(ours, theirs).difference
    for edge in (found.low, found.high):
        assert edge is not None
        if abs(edge) > 1 - 1e-6:
            continue
        lost_share = _likeliest(gained, lost, alike, edge)
        variance = n * (2 * lost_share + edge - edge * edge)
        assert abs(gained - lost - n * edge) / math.sqrt(variance) == pytest.approx(Z, rel=1e-3)


def _likeliest(gained: int, lost: int, alike: int, difference: float) -> float:
    low, high = max(0.0, -difference), (1 - difference) / 2
    steps = 200_000
    places = [low + (high - low) * (step + 0.5) / steps for step in range(steps)]
    return max(
        places,
        key=lambda share: (
            (gained * math.log(share + difference) if gained else 0)
            + (lost * math.log(share) if lost else 0)
            + (alike * math.log(1 - 2 * share - difference) if alike else 0)
        ),
    )


@pytest.mark.parametrize(("gain", "loss", "n"), [(0.1, 0.1, 60), (0.25, 0.05, 50), (0.02, 0.01, 200)])
def test_a_paired_interval_covers_as_often_as_it_says(gain: float, loss: float, n: int) -> None:
    draw = Random(2)
    covered = 0
    for _ in range(400):
        drawn = [draw.random() for _ in range(n)]
        ours = [one < gain or one >= gain + loss for one in drawn]
        theirs = [one >= gain for one in drawn]
        found = paired_difference(ours, theirs).difference
        covered += (found.low or -1) <= gain - loss <= (found.high or 1)
    assert covered / 400 >= 0.92


def _drawn(draw: Random, clusters: int, of_each: int, *, within: float) -> list[Score]:
    """Scores of mean 5 whose clusters differ by one and whose items differ by `within`."""
    scores = []
    for cluster in range(clusters):
        centre = draw.gauss(5, 1)
        scores += [Score(cluster=str(cluster), group="skill", value=draw.gauss(centre, within)) for _ in range(of_each)]
    return scores


def test_a_bootstrap_over_clusters_covers_where_one_over_items_does_not() -> None:
    draw = Random(3)
    trials = [_drawn(draw, 25, 6, within=0.3) for _ in range(60)]
    assert sum(map(_holds_five, trials)) >= 52
    apart = [
        [Score(cluster=str(place), group=each.group, value=each.value) for place, each in enumerate(scores)]
        for scores in trials[:20]
    ]
    assert sum(map(_holds_five, apart)) <= 14


def _holds_five(scores: list[Score]) -> bool:
    mean = clustered_means(scores).overall
    assert mean.low is not None and mean.high is not None
    return mean.low <= 5 <= mean.high


def test_items_of_one_cluster_widen_the_interval_and_independent_ones_do_not() -> None:
    alike = [Score(cluster=str(place // 10), group="a", value=float(place // 10 % 2)) for place in range(300)]
    apart = [Score(cluster=str(place), group="a", value=float(place // 10 % 2)) for place in range(300)]
    wide, narrow = clustered_means(alike).overall, clustered_means(apart).overall
    assert wide.low is not None and wide.high is not None and narrow.low is not None and narrow.high is not None
    assert 2.2 < (wide.high - wide.low) / (narrow.high - narrow.low) < 4.5  # about the root of ten items a cluster
    normal = 2 * Z * math.sqrt(0.25 / 300)
    assert narrow.high - narrow.low == pytest.approx(normal, rel=0.12)


def test_the_overall_mean_counts_every_skill_alike_however_many_items_it_has() -> None:
    many = [Score(cluster=f"m{place}", group="many", value=10.0) for place in range(90)]
    few = [Score(cluster=f"f{place}", group="few", value=4.0 + place % 2) for place in range(10)]
    found = clustered_means([*many, *few])
    assert found.overall.value == pytest.approx((10 + 4.5) / 2)
    assert found.groups["few"].value == pytest.approx(4.5)
    assert (found.groups["many"].n, found.groups["few"].n, found.overall.n) == (90, 10, 100)
    assert found.clusters == 100


def test_the_same_seed_gives_the_same_interval_in_any_order_of_the_items() -> None:
    scores = _drawn(Random(4), 12, 3, within=1.0)
    turned = scores[::-1]
    assert clustered_means(scores, seed=5) == clustered_means(turned, seed=5)
    assert clustered_means(scores, seed=5) != clustered_means(scores, seed=6)


def test_one_cluster_gives_a_mean_and_no_interval() -> None:
    found = clustered_means([Score(cluster="only", group="a", value=value) for value in (2.0, 4.0)])
    assert (found.overall.value, found.overall.low, found.overall.high) == (3.0, None, None)


def test_no_items_are_an_error_and_not_a_figure() -> None:
    with pytest.raises(ValueError, match="not a share"):
        wilson(0, 0)
    with pytest.raises(ValueError, match="no items"):
        paired_difference([], [])
    with pytest.raises(ValueError, match="no scores"):
        clustered_means([])
