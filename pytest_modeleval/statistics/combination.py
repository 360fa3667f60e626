"""Means of several estimates, each with an interval of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class Estimate(NamedTuple):
    """A value and its interval; the ends are None where there is none."""

    value: float
    lower: float | None
    upper: float | None


def weighted_mean(estimates: Sequence[Estimate], weights: Sequence[float]) -> Estimate:
    """The mean of independent estimates with its interval.

    The distances from each value to the ends of its interval stand for multiples of its standard
    error, and add up as standard errors do, by their squares (Zou, Huang and Zhang 2009, "A note on
    confidence interval estimation for a linear function of binomial proportions", Computational
    Statistics & Data Analysis 53, equation 5): where the intervals are symmetric, this is the
    interval of a stratified mean from the standard errors of its strata. A task in which every
    answer is right keeps its uncertainty, which its standard error of 0 would not.

    Args:
        estimates: one or more.
        weights: of each, above 0.
    """
    total = math.fsum(weights)
    shares = [weight / total for weight in weights]
    value = math.fsum(share * each.value for share, each in zip(shares, estimates))
    below = above = 0.0
    for share, each in zip(shares, estimates):
        if each.lower is None or each.upper is None:
            return Estimate(value, None, None)
        below += (share * (each.value - each.lower)) ** 2
        above += (share * (each.upper - each.value)) ** 2
    return Estimate(value, value - math.sqrt(below), value + math.sqrt(above))
