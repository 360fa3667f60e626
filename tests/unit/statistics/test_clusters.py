"""Intervals of clustered samples: against a published estimator, and coverage by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_modeleval.statistics import mean_interval, wilson_interval
from pytest_modeleval.statistics.clusters import cluster_interval


def test_clusters_of_one_are_students_t() -> None:
    values = list(np.random.default_rng(1).normal(0.3, 0.2, 50))
    assert cluster_interval(values, range(50))[:2] == pytest.approx(mean_interval(values)[:2])


def test_clusters_of_one_with_zeros_and_ones_are_nearly_wilson() -> None:
    values = [1.0] * 70 + [0.0] * 30
    found = cluster_interval(values, range(100))
    assert found[:2] == pytest.approx(wilson_interval(70, 100)[:2], abs=0.003)


def test_copies_of_samples_add_nothing() -> None:
    """Each sample twice in one cluster: as the samples once."""
    values = list(np.random.default_rng(2).normal(0, 1, 30))
    found = cluster_interval([*values, *values], [*range(30), *range(30)])
    assert found[:2] == pytest.approx(mean_interval(values)[:2])


def test_one_cluster_tells_nothing_about_the_spread() -> None:
    assert cluster_interval([0.0, 1.0], ["a", "a"])[:2] == (None, None)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_all_right_or_all_wrong_counts_clusters(value: float) -> None:
    lower, upper, _ = cluster_interval([value] * 100, [place // 10 for place in range(100)])
    plain = wilson_interval(10 * value, 10)
    assert lower is not None and upper is not None
    assert plain.lower is not None and plain.upper is not None
    assert upper - lower >= plain.upper - plain.lower
    assert (upper if value else lower) == value


@pytest.mark.parametrize("p", [0.5, 0.9])
@pytest.mark.parametrize("groups", [30, 120])
def test_coverage_with_correlated_zeros_and_ones(p: float, groups: int) -> None:
    """Beta-binomial clusters of 8, correlation 0.3: 1,500 draws, Monte-Carlo error 0.6 points."""
    draw = np.random.default_rng(groups)
    size, strength = 8, 1 / 0.3 - 1
    clusters = np.repeat(np.arange(groups), size).tolist()
    covered = naive = 0
    for _ in range(1_500):
        chances = draw.beta(p * strength, (1 - p) * strength, groups)
        values = (draw.random(groups * size) < np.repeat(chances, size)).astype(float)
        lower, upper, _ = cluster_interval(values, clusters)
        covered += lower is not None and upper is not None and lower <= p <= upper
        lower, upper, _ = wilson_interval(values.sum(), len(values))
        naive += lower is not None and upper is not None and lower <= p <= upper
    assert 0.93 <= covered / 1_500 <= 0.98
    assert naive / 1_500 < 0.85
