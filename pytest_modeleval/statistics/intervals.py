"""Confidence intervals, two-sided."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from pytest_modeleval.statistics.quantiles import binomial_quantile, normal_quantile, t_quantile


class Interval(NamedTuple):
    """Both ends, each None where the values are too few to give it; and the method's name."""

    lower: float | None
    upper: float | None
    method: str


def wilson_interval(successes: float, n: float, level: float = 0.95) -> Interval:
    """The score interval of a proportion (Wilson 1927; method 3 of Newcombe 1998).

    Args:
        successes: from 0 to n.
        n: trials, at least 1; an effective number need not be whole.
        level: confidence, such as 0.95.
    """
    z = normal_quantile((1 + level) / 2)
    p = successes / n
    centre = p + z * z / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    # At the edges the formula is 0 or 1 but for rounding.
    lower = 0.0 if successes == 0 else (centre - half) / scale
    upper = 1.0 if successes == n else (centre + half) / scale
    return Interval(lower, upper, "wilson")


def mean_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Student's t interval of a mean; no ends for fewer than two values."""
    n = len(values)
    if n < 2:
        return Interval(None, None, "t")
    mean = math.fsum(values) / n
    variance = math.fsum([(value - mean) ** 2 for value in values]) / (n - 1)
    half = t_quantile((1 + level) / 2, n - 1) * math.sqrt(variance / n)
    return Interval(mean - half, mean + half, "t")


def quantile_interval(
    values: Sequence[float],
    q: float,
    level: float = 0.95,
    clusters: Sequence[Hashable] | None = None,
) -> Interval:
    """The distribution-free interval of a quantile: two order statistics at binomial ranks.

    Covers at least `level` whatever the distribution (David and Nagaraja 2003, 7.1; Conover 1999,
    3.2). An end beyond the outermost value is None: 10 values have no upper end for a 95th
    percentile.

    Args:
        values: at least one, in any order.
        q: between 0 and 1, both excluded.
        level: confidence, such as 0.95.
        clusters: which samples belong together; the interval is then a bootstrap over clusters.
    """
    if clusters is not None:
        from pytest_modeleval.statistics.clusters import cluster_quantile_interval

        return cluster_quantile_interval(values, q, clusters, level)
    ordered = sorted(values)
    n = len(ordered)
    below = binomial_quantile((1 - level) / 2, n, q)
    above = binomial_quantile((1 + level) / 2, n, q)
    lower = ordered[below - 1] if below > 0 else None
    upper = ordered[above] if above < n else None
    return Interval(lower, upper, "order statistics")
