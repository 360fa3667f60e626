"""Sequential tests: how often they are wrong when looked at after every sample."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pytest_modeleval.statistics.sequential import FiniteMean, PairedDrop, Wealth


def run(test: FiniteMean | PairedDrop, values: np.ndarray) -> int:
    """The number of values that it took."""
    for count, value in enumerate(values.tolist(), start=1):
        if test.add(value):
            return count
    return len(values)


def ones(n: int, right: int) -> np.ndarray:
    return np.concatenate([np.ones(right), np.zeros(n - right)])


@pytest.mark.parametrize("threshold", [0.5, 0.9])
def test_it_is_rarely_wrong_just_beside_the_threshold(threshold: float) -> None:
    """One sample above and one below it, looked at after each of 300: 600 draws, Monte-Carlo error
    0.9 points."""
    draw = np.random.default_rng(1)
    at = round(300 * threshold)
    wrong = {"above": 0, "below": 0}
    for _ in range(600):
        over, under = FiniteMean(300, threshold), FiniteMean(300, threshold)
        run(over, draw.permutation(ones(300, at)))
        run(under, draw.permutation(ones(300, at - 1)))
        wrong["below"] += over.decision == "below"
        wrong["above"] += under.decision == "above"
    assert max(wrong.values()) / 600 <= 0.05 + 3 * 0.009


def test_the_last_value_decides_for_certain_what_is_still_open() -> None:
    draw = np.random.default_rng(2)
    for right in range(11):
        test = FiniteMean(10, 0.5, alpha=1e-9, beta=1e-9)
        run(test, draw.permutation(ones(10, right)))
        assert test.decision == ("above" if right >= 5 else "below")
        assert test.certain


def test_certain_verdicts_come_as_soon_as_nothing_can_turn_them() -> None:
    test = FiniteMean(10, 0.5, alpha=1e-9, beta=1e-9)
    assert [test.add(1.0) for _ in range(5)] == [None] * 4 + ["above"]
    test = FiniteMean(10, 0.5, alpha=1e-9, beta=1e-9)
    assert [test.add(0.0) for _ in range(6)] == [None] * 5 + ["below"]


@pytest.mark.parametrize(
    ("threshold", "right", "decision"), [(0.0, 0, "above"), (1.0, 20, "above"), (1.0, 19, "below")]
)
def test_thresholds_at_the_ends(threshold: float, right: int, decision: str) -> None:
    test = FiniteMean(20, threshold)
    run(test, ones(20, right))
    assert test.decision == decision


def test_values_between_zero_and_one_will_do() -> None:
    values = np.random.default_rng(3).beta(8, 2, 1_000)
    test = FiniteMean(1_000, 0.6)
    assert run(test, values) < 200
    assert test.decision == "above"


def test_far_from_the_threshold_a_small_part_is_enough() -> None:
    draw = np.random.default_rng(4)
    used = [run(FiniteMean(1319, 0.75), draw.permutation(ones(1319, 1055))) for _ in range(60)]
    assert sum(used) / 60 / 1319 <= 1 / 3


def test_a_decision_stays() -> None:
    test = FiniteMean(100, 0.5)
    run(test, np.ones(60))
    assert [test.add(0.0) for _ in range(20)] == ["above"] * 20


@pytest.mark.parametrize(("worse", "better"), [(0.1, 0.1), (0.06, 0.04)])
def test_a_drop_that_is_none_is_rarely_shown_however_often_one_looks(
    worse: float, better: float
) -> None:
    """At the edge (the margin is the true drop): 400 draws of 1,000, Monte-Carlo error 1.1
    points."""
    draw = np.random.default_rng(5)
    margin = worse - better
    alarms = 0
    for _ in range(400):
        test = PairedDrop(margin)
        chosen = draw.choice([-1.0, 1.0, 0.0], 1_000, p=[worse, better, 1 - worse - better])
        run(test, chosen)
        alarms += test.decision == "below"
    assert alarms / 400 <= 0.05 + 3 * 0.011


def test_a_plain_drop_is_shown_and_a_plain_rise_excludes_it() -> None:
    draw = np.random.default_rng(6)
    for shift, decision in ((-0.1, "below"), (0.1, "above")):
        test = PairedDrop(0.0)
        used = run(
            test, draw.choice([-1.0, 1.0, 0.0], 2_000, p=[0.1 - shift / 2, 0.1 + shift / 2, 0.8])
        )
        assert test.decision == decision
        assert used < 1_000


def test_fair_bets_keep_the_mean_of_the_wealth() -> None:
    """Over all sequences of six fair coins the wealth is 1 in the mean."""
    wealths = []
    for number in range(64):
        wealth = Wealth()
        for place in range(6):
            wealth.bet((1 if number >> place & 1 else -1) * 0.5, 0.5)
        wealths.append(math.exp(wealth.log))
    assert sum(wealths) / 64 == pytest.approx(1)
