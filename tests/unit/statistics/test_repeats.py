"""Repeats of one sample: pass@k, pass^k, votes, and where the spread comes from."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from pytest_modeleval.statistics.repeats import Moments, majority, pass_at_k, pass_hat_k, spread


def test_pass_at_k_is_the_share_of_draws_with_a_right_one() -> None:
    outcomes = [1, 1, 0, 0, 0, 0, 1]
    for k in range(1, 8):
        draws = list(combinations(outcomes, k))
        assert pass_at_k(7, 3, k) == pytest.approx(sum(map(any, draws)) / len(draws))
        assert pass_hat_k(7, 3, k) == pytest.approx(sum(map(all, draws)) / len(draws))


def test_cruxeval_gives_its_published_scores(shared_data: Path) -> None:
    file = shared_data / "cruxeval" / "codellama7b_t0.2_output_scored.json"
    scored = json.loads(file.read_text())["raw_scored_generations"].values()
    for k, published in ((1, 34.2125), (5, 40.2867)):
        found = [pass_at_k(len(each), sum(each), k) for each in scored]
        assert round(100 * sum(found) / len(found), 4) == published


@pytest.mark.parametrize(("n", "right", "k"), [(3, 1, 4), (3, 1, 0), (3, 4, 1), (3, -1, 1)])
def test_impossible_numbers_are_refused(n: int, right: int, k: int) -> None:
    for estimator in (pass_at_k, pass_hat_k):
        with pytest.raises(ValueError, match="k is from 1"):
            estimator(n, right, k)


def test_of_equally_common_answers_the_first_wins() -> None:
    assert majority(["b", "a", "a", "b", "c"]) == "b"


def moments(repeats: list[list[float]]) -> list[Moments]:
    return [Moments(len(each), sum(each), sum(x * x for x in each)) for each in repeats]


def test_spread_finds_both_variances() -> None:
    draw = np.random.default_rng(6)
    means = draw.normal(0, 2, 4_000)
    found = spread(moments([draw.normal(mean, 1, 5).tolist() for mean in means]))
    assert found is not None
    assert found.between == pytest.approx(4, rel=0.05)
    assert found.within == pytest.approx(1, rel=0.05)


def test_spread_is_the_textbook_analysis_of_variance() -> None:
    found = spread(moments([[1, 3], [4, 4], [7, 9]]))
    means = [2, 4, 8]
    within = (2 + 0 + 2) / 3
    between = (2 * sum((mean - sum(means) / 3) ** 2 for mean in means) / 2 - within) / 2
    assert found == pytest.approx((between, within))


@pytest.mark.parametrize("repeats", [[], [[1.0, 2.0]], [[1.0], [2.0]], [[], []]])
def test_too_little_tells_no_spread(repeats: list[list[float]]) -> None:
    assert spread(moments(repeats)) is None
