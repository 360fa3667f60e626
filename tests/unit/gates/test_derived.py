"""Metrics made of repeats and of confidences."""

from __future__ import annotations

import pytest

from pytest_modeleval.gates import Table, judge, parse_gate
from pytest_modeleval.gates.calibration import calibration
from pytest_modeleval.results.record import GateRecord, Outcome
from pytest_modeleval.statistics.repeats import pass_at_k

LETTERS: dict[str, Outcome] = {"r": "right", "w": "wrong", "e": "error", "n": "not_run"}


def table_of(*samples: str) -> Table:
    """A sample of each text, a letter an epoch."""
    table = Table(len(samples), epochs=len(samples[0]))
    for row, letters in enumerate(samples):
        for letter in letters:
            table.record(row, LETTERS[letter], {})
    return table


def sure(*samples: tuple[str, float]) -> Table:
    table = Table(len(samples))
    for row, (letter, confidence) in enumerate(samples):
        table.record(row, LETTERS[letter], {"confidence": confidence})
    return table


def verdict(gate: str, table: Table) -> GateRecord:
    return judge(parse_gate(gate), table)


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("pass_at_1", (2 / 4 + 4 / 4 + 0) / 3),
        ("pass_at_2", (pass_at_k(4, 2, 2) + 1 + 0) / 3),
        ("pass_at_4", 2 / 3),
        ("pass_hat_2", (1 / 6 + 1 + 0) / 3),
        ("pass_hat_4", 1 / 3),
        ("majority", (0.5 + 1 + 0) / 3),
    ],
)
def test_of_repeats(metric: str, value: float) -> None:
    record = verdict(f"{metric} >= 0.01", table_of("rrww", "rrrr", "wwww"))
    assert record.value == pytest.approx(value)
    assert record.verdict == "passed"


@pytest.mark.parametrize(
    ("gate", "expected"),
    [
        ("pass_at_2 >= 1", "passed"),
        ("pass_hat_2 >= 0.6", "undecided"),
        ("majority >= 1", "passed"),
        ("pass_hat_3 >= 0.6", "undecided"),
        ("pass_hat_3 >= 0.9", "failed"),
    ],
)
def test_an_epoch_that_errored_may_have_been_either(gate: str, expected: str) -> None:
    """Two or three are right in the first sample, two in the second, three in the third."""
    assert verdict(gate, table_of("rre", "rrw", "rrr")).verdict == expected


def test_the_spread_between_and_within_samples() -> None:
    spread = table_of("rw", "rr", "ww", "rw").spread("accuracy")
    assert spread is not None
    assert spread.within == pytest.approx(0.25)
    assert table_of("r", "w").spread("accuracy") is None


def test_calibration_by_hand() -> None:
    found = calibration(sure(("r", 0.95), ("w", 0.85), ("w", 0.15), ("r", 0.15)))
    assert found is not None
    assert found.ece == pytest.approx((0.05 + 0.85 + 2 * 0.35) / 4)
    assert found.brier == pytest.approx((0.05**2 + 0.85**2 + 0.15**2 + 0.85**2) / 4)
    assert (found.n, len(found.bins)) == (4, 10)


@pytest.mark.parametrize(
    ("gate", "expected"),
    [
        ("ece <= 0.5", "passed"),
        ("ece <= 0.1", "failed"),
        ("adaptive_ece <= 0.9", "passed"),
        ("brier <= 0.5", "passed"),
        ("brier <= 0.2", "failed"),
    ],
)
def test_gates_over_calibration(gate: str, expected: str) -> None:
    table = sure(("r", 0.95), ("w", 0.85), ("w", 0.15), ("r", 0.15))
    assert verdict(gate, table).verdict == expected


def test_a_calibration_error_needs_every_sample() -> None:
    table = Table(2)
    table.record(0, "right", {"confidence": 0.9})
    table.record(1, "error", {})
    record = verdict("ece <= 0.5", table)
    assert (record.verdict, record.reason) == (
        "undecided",
        "1 errored of 2 samples, and ece needs every value",
    )
    assert verdict("ece <= 0.5", table_of("r")).reason == (
        "no sample recorded confidence; recorded: accuracy"
    )
