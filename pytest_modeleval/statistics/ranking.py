"""Several models over the same samples: who is better, and how sure is that?"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np

from pytest_modeleval.statistics.clusters import cluster_sums


class RankInterval(NamedTuple):
    """1 is the best rank; the ends hold the true rank with 95 % in repeated samples."""

    best: int
    worst: int


def wins(scores: Sequence[Sequence[float]]) -> Any:
    """How often each model scores higher than each other, a tie counting half to both.

    Args:
        scores: one row a model, one column a sample, all there.

    Returns:
        A square array: row i, column j are the wins of model i over model j.
    """
    values = np.asarray(scores, float)
    models = len(values)
    table = np.zeros((models, models))
    for one in range(models):
        for two in range(models):
            if one != two:
                ahead = np.sign(values[one] - values[two])
                table[one, two] = float(np.mean((ahead + 1) / 2) * values.shape[1])
    return table


def bradley_terry(table: Any, *, prior: float = 0.5, rounds: int = 10_000) -> list[float]:
    """The strengths of a Bradley-Terry model, on the scale of natural log-odds and with mean 0.

    Fitted by the MM algorithm (Hunter 2004, eq. 3). `prior` wins are added to every pair on both
    sides, so that a model that always wins has a finite strength.

    Args:
        table: wins of row over column; ties count half to both.
        prior: made-up wins of each over each.
        rounds: of the iteration at most; it ends where nothing moves by 1e-10.
    """
    won = np.asarray(table, float) + prior
    np.fill_diagonal(won, 0)
    games = won + won.T
    total = won.sum(axis=1)
    strength = np.ones(len(won))
    for _ in range(rounds):
        pair = strength[:, None] + strength[None, :]
        renewed = total / (games / pair).sum(axis=1)
        renewed /= np.exp(np.log(renewed).mean())
        moved = float(np.abs(np.log(renewed / strength)).max())
        strength = renewed
        if moved < 1e-10:
            break
    return [float(each) for each in np.log(strength)]


class Scores(NamedTuple):
    """One benchmark: a row for each model, a column for each sample that all of them answered, and
    which samples belong together (None: none do)."""

    values: Sequence[Sequence[float]]
    clusters: Sequence[Hashable] | None = None


def rank_intervals(
    benchmarks: Sequence[Scores], *, level: float = 0.95, resamples: int = 2_000, seed: int = 0
) -> list[RankInterval]:
    """The interval of each model's rank by its mean over the benchmarks: the bootstrap's
    percentiles, drawing samples (whole clusters of them) for all models together (Goldstein and
    Spiegelhalter 1996, 3.3). Models that tie share the better rank.

    Args:
        benchmarks: at least one, with the same models in the same order.
        level: confidence, such as 0.95.
        resamples: draws.
        seed: of the draws.
    """
    draw = np.random.default_rng(seed)
    means: Any = 0.0
    for values, clusters in benchmarks:
        array = np.asarray(values, float)
        sums = np.stack([cluster_sums(row, clusters) for row in array])
        sizes = cluster_sums(np.ones(array.shape[1]), clusters)
        drawn = np.empty((resamples, len(array)))
        for place in range(resamples):
            times = np.bincount(draw.integers(0, len(sizes), len(sizes)), minlength=len(sizes))
            drawn[place] = sums @ times / (sizes @ times)
        means = means + drawn / len(benchmarks)
    ahead = means[:, None, :] > means[:, :, None] + 1e-12
    ranks = 1 + ahead.sum(axis=2)
    best = np.quantile(ranks, (1 - level) / 2, axis=0, method="inverted_cdf")
    worst = np.quantile(ranks, (1 + level) / 2, axis=0, method="inverted_cdf")
    return [RankInterval(int(one), int(two)) for one, two in zip(best, worst)]
