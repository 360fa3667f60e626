"""Is the model as often right as it says? Over the samples whose bodies recorded `confidence`."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pytest_modeleval.gates.derived import CONFIDENCE
from pytest_modeleval.gates.table import Table
from pytest_modeleval.results.record import Calibration, ReliabilityBin
from pytest_modeleval.statistics.calibration import (
    brier,
    expected_calibration_error,
    reliability,
)

BINS = 10


def calibration(table: Table, rows: Sequence[int] | None = None) -> Calibration | None:
    """The calibration over these rows, or all; None where no sample has a confidence.

    With several epochs a sample counts with its means: its confidence, and the share of its epochs
    that were right.
    """
    if CONFIDENCE not in table.metrics:
        return None
    confidences, accuracies = table.values(CONFIDENCE), table.values("accuracy")
    known = [
        row
        for row in (range(table.samples) if rows is None else rows)
        if not math.isnan(confidences[row]) and not math.isnan(accuracies[row])
    ]
    if not known:
        return None
    said = [confidences[row] for row in known]
    right = [accuracies[row] for row in known]
    return Calibration(
        n=len(known),
        ece=expected_calibration_error(said, right, BINS),
        adaptive_ece=expected_calibration_error(said, right, BINS, "mass"),
        brier=brier(said, right),
        bins=[ReliabilityBin(*each) for each in reliability(said, right, BINS)],
    )
