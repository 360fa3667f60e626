"""How sure the standings of a leaderboard are: from every sample's score, with scipy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_modeleval.results.leaderboard import (
    METRIC,
    BenchmarkStanding,
    Difference,
    Leaderboard,
    Slice,
    Standing,
)
from pytest_modeleval.results.samples import AnsweredSample, RunSamples
from pytest_modeleval.statistics.multiplicity import holm
from pytest_modeleval.statistics.paired import difference
from pytest_modeleval.statistics.ranking import Scores, bradley_terry, rank_intervals, wins
from pytest_modeleval.statistics.summary import summary

MOST_VALUES = 100
"""A field with more values than that is no category."""


def add_uncertainty(board: Leaderboard, samples: RunSamples) -> None:
    """Fill in intervals of ranks, tests of differences, and strengths."""
    for standing in board.benchmarks:
        names = [each.model for each in standing.models]
        scores = _scores(standing.name, names, samples)
        if len(names) > 1 and scores is not None:
            for each, rank in zip(standing.models, rank_intervals([scores])):
                each.best_rank, each.worst_rank = rank
    for pair in board.differences:
        _test(pair, samples)
    tested = [pair for pair in board.differences if pair.p_value is not None]
    for pair, corrected in zip(tested, holm([pair.p_value or 0.0 for pair in tested])):
        pair.p_adjusted = corrected
    _rank_models(board, samples)


def add_slices(board: Leaderboard, samples: RunSamples, fields: Sequence[str]) -> None:
    """Add the standings on each value of each field. A field with very many values is left out."""
    for standing in board.benchmarks:
        for field in fields:
            board.slices += _slices(standing, field, samples)


def _slices(standing: BenchmarkStanding, field: str, samples: RunSamples) -> list[Slice]:
    values: dict[str, dict[str, list[AnsweredSample]]] = {}
    for each in standing.models:
        for sample in samples.get((standing.name, each.model), {}).values():
            value = sample.fields.get(field)
            if isinstance(value, (str, int, float, bool)):
                values.setdefault(str(value), {}).setdefault(each.model, []).append(sample)
    if len(values) > MOST_VALUES:
        return []
    return [
        Slice(standing.name, field, value, _ranked(models))
        for value, models in sorted(values.items())
    ]


def _ranked(models: dict[str, list[AnsweredSample]]) -> list[Standing]:
    standings = []
    for model, own in models.items():
        answered = [(each, mean) for each in own if (mean := each.mean(METRIC)) is not None]
        clustered = any(each.cluster is not None for each, _ in answered)
        clusters = [each.cluster for each, _ in answered] if clustered else None
        found = summary(METRIC, [mean for _, mean in answered], clusters)
        if found is not None:
            standings.append(Standing(model, 0, found.value, found.lower, found.upper, found.n))
    for each in standings:
        each.rank = 1 + sum(other.value > each.value for other in standings)
    return sorted(standings, key=lambda each: (each.rank, each.model))


def _test(pair: Difference, samples: RunSamples) -> None:
    scores = _scores(pair.benchmark, [pair.model, pair.other], samples)
    if scores is None or len(scores.values[0]) < 2:
        return
    own, other = scores.values
    binary = all(value in (0.0, 1.0) for values in scores.values for value in values)
    found = difference(
        [one - two for one, two in zip(own, other)], binary=binary, clusters=scores.clusters
    )
    pair.difference, pair.n = found.difference, len(own)
    pair.lower, pair.upper, pair.p_value = found.lower, found.upper, found.p_value


def _rank_models(board: Leaderboard, samples: RunSamples) -> None:
    """Over the benchmarks that every model has been through."""
    names = [each.model for each in board.models]
    if len(names) < 2:
        return
    shared = [
        scores
        for standing in board.benchmarks
        if len(standing.models) == len(names)
        and (scores := _scores(standing.name, names, samples)) is not None
    ]
    if not shared:
        return
    table: Any = sum(wins(scores.values) for scores in shared)
    strengths = bradley_terry(table)
    for each, rank, strength in zip(board.models, rank_intervals(shared), strengths):
        each.best_rank, each.worst_rank = rank
        each.strength = strength


def _scores(benchmark: str, models: Sequence[str], samples: RunSamples) -> Scores | None:
    """The accuracies of the samples that all these models answered; None where there are none."""
    runs = [samples.get((benchmark, model), {}) for model in models]
    ids = [
        sample_id
        for sample_id in sorted(runs[0])
        if all(sample_id in run and run[sample_id].mean(METRIC) is not None for run in runs)
    ]
    if not ids:
        return None
    clusters = [runs[0][sample_id].cluster for sample_id in ids]
    return Scores(
        [[run[sample_id].mean(METRIC) or 0.0 for sample_id in ids] for run in runs],
        clusters if any(each is not None for each in clusters) else None,
    )
