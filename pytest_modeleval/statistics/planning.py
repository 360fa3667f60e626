"""How many samples does a gate need, and what can a benchmark of this size show?

Normal approximations: they are within a few samples of the exact numbers from 50 samples on.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from scipy import optimize, stats


def discordant_share(accuracy: float, within: float | None = None) -> float:
    """The share of samples on which two equally good models disagree.

    Args:
        accuracy: of both, from 0 to 1.
        within: the variance between repeats of one sample, where repeats told it: two runs of one
            model disagree on 2 * within. None: as if the two were independent of each other, which
            is the most that is plausible.
    """
    return 2 * (within if within is not None else accuracy * (1 - accuracy))


def paired_samples(
    drop: float, discordant: float, *, alpha: float = 0.05, power: float = 0.8
) -> int:
    """The samples with which McNemar's test, one-sided, shows a drop with the given power.

    Connor 1987 (eq. 2; Miettinen 1968). `discordant` is the share of samples on which the two runs
    disagree; it is at least the drop.

    Raises:
        ValueError: the drop is not between 0 and 1.
    """
    if not 0 < drop < 1:
        raise ValueError("a drop is between 0 and 1")
    discordant = max(discordant, drop)
    a, b = float(stats.norm.isf(alpha)), float(stats.norm.isf(1 - power))
    root = a * math.sqrt(discordant) + b * math.sqrt(discordant - drop * drop)
    return math.ceil(root * root / (drop * drop))


def paired_drop(n: int, discordant: float, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """The smallest drop that `n` samples show with the given power: the inverse of
    `paired_samples`. 1 where none can be shown."""
    return _smallest(lambda drop: paired_samples(drop, discordant, alpha=alpha, power=power) - n)


def threshold_samples(
    threshold: float, truth: float, *, alpha: float = 0.05, power: float = 0.8
) -> int:
    """The samples with which a one-sided test of one proportion tells `truth` from `threshold`
    (Fleiss, Levin and Paik 2003, 2.3)."""
    if threshold == truth:
        raise ValueError("the truth is the threshold: no number of samples tells them apart")
    a, b = float(stats.norm.isf(alpha)), float(stats.norm.isf(1 - power))
    root = a * math.sqrt(threshold * (1 - threshold)) + b * math.sqrt(truth * (1 - truth))
    return max(1, math.ceil((root / (truth - threshold)) ** 2))


def mean_samples(
    difference: float, deviation: float, *, alpha: float = 0.05, power: float = 0.8
) -> int:
    """The samples with which a one-sided test of a mean shows a difference, for values (or paired
    differences) with this standard deviation."""
    if difference <= 0:
        raise ValueError("a difference is above 0")
    a, b = float(stats.norm.isf(alpha)), float(stats.norm.isf(1 - power))
    return max(2, math.ceil(((a + b) * deviation / difference) ** 2))


def _smallest(excess: Callable[[float], int]) -> float:
    low, high = 1e-6, 1 - 1e-9
    if excess(high) > 0:
        return 1.0
    return float(optimize.bisect(lambda drop: excess(drop) + 0.5, low, high, xtol=1e-6))
