"""Intervals of means of estimates."""

from __future__ import annotations

import math

import pytest

from pytest_modeleval.statistics.combination import Estimate, weighted_mean
from pytest_modeleval.statistics.intervals import wilson_interval


def test_symmetric_intervals_add_up_as_standard_errors_do() -> None:
    errors, weights, z = [0.02, 0.05, 0.01], [1.0, 2.0, 5.0], 1.959964
    estimates = [Estimate(0.5, 0.5 - z * each, 0.5 + z * each) for each in errors]
    found = weighted_mean(estimates, weights)
    expected = math.sqrt(sum((w * e) ** 2 for w, e in zip(weights, errors))) / sum(weights)
    assert found.value == pytest.approx(0.5)
    assert (found.lower, found.upper) == (
        pytest.approx(0.5 - z * expected),
        pytest.approx(0.5 + z * expected),
    )


def test_the_difference_of_two_shares_as_newcombe_has_it() -> None:
    """His method 10 for 56/70 and 48/80 (Statistics in Medicine 1998, 17:873) is 0.0524 to 0.3339;
    a difference is the sum of one share and the negative of the other, here twice their mean."""
    one, other = (wilson_interval(*each, 0.95) for each in ((56, 70), (48, 80)))
    assert one.lower and one.upper and other.lower and other.upper
    found = weighted_mean(
        [Estimate(0.8, one.lower, one.upper), Estimate(-0.6, -other.upper, -other.lower)], [1, 1]
    )
    assert found.lower is not None and found.upper is not None
    assert (2 * found.lower, 2 * found.upper) == (
        pytest.approx(0.0524, abs=5e-5),
        pytest.approx(0.3339, abs=5e-5),
    )


def test_without_one_interval_there_is_none() -> None:
    found = weighted_mean([Estimate(1.0, None, None), Estimate(0.0, 0.0, 0.1)], [1, 3])
    assert found == (0.25, None, None)
