"""Ranking: published strengths, ties, and how sure a rank is."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_modeleval.statistics.ranking import Scores, bradley_terry, rank_intervals, wins


def test_the_published_strengths_of_baseball_teams() -> None:
    """Agresti (2013), 11.6.2: the American League East of 1987, relative to the last team."""
    table = [
        [0, 7, 9, 7, 7, 9, 11],
        [6, 0, 7, 5, 11, 9, 9],
        [4, 6, 0, 7, 7, 8, 12],
        [6, 8, 6, 0, 6, 7, 10],
        [6, 2, 6, 7, 0, 7, 12],
        [4, 4, 5, 6, 6, 0, 6],
        [2, 4, 1, 3, 1, 7, 0],
    ]
    found = bradley_terry(table, prior=0)
    relative = [round(each - found[-1], 3) for each in found]
    assert relative == [1.581, 1.436, 1.294, 1.248, 1.108, 0.684, 0.0]


def test_a_model_that_always_wins_has_a_finite_strength() -> None:
    strengths = bradley_terry([[0, 10, 10], [0, 0, 5], [0, 5, 0]])
    assert strengths[0] > strengths[1] == pytest.approx(strengths[2])
    assert all(abs(each) < 10 for each in strengths)


def test_ties_are_shared() -> None:
    table = wins([[1, 1, 0, 0], [1, 0, 0, 1]])
    assert table.tolist() == [[0, 2], [2, 0]]


def test_ranks_of_models_far_apart_are_sure_and_of_close_ones_not() -> None:
    draw = np.random.default_rng(1)
    scores = [(draw.random(400) < p).astype(float) for p in (0.9, 0.61, 0.6)]
    first, *others = rank_intervals([Scores(scores)])
    assert first == (1, 1)
    assert all((each.best, each.worst) == (2, 3) for each in others)


def test_equal_models_share_the_rank() -> None:
    scores = [[1.0, 0.0, 1.0]] * 2
    assert rank_intervals([Scores(scores)], resamples=100) == [(1, 1), (1, 1)]


def test_over_two_benchmarks_the_mean_of_both_counts() -> None:
    one, two = Scores([[1.0] * 50, [0.0] * 50]), Scores([[0.4] * 30, [0.6] * 30])
    assert rank_intervals([one, two], resamples=100) == [(1, 1), (2, 2)]
    assert rank_intervals([two], resamples=100) == [(2, 2), (1, 1)]


def test_clusters_make_ranks_less_sure() -> None:
    """One model wins in six passages of ten, with every question of them."""
    passages = [place // 40 for place in range(400)]
    ahead = [float(passage < 6) for passage in passages]
    values = [ahead, [1 - each for each in ahead]]
    assert rank_intervals([Scores(values)])[0] == (1, 1)
    assert rank_intervals([Scores(values, passages)])[0] == (1, 2)
