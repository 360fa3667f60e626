"""Intervals: published values, scipy, edges, and coverage by simulation."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from pytest_modeleval.statistics import (
    Interval,
    mean_interval,
    quantile,
    quantile_interval,
    wilson_interval,
)


@pytest.mark.parametrize(
    ("successes", "n", "lower", "upper"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_published_intervals(
    successes: int, n: int, lower: float, upper: float
) -> None:
    """Newcombe (1998), table I, method 3."""
    interval = wilson_interval(successes, n)
    assert interval.method == "wilson"
    assert (round(interval.lower or 0, 4), round(interval.upper or 0, 4)) == (lower, upper)


def test_wilson_touches_the_edges_exactly() -> None:
    for n in range(1, 60):
        assert wilson_interval(0, n).lower == 0.0
        assert wilson_interval(n, n).upper == 1.0
    assert wilson_interval(0, 1)[:2] == pytest.approx((0.0, 0.793451), abs=1e-6)


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
@pytest.mark.parametrize(("successes", "n"), [(3, 7), (1, 1), (999, 1000), (50, 100)])
def test_wilson_agrees_with_scipy(successes: int, n: int, level: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    theirs = stats.binomtest(successes, n).proportion_ci(level, method="wilson")
    assert wilson_interval(successes, n, level)[:2] == pytest.approx((theirs.low, theirs.high))


@pytest.mark.parametrize("n", [2, 3, 12, 200, 203, 1500])
def test_mean_interval_agrees_with_scipy(n: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    generator = random.Random(n)
    values = [generator.gauss(5, 2) for _ in range(n)]
    theirs = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert mean_interval(values)[:2] == pytest.approx((theirs.low, theirs.high), rel=1e-9)


def test_mean_interval_needs_two_values() -> None:
    assert mean_interval([3.0]) == Interval(None, None, "t")
    assert mean_interval([3.0, 3.0])[:2] == (3.0, 3.0)


@pytest.mark.parametrize(("n", "lower", "upper"), [(10, 2, 9), (20, 6, 15), (5, None, None)])
def test_median_interval_uses_the_tabled_ranks(
    n: int, lower: int | None, upper: int | None
) -> None:
    """The ranks of the 95 % sign interval, as in Conover (1999), 3.2."""
    values = [float(rank) for rank in range(n, 0, -1)]
    assert quantile_interval(values, 0.5)[:2] == (lower, upper)


@pytest.mark.parametrize("q", [0.5, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("n", [20, 73, 400, 2000])
def test_quantile_interval_agrees_with_scipy(q: float, n: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    generator = random.Random(n)
    values = [generator.random() for _ in range(n)]
    theirs = stats.quantile_test(values, q=0, p=q).confidence_interval(0.95)
    expected = [None if math.isnan(end) else end for end in (theirs.low, theirs.high)]
    assert list(quantile_interval(values, q)[:2]) == expected


def test_quantile_interval_has_no_end_beyond_the_values() -> None:
    """72 values: 0.95 ** 72 = 0.0249 is the first power under 0.025."""
    assert quantile_interval(range(71), 0.95).upper is None
    assert quantile_interval(range(72), 0.95).upper == 71


def test_quantile_interval_holds_the_quantile() -> None:
    generator = random.Random(4)
    for n in range(5, 120):
        values = [generator.expovariate(1) for _ in range(n)]
        for q in (0.5, 0.75, 0.9, 0.95, 0.99):
            lower, upper, _ = quantile_interval(values, q)
            assert (lower or 0) <= quantile(values, q) <= (upper or math.inf)


def _coverage(interval: Callable[[random.Random], Interval], truth: float) -> float:
    generator, repeats = random.Random(20), 2000
    held = 0
    for _ in range(repeats):
        lower, upper, _ = interval(generator)
        held += (lower is None or lower <= truth) and (upper is None or truth <= upper)
    return held / repeats


# 2,000 repeats: the Monte-Carlo standard error at 95 % is 0.0049; four of them are allowed.
ERROR = 4 * math.sqrt(0.95 * 0.05 / 2000)


def test_wilson_covers() -> None:
    """Exact coverage at p = 0.3, n = 50 is 0.957 (summed over the binomial distribution)."""
    exact = sum(
        math.comb(50, k) * 0.3**k * 0.7 ** (50 - k)
        for k in range(51)
        if (wilson_interval(k, 50).lower or 0) <= 0.3 <= (wilson_interval(k, 50).upper or 0)
    )
    assert exact == pytest.approx(0.957, abs=0.001)
    simulated = _coverage(
        lambda generator: wilson_interval(sum(generator.random() < 0.3 for _ in range(50)), 50), 0.3
    )
    assert abs(simulated - exact) < ERROR


def test_mean_interval_covers() -> None:
    simulated = _coverage(
        lambda generator: mean_interval([generator.gauss(1, 3) for _ in range(8)]), 1.0
    )
    assert abs(simulated - 0.95) < ERROR


@pytest.mark.parametrize("q", [0.5, 0.9])
def test_quantile_interval_covers_at_least(q: float) -> None:
    truth = -math.log(1 - q)
    simulated = _coverage(
        lambda generator: quantile_interval([generator.expovariate(1) for _ in range(60)], q), truth
    )
    assert simulated > 0.95 - ERROR
