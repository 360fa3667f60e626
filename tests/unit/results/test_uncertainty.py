"""How sure the standings are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scipy import stats

from pytest_modeleval.results.leaderboard import Leaderboard, leaderboard
from pytest_modeleval.results.record import BenchmarkResult, Metric, RunResult
from pytest_modeleval.results.samples import AnsweredSample, RunSamples


def board_of(
    scores: dict[str, dict[str, str]], fields: tuple[str, ...] = (), clusters: int = 0
) -> Leaderboard:
    """From {benchmark: {model: "rwr…"}}, `-` for a sample that was not run; the field `half` tells
    the first half of the samples from the second."""
    samples: RunSamples = {}
    results = []
    for benchmark, models in scores.items():
        for model, letters in models.items():
            values = [{"r": 1.0, "w": 0.0}.get(letter) for letter in letters]
            samples[benchmark, model] = {
                f"q{place}": AnsweredSample(
                    "",
                    str(place // clusters) if clusters else None,
                    [] if value is None else [{"accuracy": value}],
                    fields={"half": "first" if place < len(letters) / 2 else "second"},
                )
                for place, value in enumerate(values)
            }
            known = [value for value in values if value is not None]
            mean = sum(known) / len(known)
            metrics = {"accuracy": Metric(mean, None, None, len(known))}
            results.append(BenchmarkResult(benchmark, model, {}, metrics))
    return leaderboard([RunResult("run", True, "passed", {}, results)], samples, fields)


CLEAR = {"x": {"good": "r" * 90 + "w" * 10, "bad": "w" * 90 + "r" * 10, "worse": "w" * 100}}


def test_clear_ranks_are_sure_and_equal_ones_shared() -> None:
    ranks = {
        each.model: (each.rank, each.best_rank, each.worst_rank)
        for each in board_of({"x": {"good": "r" * 100, "one": "rw" * 50, "two": "wr" * 50}}).models
    }
    assert ranks["good"] == (1, 1, 1)
    assert ranks["one"] == ranks["two"] == (2, 2, 3)


def test_differences_have_their_exact_p_values_corrected_by_holm() -> None:
    pairs = {(each.model, each.other): each for each in board_of(CLEAR).differences}
    assert len(pairs) == 3
    for (one, two), pair in pairs.items():
        letters = CLEAR["x"][one], CLEAR["x"][two]
        up = sum(a == "r" and b == "w" for a, b in zip(*letters))
        down = sum(a == "w" and b == "r" for a, b in zip(*letters))
        assert pair.p_value == pytest.approx(stats.binomtest(up, up + down).pvalue)
        assert pair.n == 100
        assert pair.lower is not None and pair.upper is not None
        assert pair.lower < pair.difference < pair.upper
    smallest = min(pairs.values(), key=lambda each: each.p_value or 0)
    assert smallest.p_adjusted == pytest.approx(3 * (smallest.p_value or 0))


def test_strengths_are_over_all_benchmarks_that_all_models_have() -> None:
    board = board_of({**CLEAR, "y": {"bad": "r" * 40}})
    strengths = [each.strength or 0.0 for each in board.models]
    assert [each.model for each in board.models] == ["good", "bad", "worse"]
    assert strengths == sorted(strengths, reverse=True)
    assert sum(strengths) == pytest.approx(0)


def test_only_what_both_answered_is_compared() -> None:
    (pair,) = board_of({"x": {"a": "rrrr----", "b": "--wwrrrr"}}).differences
    assert (pair.n, pair.difference) == (2, 1.0)


def test_clusters_widen_a_difference() -> None:
    models = {"a": "r" * 60 + "w" * 40, "b": "w" * 20 + "r" * 30 + "w" * 50}
    (alone,) = board_of({"x": models}).differences
    (together,) = board_of({"x": models}, clusters=10).differences
    assert (together.p_value or 0) > 100 * (alone.p_value or 0)


def test_slices_by_a_field() -> None:
    board = board_of({"x": {"a": "rrww", "b": "rwrr"}}, ("half", "nothing"))
    assert [(each.field, each.value) for each in board.slices] == [
        ("half", "first"),
        ("half", "second"),
    ]
    assert [(each.model, each.value) for each in board.slices[1].models] == [("b", 1.0), ("a", 0.0)]


def test_recorded_models_are_told_apart(shared_data: Path) -> None:
    """GSM8K: all four differ from each other beyond doubt, in the order of their scores."""
    lines = (shared_data / "gsm8k/example_model_solutions.jsonl").read_text("utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    names = ("175b_verification", "6b_verification", "175b_finetuning", "6b_finetuning")
    board = board_of(
        {
            "gsm8k": {
                name: "".join("r" if each[name]["is_correct"] else "w" for each in records)
                for name in names
            }
        }
    )
    assert [each.model for each in board.models] == list(names)
    assert [(each.best_rank, each.worst_rank) for each in board.models] == [
        (place, place) for place in range(1, 5)
    ]
    assert all((each.p_adjusted or 0) < 0.01 for each in board.differences)
