"""Planning: what is promised is what the tests then find, by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pytest_modeleval.statistics.paired import mcnemar
from pytest_modeleval.statistics.planning import (
    discordant_share,
    mean_samples,
    paired_drop,
    paired_samples,
    threshold_samples,
)


def test_the_promised_power_is_found() -> None:
    """A drop of 3 points where 10 % of the answers change: 2,000 draws, Monte-Carlo error 0.9."""
    n = paired_samples(0.03, 0.1, power=0.8)
    draws = np.random.default_rng(1).multinomial(n, [0.035, 0.065, 0.9], size=2_000)
    found = sum(mcnemar(up, down) <= 0.05 for up, down, _ in draws) / 2_000
    assert found == pytest.approx(0.8, abs=0.05)  # the exact test is a little conservative


def test_the_smallest_drop_is_the_inverse() -> None:
    for n in (100, 1319, 20_000):
        drop = paired_drop(n, 0.2)
        assert paired_samples(drop * 1.001, 0.2) <= n < paired_samples(drop * 0.98, 0.2)


def test_a_handful_of_samples_shows_hardly_anything() -> None:
    assert paired_drop(5, 0.3) > 0.5
    assert paired_drop(1, 0.3) == 1.0


def test_one_proportion_has_the_promised_power_exactly() -> None:
    n = threshold_samples(0.75, 0.7, power=0.8)
    critical = stats.binom.ppf(0.05, n, 0.75) - 1
    assert stats.binom.cdf(critical, n, 0.7) == pytest.approx(0.8, abs=0.04)  # whole counts


def test_impossible_questions_are_refused() -> None:
    for call in (
        lambda: paired_samples(0.0, 0.1),
        lambda: threshold_samples(0.5, 0.5),
        lambda: mean_samples(0.0, 1.0),
    ):
        with pytest.raises(ValueError):
            call()


def test_repeats_say_how_often_two_runs_disagree() -> None:
    assert discordant_share(0.8) == pytest.approx(0.32)
    assert discordant_share(0.8, within=0.05) == pytest.approx(0.1)
