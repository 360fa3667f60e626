"""What changes from run to run on the same samples, beside what other samples would change."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

from pytest_modeleval.statistics.clusters import cluster_sums, mean_variance
from pytest_modeleval.statistics.repeats import Moments, spread

INSIDE = 2.0
"""A margin of fewer standard deviations than that is inside the noise."""

HARDLY = 0.1
"""What decoding may add to the standard error, as a share of what there would be without it."""

MOST_EPOCHS = 1_000


class Change(NamedTuple):
    """`deviation` is the standard deviation of the score from run to run, `changed` the share of
    samples that did not score the same in all runs."""

    deviation: float
    changed: float


def change(
    runs: Sequence[Sequence[float]], clusters: Sequence[Hashable] | None = None
) -> Change | None:
    """How much the mean over the same samples changes from run to run.

    Two estimates, of which the larger counts: the standard deviation of the runs' means, which few
    runs tell badly but which sees what moves all samples together, and that which follows from how
    single samples change, taken as independent of each other (by clusters where they belong
    together), which many samples tell well.

    Args:
        runs: for each run its score of each sample, in one order.
        clusters: which samples belong together, one for each; None where all are on their own.

    Returns:
        None for fewer than two runs, or no samples.
    """
    if len(runs) < 2 or not len(runs[0]):
        return None
    scores = np.asarray(runs, float)
    sums = np.array([cluster_sums(run, clusters) for run in scores])
    together = float(scores.mean(axis=1).var(ddof=1))
    apart = float(sums.var(axis=0, ddof=1).sum()) / scores.shape[1] ** 2
    changed = float((np.ptp(scores, axis=0) > 0).mean())
    return Change(math.sqrt(max(together, apart)) if changed else 0.0, changed)


class Decoding(NamedTuple):
    """Variances of a benchmark's mean: `samples` is what drawing other samples changes, `once` what
    decoding every sample once more does, both of one epoch."""

    samples: float
    once: float

    def added(self, epochs: int) -> float:
        """By which share decoding raises the standard error, with so many epochs."""
        if not self.once:
            return 0.0
        if not self.samples:
            return math.inf
        return math.sqrt(1 + self.once / (epochs * self.samples)) - 1

    def epochs(self, added: float = HARDLY) -> int | None:
        """The fewest epochs with which decoding adds at most that share to the standard error;
        None where no number up to MOST_EPOCHS does."""
        if not self.once:
            return 1
        allowed = ((1 + added) ** 2 - 1) * self.samples
        if self.once > MOST_EPOCHS * allowed:
            return None
        return max(1, math.ceil(self.once / allowed - 1e-9))


def decoding(
    answers: Sequence[Sequence[float]], clusters: Sequence[Hashable] | None = None
) -> Decoding | None:
    """Divide the variance of a mean between the samples and their decoding.

    With k answers a sample it is (Var(x) + E[sigma_i^2] / k) / n: the law of total variance, Miller
    2024, 3.1. The first part is by clusters where samples belong together.

    Args:
        answers: for each sample the scores of its answers, each with a seed of its own.
        clusters: which samples belong together, one for each; None where all are on their own.

    Returns:
        None where no sample has two answers, or there are fewer than two samples or clusters.
    """
    moments = [
        Moments(len(each), math.fsum(each), math.fsum(value**2 for value in each))
        for each in answers
    ]
    found = spread(moments)
    if found is None:
        return None
    total = mean_variance([each.total / each.n for each in moments], clusters)
    if total is None:
        return None
    n = len(moments)
    left = found.within * math.fsum(1 / each.n for each in moments) / n**2
    return Decoding(max(0.0, total - left), found.within / n)
