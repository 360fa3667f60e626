"""Several gates against a baseline are several chances to fail by chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pytest_modeleval.gates.regression import ALPHA
from pytest_modeleval.results.record import GateRecord
from pytest_modeleval.statistics.multiplicity import benjamini_hochberg, holm

Correction = Literal["holm", "fdr", "none"]


def correct(records: Sequence[GateRecord], how: Correction) -> None:
    """Judge the gates "no worse than the baseline" of a run together.

    "holm" keeps the chance that any of them fails though nothing got worse at 5 % (Holm 1979);
    "fdr" keeps the expected share of such failures among all failures there (Benjamini and Hochberg
    1995). A gate that failed by itself may then pass; none can fail that passed by itself.
    """
    tested = [
        record
        for record in records
        if record.p_value is not None and record.verdict in ("passed", "failed")
    ]
    if how == "none" or len(tested) < 2:
        return
    p_values = [record.p_value or 0.0 for record in tested]
    corrected = holm(p_values) if how == "holm" else benjamini_hochberg(p_values)
    for record, p_adjusted in zip(tested, corrected):
        record.p_adjusted = p_adjusted
        record.method = f"{record.method}; {how} over {len(tested)} gates"
        if record.verdict == "failed" and p_adjusted > ALPHA:
            record.verdict, record.reason = "passed", None
