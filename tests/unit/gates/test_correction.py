"""Many gates against a baseline, judged together."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pytest_modeleval.gates.correction import Correction, correct
from pytest_modeleval.results.record import GateRecord


def record(p_value: float | None) -> GateRecord:
    verdict = "undecided" if p_value is None else "failed" if p_value <= 0.05 else "passed"
    return GateRecord("g", "g", verdict, "why", method="mcnemar", p_value=p_value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("none", ["failed", "failed", "passed", "failed"]),
        ("holm", ["failed", "passed", "passed", "passed"]),
        ("fdr", ["failed", "failed", "passed", "passed"]),
    ],
)
def test_a_failure_among_many_needs_more(how: Correction, expected: list[str]) -> None:
    records = [record(p_value) for p_value in (0.001, 0.02, 0.5, 0.045)]
    correct(records, how)
    assert [each.verdict for each in records] == expected
    assert (records[0].p_adjusted is None) == (how == "none")
    assert (records[1].reason is None) == (how == "holm")
    if how != "none":
        assert records[0].method == f"mcnemar; {how} over 4 gates"


def test_one_gate_and_undecided_ones_are_left_alone() -> None:
    records = [record(0.04), record(None)]
    correct(records, "holm")
    assert (records[0].verdict, records[0].p_adjusted) == ("failed", None)
    assert records[1].verdict == "undecided"


def test_no_run_of_twenty_gates_cries_wolf_more_often_than_alpha() -> None:
    """2,000 runs in which nothing changed; the Monte-Carlo error is 0.5 points."""
    draw = np.random.default_rng(1)
    alarms = {"holm": 0, "none": 0}
    for _ in range(2_000):
        p_values = stats.norm.cdf(draw.normal(size=20))
        for how in alarms:
            records = [record(float(each)) for each in p_values]
            correct(records, how)  # type: ignore[arg-type]
            alarms[how] += any(each.verdict == "failed" for each in records)
    assert alarms["holm"] / 2_000 <= 0.05 + 3 * 0.005
    assert alarms["none"] / 2_000 > 0.5
