"""Models beside each other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import pytest

from pytest_modeleval.results.leaderboard import leaderboard, write_leaderboard
from pytest_modeleval.results.record import BenchmarkResult, Metric, RunResult


def run(accuracies: Mapping[str, Mapping[str, float]], run_id: str = "run") -> RunResult:
    """A run from {benchmark: {model: accuracy}}."""
    benchmarks = [
        BenchmarkResult(name, model, {}, {"accuracy": Metric(value, value - 0.1, value + 0.1, 10)})
        for name, models in accuracies.items()
        for model, value in models.items()
    ]
    return RunResult(run_id, True, "passed", {}, benchmarks)


def test_models_are_ranked_on_each_benchmark_and_over_all() -> None:
    board = leaderboard([run({"x": {"a": 0.5, "b": 0.7}, "y": {"a": 0.9, "b": 0.3}})])
    assert [(each.model, each.rank) for each in board.models] == [("a", 1), ("b", 2)]
    assert [each.mean for each in board.models] == pytest.approx([0.7, 0.5])
    assert [each.win_rate for each in board.models] == [0.5, 0.5]
    x = board.benchmarks[0]
    assert [(each.model, each.rank, each.value) for each in x.models] == [
        ("b", 1, 0.7),
        ("a", 2, 0.5),
    ]
    assert (x.models[0].lower, x.models[0].upper, x.models[0].n) == (
        pytest.approx(0.6),
        pytest.approx(0.8),
        10,
    )


def test_ties_share_the_rank_and_half_a_win() -> None:
    board = leaderboard([run({"x": {"a": 0.5, "b": 0.5, "c": 0.4}})])
    assert [(each.model, each.rank) for each in board.benchmarks[0].models] == [
        ("a", 1),
        ("b", 1),
        ("c", 3),
    ]
    assert [each.win_rate for each in board.models] == [0.75, 0.75, 0.0]


def test_a_mean_is_over_what_all_models_went_through() -> None:
    board = leaderboard([run({"easy": {"a": 1.0}, "hard": {"a": 0.2, "b": 0.4}})])
    assert [(each.model, each.rank, each.mean, each.benchmarks) for each in board.models] == [
        ("b", 1, 0.4, 1),
        ("a", 2, 0.2, 2),
    ]


def test_without_a_common_benchmark_there_is_no_rank() -> None:
    board = leaderboard([run({"x": {"a": 1.0}, "y": {"b": 0.4}})])
    assert [(each.rank, each.mean, each.win_rate) for each in board.models] == [
        (None, None, None)
    ] * 2


def test_one_model_has_nobody_to_win_against() -> None:
    (standing,) = leaderboard([run({"x": {"a": 0.5}})]).models
    assert (standing.rank, standing.mean, standing.win_rate) == (1, 0.5, None)


def test_differences_are_between_each_pair() -> None:
    board = leaderboard([run({"x": {"a": 0.5, "b": 0.75, "c": 1.0}})])
    assert [(each.model, each.other, each.difference) for each in board.differences] == [
        ("a", "b", -0.25),
        ("a", "c", -0.5),
        ("b", "c", -0.25),
    ]


def test_runs_are_joined_and_the_later_counts() -> None:
    runs = [run({"x": {"a": 0.5}}, "1"), run({"x": {"b": 0.6}}, "2"), run({"x": {"a": 0.7}}, "3")]
    board = leaderboard(runs)
    assert board.runs == ["1", "2", "3"]
    assert {each.model: each.value for each in board.benchmarks[0].models} == {"a": 0.7, "b": 0.6}


def test_a_benchmark_without_accuracy_is_left_out() -> None:
    result = run({"x": {"a": 0.5}})
    result.benchmarks.append(BenchmarkResult("y", "a", {"planned": 3}))
    assert [each.name for each in leaderboard([result]).benchmarks] == ["x"]


def test_the_file_is_the_leaderboard(run_result: RunResult, tmp_path: Path) -> None:
    write_leaderboard(tmp_path / "leaderboard.json", leaderboard([run_result]))
    values = json.loads((tmp_path / "leaderboard.json").read_text())
    assert values == asdict(leaderboard([run_result]))
    assert next(iter(values)) == "schema_version"
