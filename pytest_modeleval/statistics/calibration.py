"""Is a model as often right as it is confident?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np

Bins = Literal["width", "mass"]


class Bin(NamedTuple):
    """One row of a reliability table: `lower` is excluded and `upper` included, but for a
    confidence of exactly 0, which is in the first bin. Means are None in an empty bin."""

    lower: float
    upper: float
    n: int
    confidence: float | None
    accuracy: float | None


def reliability(
    confidences: Sequence[float], right: Sequence[float], bins: int = 10, by: Bins = "width"
) -> list[Bin]:
    """Confidence and accuracy in bins of equal width (Guo et al. 2017, eq. 2 and 3), or of as
    equal a number of samples as can be ("mass": Nixon et al. 2019, adaptive).

    Args:
        confidences: from 0 to 1, one a sample, at least one.
        right: 1 where the sample was right, 0 where not; a share where it was asked several times.
        bins: how many.
        by: what is equal.
    """
    p = np.asarray(confidences, float)
    hit = np.asarray(right, float)
    if by == "width":
        places = np.clip(np.ceil(p * bins - 1e-9).astype(int) - 1, 0, bins - 1)
        groups = [places == place for place in range(bins)]
        limits = list(pairwise(np.linspace(0, 1, bins + 1)))
    else:
        parts = [part for part in np.array_split(np.argsort(p, kind="stable"), bins) if len(part)]
        groups = [np.isin(np.arange(len(p)), part) for part in parts]
        limits = [(p[part].min(), p[part].max()) for part in parts]
    return [
        Bin(
            float(lower),
            float(upper),
            int(group.sum()),
            float(p[group].mean()) if group.any() else None,
            float(hit[group].mean()) if group.any() else None,
        )
        for (lower, upper), group in zip(limits, groups)
    ]


def expected_calibration_error(
    confidences: Sequence[float], right: Sequence[float], bins: int = 10, by: Bins = "width"
) -> float:
    """The mean distance between confidence and accuracy over the bins, weighted by their samples
    (Naeini et al. 2015; Guo et al. 2017, eq. 3)."""
    table = reliability(confidences, right, bins, by)
    total = sum(each.n for each in table)
    return (
        sum(
            each.n * abs(each.confidence - each.accuracy)
            for each in table
            if each.confidence is not None and each.accuracy is not None
        )
        / total
    )


def brier(confidences: Sequence[float], right: Sequence[float]) -> float:
    """The mean squared distance between confidence and outcome (Brier 1950)."""
    p = np.asarray(confidences, float)
    return float(np.mean((p - np.asarray(right, float)) ** 2))
