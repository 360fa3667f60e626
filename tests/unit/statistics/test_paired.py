"""Paired tests: published values, scipy, and false-alarm rates by simulation."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from scipy import optimize, stats

from pytest_modeleval.statistics import paired
from pytest_modeleval.statistics.paired import (
    drop_excluded,
    drop_shown,
    mcnemar,
    paired_bootstrap,
    sign_flip,
    tango_interval,
    tango_z,
)


@pytest.mark.parametrize(("better", "worse", "two_sided"), [(1, 7, 0.0703), (6, 16, 0.0525)])
def test_mcnemar_gives_the_published_exact_p_values(
    better: int, worse: int, two_sided: float
) -> None:
    """Fagerland, Lydersen and Laake (2013), table 5, the data of Bentur and of Cavo."""
    assert round(2 * mcnemar(better, worse), 4) == two_sided


def test_mcnemar_is_the_binomial_test() -> None:
    for better, worse in product(range(12), range(12)):
        if better + worse:
            expected = stats.binomtest(worse, better + worse, alternative="greater").pvalue
            assert mcnemar(better, worse) == pytest.approx(expected, abs=1e-12)
    assert mcnemar(0, 0) == 1


def test_tango_gives_the_published_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fagerland, Lydersen and Laake (2014), table 6: -0.517 to -0.026 for the data of Bentur."""
    monkeypatch.setattr(paired, "CORRECTION", 0.0)
    lower, upper = tango_interval(1, 7, 21, 0.025)
    assert (round(lower, 3), round(upper, 3)) == (-0.517, -0.026)


def test_tango_for_no_difference_is_mcnemars_statistic() -> None:
    assert tango_z(16, 6, 50, 0.0) == pytest.approx(10 / math.sqrt(22))


@pytest.mark.parametrize("difference", [-0.2, -0.05, 0.1])
def test_tangos_variance_is_at_the_restricted_maximum_of_the_likelihood(difference: float) -> None:
    better, worse, n = 9, 4, 60

    def unlikelihood(share_worse: float) -> float:
        share_better = share_worse + difference
        return -(
            better * math.log(share_better)
            + worse * math.log(share_worse)
            + (n - better - worse) * math.log(1 - share_better - share_worse)
        )

    low = max(0.0, -difference) + 1e-9
    best = optimize.minimize_scalar(
        unlikelihood, bounds=(low, (1 - difference) / 2 - 1e-9), options={"xatol": 1e-12}
    ).x
    variance = n * (2 * best + difference * (1 - difference))
    expected = (better - worse - n * difference) / math.sqrt(variance)
    assert tango_z(better, worse, n, difference) == pytest.approx(expected, abs=1e-5)


def test_an_interval_holds_the_difference_and_ends_within_reach() -> None:
    for n, better, worse in [(1, 1, 0), (1, 0, 0), (2, 0, 2), (30, 0, 0), (30, 30, 0), (99, 5, 40)]:
        lower, upper = tango_interval(better, worse, n)
        assert -1 <= lower <= (better - worse) / n <= upper <= 1
        assert upper - lower > 0.01


def test_without_a_change_nothing_is_shown() -> None:
    found = drop_shown([0.0] * 100, binary=True)
    assert (found.difference, found.p_value, found.method) == (0, 1, "mcnemar")
    assert drop_shown([0.0] * 100, binary=False).p_value == 1


def test_a_drop_of_every_sample_by_the_same_is_shown_by_the_flips() -> None:
    assert drop_shown([-0.1] * 12, binary=False).p_value < 0.01
    assert drop_shown([-0.1] * 3, binary=False).p_value > 0.1


def test_graded_differences_are_students_paired_test() -> None:
    values = np.random.default_rng(3).normal(-0.05, 0.4, 200)
    found = drop_shown(values, binary=False)
    expected = stats.ttest_1samp(values, 0, alternative="less")
    assert found.p_value == pytest.approx(expected.pvalue, abs=0.01)
    assert found.p_value >= expected.pvalue
    interval = expected.confidence_interval(0.95)
    assert found.upper == pytest.approx(interval.high)


def test_one_in_each_cluster_is_as_without_clusters() -> None:
    values = np.random.default_rng(4).normal(0, 1, 40)
    alone = drop_shown(values, 0.1, binary=False)
    clustered = drop_shown(values, 0.1, binary=False, clusters=list(range(40)))
    assert alone[:4] == pytest.approx(clustered[:4])


def test_the_signs_of_small_samples_are_flipped_exactly() -> None:
    values = [-0.3, -0.1, -0.4, 0.2, -0.6]
    flips = [sum(s * v for s, v in zip(signs, values)) for signs in product((1, -1), repeat=5)]
    exact = sum(each <= sum(values) + 1e-12 for each in flips) / len(flips)
    assert sign_flip(values, 0.0) == pytest.approx(exact, abs=0.01)


def test_the_bootstrap_agrees_with_student() -> None:
    values = np.random.default_rng(5).normal(0.02, 0.5, 400)
    lower, upper = paired_bootstrap(values, alpha=0.05, resamples=3_000)
    found = drop_shown(values, binary=False)
    assert (lower, upper) == pytest.approx((found.lower, found.upper), abs=0.005)


@pytest.mark.parametrize("n", [50, 200, 1000])
@pytest.mark.parametrize("margin", [0.0, 0.01, 0.05])
@pytest.mark.parametrize("discordant", [0.06, 0.3])
def test_false_alarms_of_binary_scores_are_rarer_than_alpha(
    n: int, margin: float, discordant: float
) -> None:
    """At the edge of the hypothesis, over every outcome that 4,000 draws gave; the Monte-Carlo
    error is 0.0035, so three of them above 0.05 are allowed."""
    worse, better = (discordant + margin) / 2, (discordant - margin) / 2
    draws = np.random.default_rng(n).multinomial(n, [better, worse, 1 - discordant], size=4_000)
    outcomes, counts = np.unique(draws, axis=0, return_counts=True)
    alarms = passes = 0
    for (up, down, same), count in zip(outcomes, counts):
        differences = [1.0] * up + [-1.0] * down + [0.0] * same
        alarms += count * (drop_shown(differences, margin, binary=True).p_value <= 0.05)
        passes += count * (drop_excluded(differences, margin, binary=True).p_value <= 0.05)
    assert alarms / 4_000 <= 0.05 + 3 * 0.0035
    assert passes / 4_000 <= 0.05 + 3 * 0.0035


def test_false_alarms_with_clusters_are_rarer_than_alpha_and_without_them_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """60 clusters of 8 samples that move together: 500 draws, Monte-Carlo error 0.01."""
    monkeypatch.setattr(paired, "FLIPS", 199)
    draw = np.random.default_rng(11)
    clusters = [cluster for cluster in range(60) for _ in range(8)]
    alarms = naive = 0
    for _ in range(500):
        values = np.repeat(draw.normal(0, 0.3, 60), 8) + draw.normal(0, 0.3, 480)
        alarms += drop_shown(values, binary=False, clusters=clusters).p_value <= 0.05
        naive += drop_shown(values, binary=False).p_value <= 0.05
    assert alarms / 500 <= 0.05 + 3 * 0.01
    assert naive / 500 > 0.12


def test_pairing_has_more_power_than_two_separate_samples() -> None:
    """A drop of 3 points in 1,000 questions, where 9 % of the answers changed: 300 draws."""
    draws = np.random.default_rng(12).multinomial(1000, [0.03, 0.06, 0.91], size=300)
    paired_finds = unpaired_finds = 0
    for up, down, same in draws:
        differences = [1.0] * up + [-1.0] * down + [0.0] * same
        paired_finds += drop_shown(differences, binary=True).p_value <= 0.05
        before = 0.75
        after = before + (up - down) / 1000
        error = math.sqrt((before * (1 - before) + after * (1 - after)) / 1000)
        unpaired_finds += (after - before) / error <= stats.norm.ppf(0.05)
    assert paired_finds / 300 > 0.85
    assert unpaired_finds / 300 < 0.55
