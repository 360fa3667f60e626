"""Quantiles of samples and of distributions."""

from __future__ import annotations

import math
import random

import pytest

from pytest_modeleval.statistics import quantile
from pytest_modeleval.statistics.quantiles import binomial_quantile, t_quantile


@pytest.mark.parametrize(
    ("values", "q", "expected"),
    [
        ([3.0], 0.95, 3.0),
        ([4.0, 1.0, 3.0, 2.0], 0.5, 2.5),
        ([1.0, 2.0, 3.0], 0.5, 2.0),
        ([0.0, 10.0], 0.95, 9.5),
        ([1.0, 2.0], 1.0, 2.0),
    ],
)
def test_quantile_interpolates(values: list[float], q: float, expected: float) -> None:
    assert quantile(values, q) == pytest.approx(expected)


def test_quantile_agrees_with_numpy() -> None:
    numpy = pytest.importorskip("numpy")
    generator = random.Random(1)
    for n in (1, 2, 7, 100, 101, 1000):
        values = [generator.expovariate(1) for _ in range(n)]
        for percent in range(50, 100):
            expected = float(numpy.quantile(values, percent / 100))
            assert quantile(values, percent / 100) == pytest.approx(expected)


def test_quantile_does_not_reach_for_an_infinite_neighbour() -> None:
    """0.95 x 100 is position 95 itself: the five above it do not matter."""
    values = [float(value) for value in range(96)]
    assert quantile([*values, *[math.inf] * 5], 0.95) == 95.0
    assert quantile([*values, *[math.inf] * 6], 0.95) == math.inf
    assert quantile([-math.inf, *values], 0.5) == 47.0
    assert quantile([-math.inf, 1.0], 0.5) == -math.inf


@pytest.mark.parametrize(
    ("df", "expected"),
    [
        (1, 12.7062),
        (2, 4.3027),
        (3, 3.1824),
        (10, 2.2281),
        (30, 2.0423),
        (120, 1.9799),
        (10**6, 1.96),
    ],
)
def test_t_quantile_gives_the_tabled_values(df: int, expected: float) -> None:
    assert t_quantile(0.975, df) == pytest.approx(expected, abs=6e-5)


@pytest.mark.parametrize("p", [0.6, 0.95, 0.975, 0.995])
def test_t_quantile_agrees_with_scipy(p: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    for df in (*range(1, 230, 7), 199, 200, 201, 1000, 99_999):
        assert t_quantile(p, df) == pytest.approx(float(stats.t.ppf(p, df)), rel=1e-9)


@pytest.mark.parametrize("q", [0.5, 0.9, 0.99])
def test_binomial_quantile_agrees_with_scipy(q: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    for n in (1, 2, 30, 59, 1000, 99_999):
        for p in (0.005, 0.025, 0.05, 0.95, 0.975, 0.995):
            assert binomial_quantile(p, n, q) == stats.binom.ppf(p, n, q)
