"""A sample that was asked several times is one unit all the same."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple


def pass_at_k(n: int, right: int, k: int) -> float:
    """The probability that at least one of k repeats is right, from n of which `right` were.

    The unbiased estimator of Chen et al. 2021 (eq. 1). Raises ValueError unless 1 <= k <= n.
    """
    _check(n, right, k)
    return 1 - math.comb(n - right, k) / math.comb(n, k)


def pass_hat_k(n: int, right: int, k: int) -> float:
    """The probability that all of k repeats are right: pass^k (Yao et al. 2024, tau-bench, 3).

    Raises ValueError unless 1 <= k <= n.
    """
    _check(n, right, k)
    return math.comb(right, k) / math.comb(n, k)


def majority(answers: Sequence[Hashable]) -> Hashable:
    """The commonest answer; of equally common ones the first that was given (Wang et al. 2023)."""
    return Counter(answers).most_common(1)[0][0]


class Moments(NamedTuple):
    """The repeats of one sample: how many, their sum, and the sum of their squares."""

    n: int
    total: float
    squares: float


class Spread(NamedTuple):
    """Variances of one score: between samples, and between the repeats of one sample."""

    between: float
    within: float


def spread(samples: Iterable[Moments]) -> Spread | None:
    """The variance between and within samples (one-way random effects, by the method of moments;
    Searle, Casella and McCulloch 1992, 3.6, for unequal numbers of repeats).

    None where fewer than two samples, or no sample with two repeats, tell it.
    """
    found = [each for each in samples if each.n]
    groups, count = len(found), sum(each.n for each in found)
    if groups < 2 or count <= groups:
        return None
    mean = math.fsum(each.total for each in found) / count
    residual = math.fsum(each.squares - each.total**2 / each.n for each in found)
    within = max(0.0, residual / (count - groups))
    explained = math.fsum(each.n * (each.total / each.n - mean) ** 2 for each in found)
    size = (count - math.fsum(each.n**2 for each in found) / count) / (groups - 1)
    return Spread(max(0.0, (explained / (groups - 1) - within) / size), within)


def _check(n: int, right: int, k: int) -> None:
    if not 1 <= k <= n or not 0 <= right <= n:
        raise ValueError(f"k is from 1 to the {n} repeats, and {right} of them right")
