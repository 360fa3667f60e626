"""A metric over a benchmark's samples."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from pytest_modeleval.results.record import Metric
from pytest_modeleval.statistics.intervals import Interval, mean_interval, wilson_interval

QUANTITIES = frozenset(
    {"latency_s", "ttft_s", "tpot_s", "prompt_tokens", "completion_tokens", "cost"}
)
"""The metrics that every sample may have and that are seconds, counts or money."""


def metric_range(name: str) -> tuple[float, float]:
    """The least and the greatest value that the metric can have on a sample, as far as is known."""
    if name == "accuracy":
        return (0.0, 1.0)
    return (0.0 if name in QUANTITIES else -math.inf, math.inf)


def metric_interval(name: str, values: Sequence[float], level: float = 0.95) -> Interval:
    """The interval of a metric's mean: Wilson where all values are 0 or 1, else Student's t.

    Quantities are never taken for proportions: a run that costs nothing has cost 0, not "0 of n".
    """
    if name not in QUANTITIES and all(value in (0.0, 1.0) for value in values):
        return wilson_interval(math.fsum(values), len(values), level)
    lower, upper, method = mean_interval(values, level)
    if lower is None or upper is None:
        return Interval(None, None, method)
    least, greatest = metric_range(name)
    return Interval(max(lower, least), min(upper, greatest), method)


def summary(name: str, values: Iterable[float]) -> Metric | None:
    """The metric's mean with its 95 % interval; None where no sample has a value.

    Args:
        name: the metric's name: it decides how the interval is made.
        values: one a sample; NaN where the sample has none.
    """
    present = [value for value in values if value == value]
    if not present:
        return None
    lower, upper, _ = metric_interval(name, present)
    return Metric(math.fsum(present) / len(present), lower, upper, len(present))
