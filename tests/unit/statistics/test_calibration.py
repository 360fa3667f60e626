"""Calibration against a recorded model with a published error, and by hand."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from pytest_modeleval.statistics.calibration import (
    brier,
    expected_calibration_error,
    reliability,
)


def test_the_error_of_the_recorded_model_is_the_published_one(shared_data: Path) -> None:
    with (shared_data / "calibration" / "snacks.csv").open() as file:
        rows = list(csv.DictReader(file))
    confidences = [float(row["confidence"]) for row in rows]
    right = [row["true_label"] == row["pred_label"] for row in rows]
    assert round(100 * expected_calibration_error(confidences, right), 4) == 2.4427
    assert sum(each.n for each in reliability(confidences, right)) == 952


def test_bins_hold_their_upper_edge() -> None:
    table = reliability([0.0, 0.1, 0.2, 0.3, 1.0], [True] * 5)
    assert [each.n for each in table] == [2, 1, 1, 0, 0, 0, 0, 0, 0, 1]


def test_by_hand() -> None:
    confidences, right = [0.95, 0.85, 0.15, 0.15], [True, False, False, True]
    assert expected_calibration_error(confidences, right) == pytest.approx(
        (0.05 + 0.85 + 2 * 0.35) / 4
    )
    assert brier(confidences, right) == pytest.approx((0.05**2 + 0.85**2 + 0.15**2 + 0.85**2) / 4)


def test_bins_of_equal_mass_split_what_lies_close_together() -> None:
    confidences = [0.90 + 0.001 * place for place in range(100)]
    table = reliability(confidences, [place % 2 == 0 for place in range(100)], 5, "mass")
    assert [each.n for each in table] == [20] * 5
    assert table[0].lower == 0.9


def test_ties_and_fewer_samples_than_bins() -> None:
    assert expected_calibration_error([0.5, 0.5], [True, False], 10, "mass") == pytest.approx(0.5)
    assert expected_calibration_error([1.0], [True]) == 0
