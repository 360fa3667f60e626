"""Two runs over the same samples: is the second one worse? One-sided tests and their intervals.

`better` and `worse` count the samples whose 0/1 score rose and fell from the baseline to the run.
Differences are the run's scores minus the baseline's. An interval's ends are one-sided limits at
`alpha` each, so that a drop beyond a margin is shown exactly where the upper end is below it.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy import optimize, stats

from pytest_modeleval.statistics.clusters import cluster_places, cluster_sums

FLIPS = 9_999
"""Random sign flips of a permutation test, beside the one observed."""


CORRECTION = 1.0
"""For continuity, as Edwards (1948) for McNemar's test: a pair that changes sides moves the counts'
distance by two. Without it the error exceeds alpha where there are few discordant pairs."""


class PairedTest(NamedTuple):
    """`difference` is the mean; `p_value` is of the hypothesis that was tested."""

    difference: float
    lower: float
    upper: float
    p_value: float
    method: str


def drop_shown(
    differences: Sequence[float],
    margin: float = 0.0,
    *,
    binary: bool,
    clusters: Sequence[Hashable] | None = None,
    alpha: float = 0.05,
) -> PairedTest:
    """Test "the mean has not dropped by more than `margin`" against "it has".

    A small p-value shows a drop beyond the margin.

    Args:
        differences: one for each sample, at least two.
        margin: how much of a drop is allowed; negative: how much of a rise is asked for.
        binary: both scores are 0 or 1 for every sample.
        clusters: which samples are not independent of each other; None where all are.
        alpha: for each end of the interval.
    """
    if binary and (n := _independent(differences, clusters)):
        return _binary(*_discordant(differences), n, -margin, alpha, "drop")
    return _graded(differences, clusters, -margin, alpha, "drop")


def drop_excluded(
    differences: Sequence[float],
    margin: float,
    *,
    binary: bool,
    clusters: Sequence[Hashable] | None = None,
    alpha: float = 0.05,
) -> PairedTest:
    """Test "the mean has dropped by `margin` or more" against "it has not" (non-inferiority).

    A small p-value excludes a drop beyond the margin. The arguments are those of `drop_shown`.
    """
    if binary and (n := _independent(differences, clusters)):
        return _binary(*_discordant(differences), n, -margin, alpha, "rise")
    return _graded(differences, clusters, -margin, alpha, "rise")


def difference(
    differences: Sequence[float],
    *,
    binary: bool,
    clusters: Sequence[Hashable] | None = None,
    level: float = 0.95,
) -> PairedTest:
    """The mean difference with its two-sided interval, and the two-sided p-value of "there is
    none": twice the smaller of the one-sided ones. The arguments are those of `drop_shown`."""
    alpha = (1 - level) / 2
    lower = drop_shown(differences, binary=binary, clusters=clusters, alpha=alpha)
    turned = [-each for each in differences]
    upper = drop_shown(turned, binary=binary, clusters=clusters, alpha=alpha)
    return lower._replace(p_value=min(1.0, 2 * min(lower.p_value, upper.p_value)))


def mcnemar(better: int, worse: int) -> float:
    """The exact one-sided p-value of "worse is no likelier than better" (McNemar 1947; exact:
    the sign test on the discordant pairs, Agresti 2013, 11.1.1)."""
    return float(stats.binom.sf(worse - 1, better + worse, 0.5))


def tango_z(better: int, worse: int, n: int, difference: float, correction: float = 0.0) -> float:
    """The score statistic of a difference of paired proportions (Tango 1998, eq. 5).

    Standard normal where the true difference is `difference`; for 0 it is McNemar's. `correction`
    is added to the distance between the counts.
    """
    a = 2 * n
    b = -better - worse + (2 * n - better + worse) * difference
    c = -worse * difference * (1 - difference)
    share = (math.sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
    variance = n * (2 * share + difference * (1 - difference))
    distance = better - worse - n * difference + correction
    if variance <= 0:
        return 0.0 if abs(distance) < 1e-9 else math.copysign(math.inf, distance)
    return distance / math.sqrt(variance)


def tango_interval(better: int, worse: int, n: int, alpha: float = 0.05) -> tuple[float, float]:
    """The score interval of a difference of paired proportions (Tango 1998), corrected for
    continuity, each end at alpha."""
    z = float(stats.norm.isf(alpha))
    estimate = (better - worse) / n

    def end(outermost: float) -> float:
        def distance(difference: float) -> float:
            corrected = tango_z(better, worse, n, difference, outermost * CORRECTION)
            return corrected + outermost * z

        edge = outermost * (1 - 1e-12)
        if distance(estimate) * distance(edge) > 0:
            return outermost
        return float(optimize.brentq(distance, estimate, edge))

    return end(-1.0), end(1.0)


def sign_flip(
    differences: Sequence[float] | np.ndarray[Any, Any],
    shift: float,
    *,
    clusters: Sequence[Hashable] | None = None,
    seed: int = 0,
) -> float:
    """The one-sided p-value of "the mean is at least `shift`" by flipping the signs of what is
    left without it, of whole clusters at a time (Fisher 1935; Phipson and Smyth 2010 for the 1).

    Exact where the differences lie symmetrically about `shift`; asymptotically valid otherwise.
    """
    sums = cluster_sums(np.asarray(differences, float) - shift, clusters)
    sums = sums[sums != 0]
    if not len(sums):
        return 1.0
    signs = np.random.default_rng(seed)
    tolerance = 1e-9 * np.abs(sums).sum()
    as_low, left = 0, FLIPS
    while left:  # in blocks, so that memory stays flat
        block = min(left, max(1, 2_000_000 // len(sums)))
        flips = signs.integers(0, 2, (block, len(sums)), dtype=np.int8) * 2 - 1
        as_low += int(np.count_nonzero(flips @ sums <= sums.sum() + tolerance))
        left -= block
    return (1 + as_low) / (1 + FLIPS)


def paired_bootstrap(
    differences: Sequence[float],
    *,
    clusters: Sequence[Hashable] | None = None,
    alpha: float = 0.05,
    resamples: int = 9_999,
    seed: int = 0,
) -> tuple[float, float]:
    """The percentile interval of the mean difference, each end at alpha, drawing whole clusters
    (Efron and Tibshirani 1993, 13.3; Davison and Hinkley 1997, 3.8 for clusters)."""
    values = np.asarray(differences, float)
    sums = cluster_sums(values, clusters)
    sizes = cluster_sums(np.ones(len(values)), clusters)
    draw = np.random.default_rng(seed)
    means = np.empty(resamples)
    for place in range(resamples):
        chosen = draw.integers(0, len(sums), len(sums))
        means[place] = sums[chosen].sum() / sizes[chosen].sum()
    lower, upper = np.quantile(means, [alpha, 1 - alpha])
    return float(lower), float(upper)


def bootstrap_drop(
    before: Sequence[float],
    after: Sequence[float],
    margin: float,
    *,
    quantile: float,
    shows: Literal["drop", "rise"],
    clusters: Sequence[Hashable] | None = None,
    alpha: float = 0.05,
    seed: int = 0,
) -> PairedTest:
    """As `drop_shown` ("drop") and `drop_excluded` ("rise"), for a quantile of the scores: the
    percentile bootstrap of its change, drawing pairs or whole clusters of them (Efron and
    Tibshirani 1993, 13.3 and 15.4 for the p-value)."""
    old, new = np.asarray(before, float), np.asarray(after, float)
    groups = cluster_places(len(old), clusters)
    draw = np.random.default_rng(seed)
    resamples = max(400, min(2_000, 20_000_000 // len(old)))
    changes = np.empty(resamples)
    for place in range(resamples):
        chosen = np.concatenate(
            [groups[each] for each in draw.integers(0, len(groups), len(groups))]
        )
        changes[place] = np.quantile(new[chosen], quantile) - np.quantile(old[chosen], quantile)
    beyond = changes >= -margin if shows == "drop" else changes <= -margin
    lower, upper = np.quantile(changes, [alpha, 1 - alpha])
    return PairedTest(
        float(np.quantile(new, quantile) - np.quantile(old, quantile)),
        float(lower),
        float(upper),
        float((1 + np.count_nonzero(beyond)) / (1 + resamples)),
        "paired bootstrap" if clusters is None else "paired bootstrap, clustered",
    )


def _independent(differences: Sequence[float], clusters: Sequence[Hashable] | None) -> int | None:
    """How many independent samples there are, where that is known: with clusters only if nothing
    changed, when each cluster counts as one, since there is no variance to learn from."""
    if clusters is None:
        return len(differences)
    return None if any(differences) else len(set(clusters))


def _discordant(differences: Sequence[float]) -> tuple[int, int]:
    return sum(each > 0 for each in differences), sum(each < 0 for each in differences)


def _binary(better: int, worse: int, n: int, shift: float, alpha: float, shows: str) -> PairedTest:
    lower, upper = tango_interval(better, worse, n, alpha)
    if shift == 0 and shows == "drop":
        return PairedTest((better - worse) / n, lower, upper, mcnemar(better, worse), "mcnemar")
    drop = shows == "drop"
    z = tango_z(better, worse, n, shift, CORRECTION if drop else -CORRECTION)
    p_value = float(stats.norm.cdf(z) if drop else stats.norm.sf(z))
    return PairedTest((better - worse) / n, lower, upper, p_value, "tango")


def _graded(
    differences: Sequence[float],
    clusters: Sequence[Hashable] | None,
    shift: float,
    alpha: float,
    shows: str,
) -> PairedTest:
    """Student's t on the differences, or on clusters of them, with the sign-flip test as a check:
    the larger of the two p-values counts."""
    values = np.asarray(differences, float)
    n = len(values)
    mean = float(values.mean())
    residuals = cluster_sums(values - mean, clusters)
    groups = len(residuals)
    error = (
        math.sqrt(groups / (groups - 1) * float(residuals @ residuals)) / n if groups > 1 else 0.0
    )
    half = float(stats.t.isf(alpha, groups - 1)) * error if groups > 1 else math.inf
    sign = 1.0 if shows == "drop" else -1.0
    checked = sign_flip(sign * values, sign * shift, clusters=clusters)
    if error > 0:
        p_value = max(float(stats.t.cdf(sign * (mean - shift) / error, groups - 1)), checked)
    else:
        p_value = checked
    method = "paired t" if clusters is None else "paired t, clustered"
    return PairedTest(mean, mean - half, mean + half, p_value, method)
