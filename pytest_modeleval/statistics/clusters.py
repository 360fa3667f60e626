"""Samples that share a passage, a problem or a conversation are not independent of each other."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from scipy import stats

from pytest_modeleval.statistics.intervals import Interval, wilson_interval


def cluster_sums(values: Any, clusters: Sequence[Hashable] | None) -> Any:
    """The sum of each cluster's values, in the order of their first samples; without clusters
    every sample is one."""
    values = np.asarray(values, float)
    if clusters is None:
        return values
    numbers: dict[Hashable, int] = {}
    places = [numbers.setdefault(each, len(numbers)) for each in clusters]
    return np.bincount(places, weights=values, minlength=len(numbers))


def cluster_places(n: int, clusters: Sequence[Hashable] | None) -> list[Any]:
    """For each cluster the places of its samples; without clusters every sample is one."""
    if clusters is None:
        return list(np.arange(n).reshape(-1, 1))
    found: dict[Hashable, list[int]] = {}
    for place, each in enumerate(clusters):
        found.setdefault(each, []).append(place)
    return [np.array(places) for places in found.values()]


def mean_variance(values: Sequence[float], clusters: Sequence[Hashable] | None) -> float | None:
    """The variance of a mean over samples: its squared standard error, between clusters where
    samples belong together (CR1: Liang and Zeger 1986, with G / (G - 1); Miller 2024, 2.2).

    None for fewer than two clusters.
    """
    array = np.asarray(values, float)
    sums = cluster_sums(array - array.mean(), clusters)
    groups = len(sums)
    if groups < 2:
        return None
    return groups / (groups - 1) * float(sums @ sums) / len(array) ** 2


def cluster_interval(
    values: Sequence[float], clusters: Sequence[Hashable], level: float = 0.95
) -> Interval:
    """The interval of a mean over clustered samples.

    The variance is that between clusters (`mean_variance`), with Student's t on G - 1 degrees of
    freedom. For scores of 0 and 1 it is Wilson's at the effective sample size (Korn and Graubard
    1998; Dean and Pagano 2015): where all are right or all wrong, one sample a cluster counts.
    """
    array = np.asarray(values, float)
    n = len(array)
    mean = float(array.mean())
    variance = mean_variance(values, clusters)
    if variance is None:
        return Interval(None, None, "clusters")
    groups = len(set(clusters))
    t = float(stats.t.ppf((1 + level) / 2, groups - 1))
    if set(np.unique(array)) <= {0.0, 1.0}:
        z = float(stats.norm.ppf((1 + level) / 2))
        effective = mean * (1 - mean) / variance if variance > 0 else groups
        effective = min(effective, n) * (z / t) ** 2
        lower, upper, _ = wilson_interval(mean * effective, effective, level)
        lower = 0.0 if mean == 0 else lower
        upper = 1.0 if mean == 1 else upper
        return Interval(lower, upper, "wilson, clustered")
    half = t * math.sqrt(variance)
    return Interval(mean - half, mean + half, "t, clustered")


def cluster_quantile_interval(
    values: Sequence[float], q: float, clusters: Sequence[Hashable], level: float = 0.95
) -> Interval:
    """The percentile bootstrap of a quantile, drawing whole clusters (Davison and Hinkley 1997,
    3.8); no ends for fewer than two clusters."""
    array = np.asarray(values, float)
    groups = cluster_places(len(array), clusters)
    if len(groups) < 2:
        return Interval(None, None, "bootstrap, clustered")
    draw = np.random.default_rng(0)
    found = [
        np.quantile(
            array[
                np.concatenate(
                    [groups[each] for each in draw.integers(0, len(groups), len(groups))]
                )
            ],
            q,
        )
        for _ in range(1_000)
    ]
    lower, upper = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(lower), float(upper), "bootstrap, clustered")
