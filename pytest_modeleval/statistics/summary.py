"""A metric over a benchmark's samples."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

from pytest_modeleval.results.record import Metric
from pytest_modeleval.statistics.intervals import Interval, mean_interval, wilson_interval

QUANTITIES = frozenset(
    {"latency_s", "ttft_s", "tpot_s", "prompt_tokens", "completion_tokens", "cost"}
)
"""The metrics that every sample may have and that are seconds, counts or money."""


SHARES = frozenset({"accuracy", "majority", "confidence", "brier", "ece", "adaptive_ece"})
"""The metrics that are from 0 to 1 on every sample."""


def metric_range(name: str) -> tuple[float, float]:
    """The least and the greatest value that the metric can have on a sample, as far as is known."""
    if name in SHARES or name.startswith(("pass_at_", "pass_hat_")):
        return (0.0, 1.0)
    return (0.0 if name in QUANTITIES else -math.inf, math.inf)


def metric_interval(
    name: str,
    values: Sequence[float],
    level: float = 0.95,
    clusters: Sequence[Hashable] | None = None,
) -> Interval:
    """The interval of a metric's mean: Wilson where all values are 0 or 1, else Student's t; both
    by clusters where samples belong together.

    Quantities are never taken for proportions: a run that costs nothing has cost 0, not "0 of n".
    """
    if name not in QUANTITIES and all(value in (0.0, 1.0) for value in values):
        if clusters is not None:
            return _clustered(values, clusters, level)
        return wilson_interval(math.fsum(values), len(values), level)
    lower, upper, method = (
        mean_interval(values, level) if clusters is None else _clustered(values, clusters, level)
    )
    if lower is None or upper is None:
        return Interval(None, None, method)
    least, greatest = metric_range(name)
    return Interval(max(lower, least), min(upper, greatest), method)


def _clustered(values: Sequence[float], clusters: Sequence[Hashable], level: float) -> Interval:
    from pytest_modeleval.statistics.clusters import cluster_interval

    return cluster_interval(values, clusters, level)


def summary(
    name: str, values: Sequence[float], clusters: Sequence[Hashable] | None = None
) -> Metric | None:
    """The metric's mean with its 95 % interval; None where no sample has a value.

    Args:
        name: the metric's name: it decides how the interval is made.
        values: one a sample; NaN where the sample has none.
        clusters: which samples belong together, one for each; None where all are on their own.
    """
    present = [value for value in values if value == value]
    if not present:
        return None
    if clusters is not None:
        clusters = [each for each, value in zip(clusters, values) if value == value]
    lower, upper, _ = metric_interval(name, present, clusters=clusters)
    return Metric(math.fsum(present) / len(present), lower, upper, len(present))
