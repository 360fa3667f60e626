"""leaderboard.json: models beside each other on the same benchmarks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from pathlib import Path

from pytest_modeleval.results.record import SCHEMA_VERSION, Metric, RunResult
from pytest_modeleval.results.results_json import to_json
from pytest_modeleval.results.run_folder import write_atomically
from pytest_modeleval.results.samples import RunSamples

METRIC = "accuracy"

Accuracies = Mapping[str, Mapping[str, Metric]]
"""Benchmark → model → its accuracy."""


@dataclass(slots=True)
class ModelStanding:
    """A model over all benchmarks. `mean` is the plain mean of its accuracies on the benchmarks
    that every model has been through; it and `rank` are None where there is none.

    `win_rate` is the share of comparisons, one for each benchmark and other model, in which it has
    the higher accuracy; a tie counts half. None where there is nothing to compare. `best_rank` and
    `worst_rank` hold the rank with 95 %; `strength` is its Bradley-Terry score over all samples, in
    natural log-odds of answering better than the mean of the models.
    """

    model: str
    rank: int | None
    mean: float | None
    win_rate: float | None
    benchmarks: int
    best_rank: int | None = None
    worst_rank: int | None = None
    strength: float | None = None


@dataclass(slots=True)
class Standing:
    """A model's accuracy on one benchmark, with its 95 % interval, over `n` samples; `ece` is its
    expected calibration error, where samples recorded a confidence."""

    model: str
    rank: int
    value: float
    lower: float | None
    upper: float | None
    n: int
    best_rank: int | None = None
    worst_rank: int | None = None
    ece: float | None = None


@dataclass(slots=True)
class BenchmarkStanding:
    """A benchmark and its models, the best first."""

    name: str
    models: list[Standing]


@dataclass(slots=True)
class Difference:
    """`difference` is the accuracy of `model` minus that of `other` on one benchmark.

    It has its 95 % interval, and a two-sided p-value, by itself and corrected for all differences
    of the board (Holm), over the `n` samples that both answered.
    """

    benchmark: str
    model: str
    other: str
    difference: float
    lower: float | None = None
    upper: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    n: int | None = None


@dataclass(slots=True)
class Slice:
    """The standings on those samples of a benchmark whose `field` has this value."""

    benchmark: str
    field: str
    value: str
    models: list[Standing]


@dataclass(slots=True)
class Leaderboard:
    """leaderboard.json is this, as it is. Models with equal values share the better rank."""

    runs: list[str]
    models: list[ModelStanding]
    benchmarks: list[BenchmarkStanding]
    differences: list[Difference]
    slices: list[Slice] = field(default_factory=list)
    metric: str = METRIC
    schema_version: str = field(default=SCHEMA_VERSION)


def leaderboard(
    runs: Sequence[RunResult], samples: RunSamples | None = None, fields: Sequence[str] = ()
) -> Leaderboard:
    """The standings over all runs. Where two hold the same benchmark and model, the later in the
    sequence counts; what has no accuracy is left out.

    Args:
        runs: their results.
        samples: what each sample scored; without them nothing is said of how sure a rank or a
            difference is.
        fields: of the samples' metadata, for standings on slices.
    """
    found: dict[str, dict[str, Metric]] = {}
    for run in runs:
        for benchmark in run.benchmarks:
            if METRIC in benchmark.metrics:
                models = found.setdefault(benchmark.name, {})
                models[benchmark.model] = benchmark.metrics[METRIC]
    board = Leaderboard(
        runs=[run.run_id for run in runs],
        models=_models(found),
        benchmarks=[BenchmarkStanding(name, _standings(models)) for name, models in found.items()],
        differences=[
            Difference(name, model, other, models[model].value - models[other].value)
            for name, models in found.items()
            for model, other in combinations(models, 2)
        ],
    )
    for run in runs:
        _add_calibration(board, run)
    if samples:
        from pytest_modeleval.results.uncertainty import add_slices, add_uncertainty

        add_slices(board, samples, fields)
        add_uncertainty(board, samples)
    return board


def _add_calibration(board: Leaderboard, run: RunResult) -> None:
    errors = {
        (benchmark.name, benchmark.model): benchmark.calibration.ece
        for benchmark in run.benchmarks
        if benchmark.calibration is not None
    }
    for standing in board.benchmarks:
        for each in standing.models:
            each.ece = errors.get((standing.name, each.model), each.ece)


def write_leaderboard(path: Path, board: Leaderboard) -> None:
    """Write leaderboard.json. Raises ModelevalError where it cannot be written."""
    values = {"schema_version": board.schema_version, "metric": board.metric, **asdict(board)}
    write_atomically(path, to_json(values, indent=2) + "\n")


def _models(found: Accuracies) -> list[ModelStanding]:
    names = list(dict.fromkeys(name for models in found.values() for name in models))
    shared = [models for models in found.values() if len(models) == len(names)]
    means = {
        name: sum(models[name].value for models in shared) / len(shared) if shared else None
        for name in names
    }
    standings = [
        ModelStanding(
            model=name,
            rank=_rank(means[name], means.values()),
            mean=means[name],
            win_rate=_win_rate(name, found),
            benchmarks=sum(name in models for models in found.values()),
        )
        for name in names
    ]
    return sorted(standings, key=lambda each: (each.rank or 0, each.model))


def _standings(models: Mapping[str, Metric]) -> list[Standing]:
    values = [metric.value for metric in models.values()]
    standings = [
        Standing(name, _rank(each.value, values) or 0, each.value, each.lower, each.upper, each.n)
        for name, each in models.items()
    ]
    return sorted(standings, key=lambda each: (each.rank, each.model))


def _rank(value: float | None, values: Iterable[float | None]) -> int | None:
    """One more than there are better values."""
    if value is None:
        return None
    return 1 + sum(other is not None and other > value for other in values)


def _win_rate(model: str, found: Accuracies) -> float | None:
    points = [
        0.5 if own.value == other.value else float(own.value > other.value)
        for models in found.values()
        if (own := models.get(model)) is not None
        for name, other in models.items()
        if name != model
    ]
    return sum(points) / len(points) if points else None
