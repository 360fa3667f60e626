"""Quantiles: of a sample, and of the distributions that intervals are built on."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache


def quantile(values: Iterable[float], q: float) -> float:
    """The sample quantile by linear interpolation between order statistics.

    Definition 7 of Hyndman and Fan (1996), numpy's and R's default; q = 0.5 is the median.

    Args:
        values: at least one; infinite ones are allowed on one side.
        q: from 0 to 1.
    """
    ordered = sorted(values)
    # Rounded, so that 0.95 x 100 landing a hair above 95 does not reach for the next value.
    position = round((len(ordered) - 1) * q, 9)
    index = int(position)
    below = ordered[index]
    if position == index:
        return below
    above = ordered[index + 1]
    if math.isinf(below) or math.isinf(above):
        return below + above
    return below + (above - below) * (position - index)


@lru_cache(maxsize=256)
def normal_quantile(p: float) -> float:
    """The standard normal distribution's quantile."""
    from statistics import NormalDist

    return NormalDist().inv_cdf(p)


@lru_cache(maxsize=256)
def t_quantile(p: float, df: int) -> float:
    """Student's t distribution's quantile for 0.5 <= p < 1 and whole degrees of freedom.

    Up to 200 degrees of freedom the distribution's finite sum is inverted by bisection (Abramowitz
    and Stegun 1964, 26.7.3 and 26.7.4); beyond, their expansion 26.7.5 is within 1e-10 of it.
    """
    if df > 200:
        x = normal_quantile(p)
        terms = (
            x,
            (x**3 + x) / 4,
            (5 * x**5 + 16 * x**3 + 3 * x) / 96,
            (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384,
            (79 * x**9 + 776 * x**7 + 1482 * x**5 - 1920 * x**3 - 945 * x) / 92160,
        )
        return math.fsum(term / df**power for power, term in enumerate(terms))
    low, high = 0.0, math.pi / 2
    while (middle := (low + high) / 2) not in (low, high):
        if _central_t_probability(middle, df) < 2 * p - 1:
            low = middle
        else:
            high = middle
    return math.sqrt(df) * math.tan(low)


def _central_t_probability(angle: float, df: int) -> float:
    """P(|T| < t) where angle = atan(t / sqrt(df))."""
    cosine = math.cos(angle)
    odd = df % 2
    term = cosine if odd else 1.0
    total = 0.0
    for power in range(odd, df - 1, 2):
        total += term
        term *= cosine * cosine * (power + 1) / (power + 2)
    if odd:
        return 2 / math.pi * (angle + math.sin(angle) * total)
    return math.sin(angle) * total


@lru_cache(maxsize=256)
def binomial_quantile(p: float, n: int, q: float) -> int:
    """The smallest k that a Binomial(n, q) variable does not exceed with probability p or more."""
    mean, deviation = n * q, math.sqrt(n * q * (1 - q))
    # Ten deviations below the mean lie less than 1e-20 of the probability.
    k = max(0, int(mean - 10 * deviation))
    log_mass = (
        math.lgamma(n + 1)
        - math.lgamma(k + 1)
        - math.lgamma(n - k + 1)
        + k * math.log(q)
        + (n - k) * math.log1p(-q)
    )
    mass = math.exp(log_mass)
    total = mass
    while total < p and k < n:
        mass *= (n - k) / (k + 1) * q / (1 - q)
        k += 1
        total += mass
    return k
