"""Verdicts: what passes, what fails, what cannot be decided, and why."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Mapping, Sequence

import pytest

from pytest_modeleval.gates import Table, judge, not_judged, parse_gate
from pytest_modeleval.results.record import GateRecord, Outcome
from pytest_modeleval.statistics import quantile, wilson_interval

LETTERS: dict[str, Outcome] = {
    "r": "right",
    "w": "wrong",
    "e": "error",
    "n": "not_run",
    "s": "skipped",
}


def table_of(
    outcomes: str | Sequence[str],
    scores: Mapping[str, Sequence[float]] | None = None,
    columns: Mapping[str, Sequence[str | float | bool | None]] | None = None,
) -> Table:
    """One letter an epoch: `"rrw"` is three samples, `["rr", "rw"]` two samples of two epochs.

    `scores` has one value a sample, NaN where it recorded none.
    """
    table = Table(len(outcomes), epochs=len(outcomes[0]), columns=columns)
    for row, letters in enumerate(outcomes):
        present = {
            name: values[row]
            for name, values in (scores or {}).items()
            if not math.isnan(values[row])
        }
        for letter in letters:
            table.record(row, LETTERS[letter], present)
    return table


def verdict(gate: str, table: Table) -> GateRecord:
    return judge(parse_gate(gate), table)


@pytest.mark.parametrize(
    ("gate", "expected", "slack"),
    [
        ("accuracy >= 0.75", "passed", 0.0),
        ("accuracy > 0.75", "failed", 0.0),
        ("accuracy <= 0.75", "passed", 0.0),
        ("accuracy < 0.75", "failed", 0.0),
        ("accuracy >= 0.7", "passed", 0.05),
        ("accuracy >= 0.8", "failed", -0.05),
        ("accuracy <= 0.8", "passed", 0.05),
        ("sum(accuracy) >= 75", "passed", 0.0),
        ("sum(accuracy) >= 76", "failed", -1.0),
        ("max(accuracy) >= 1", "passed", 0.0),
        ("median(accuracy) >= 1", "passed", 0.0),
    ],
)
def test_a_threshold(gate: str, expected: str, slack: float) -> None:
    record = verdict(gate, table_of("r" * 75 + "w" * 25))
    assert record.verdict == expected
    assert record.slack == pytest.approx(slack, abs=1e-12)
    assert (record.reason is None) == (expected == "passed")


def test_the_record_tells_everything() -> None:
    lower, upper, _ = wilson_interval(3, 4)
    assert verdict("enough: accuracy>=.8", table_of("rrrw")) == GateRecord(
        name="enough",
        expression="accuracy >= 0.8",
        verdict="failed",
        reason="accuracy is 0.75, not >= 0.8",
        value=0.75,
        threshold=0.8,
        slack=0.75 - 0.8,
        lower=lower,
        upper=upper,
        method="wilson",
        alpha=0.05,
    )


def test_every_share_equals_its_own_decimal() -> None:
    """Tenths, from ten epochs, add up to a hair less than they are: equal is within rounding."""
    for right in range(101):
        table = table_of("r" * right + "w" * (100 - right))
        assert verdict(f"accuracy >= {right / 100}", table).slack == 0.0
    tenths = table_of(["r" * right + "w" * (10 - right) for right in (1, 7, 7, 7)])
    record = verdict("accuracy >= 0.55", tenths)
    assert record.value is not None and record.value < 0.55
    assert (record.verdict, record.slack) == ("passed", 0.0)


def test_an_errored_sample_counts_nought_in_the_value_shown() -> None:
    record = verdict("accuracy >= 0.5", table_of("r" * 80 + "w" * 10 + "e" * 10))
    assert (record.verdict, record.value) == ("passed", 0.8)


def test_skipped_samples_are_out() -> None:
    record = verdict("accuracy >= 0.75", table_of("rrrw" + "s" * 96))
    assert (record.verdict, record.value) == ("passed", 0.75)


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ("r" * 75 + "w" * 22 + "e" * 3, "passed"),
        ("r" * 74 + "w" * 23 + "e" * 3, "undecided"),
        ("r" * 72 + "w" * 25 + "e" * 3, "undecided"),
        ("r" * 71 + "w" * 26 + "e" * 3, "failed"),
        ("r" * 75 + "n" * 25, "passed"),
        ("r" * 74 + "n" * 26, "undecided"),
        ("r" * 10 + "w" * 26 + "n" * 64, "failed"),
        ("e" * 5, "undecided"),
    ],
)
def test_errors_and_samples_not_run_may_fall_either_way(outcomes: str, expected: str) -> None:
    assert verdict("accuracy >= 0.75", table_of(outcomes)).verdict == expected


def test_undecided_says_what_is_missing_and_what_it_could_change() -> None:
    record = verdict("accuracy >= 0.75", table_of("r" * 74 + "w" * 21 + "e" * 3 + "nn"))
    assert record.reason == (
        "3 errored and 2 not run of 100 samples: accuracy may be from 0.74 to 0.79, "
        "and >= 0.75 is asked for"
    )


COMPLETIONS = {"e": "rw", "n": "rw", "r": "r", "w": "w"}


@pytest.mark.parametrize("epochs", [1, 2])
@pytest.mark.parametrize(
    "gate", ["accuracy >= 0.5", "accuracy < 0.5", "sum(accuracy) > 1", "median(accuracy) <= 0.5"]
)
def test_a_verdict_holds_in_every_world(gate: str, epochs: int) -> None:
    """Each table's unknown epochs are filled in every possible way, and judged without unknowns."""
    generator = random.Random(7)
    seen = set()
    for _ in range(100):
        outcomes = ["".join(generator.choices("rrwwen", k=epochs)) for _ in range(3)]
        if not any(letter in "rwe" for letters in outcomes for letter in letters):
            continue
        choices = (COMPLETIONS[letter] for letters in outcomes for letter in letters)
        worlds = {
            verdict(
                gate,
                table_of(
                    ["".join(filled[at : at + epochs]) for at in range(0, len(filled), epochs)]
                ),
            ).verdict
            for filled in itertools.product(*choices)
        }
        expected = worlds.pop() if len(worlds) == 1 else "undecided"
        assert verdict(gate, table_of(outcomes)).verdict == expected, outcomes
        seen.add(expected)
    assert seen == {"passed", "failed", "undecided"}


def test_the_lower_limit_is_of_the_worst_world() -> None:
    table = table_of("r" * 90 + "w" * 5 + "e" * 5)
    worst = wilson_interval(90, 100).lower
    best = wilson_interval(95, 100).lower
    assert worst is not None and best is not None
    assert verdict(f"lower(accuracy) >= {worst - 0.001}", table).verdict == "passed"
    assert verdict(f"lower(accuracy) >= {worst + 0.001}", table).verdict == "undecided"
    assert verdict(f"lower(accuracy) >= {best - 0.001}", table).verdict == "undecided"
    assert verdict(f"lower(accuracy) >= {best + 0.001}", table).verdict == "failed"


def test_the_value_of_a_limit_gate_is_the_limit() -> None:
    record = verdict("lower(accuracy) >= 0.9", table_of("r" * 90 + "w" * 10))
    assert record.value == record.lower == wilson_interval(90, 100).lower
    record = verdict("upper(accuracy) <= 0.99", table_of("r" * 90 + "w" * 10))
    assert record.value == record.upper == wilson_interval(90, 100).upper


def test_the_limit_of_a_mean_with_unknown_values_is_undecided() -> None:
    scores = {"latency_s": [1.0, 2.0, 3.0, math.nan]}
    record = verdict("lower(latency_s) >= 0.1", table_of("rrre", scores))
    assert record.verdict == "undecided"
    assert record.reason == "1 errored of 4 samples, and lower(latency_s) needs every value"
    assert verdict("lower(accuracy) >= 0.01", table_of(["rr", "rr", "rw", "re"])).verdict == (
        "undecided"
    )


def test_a_percentile_is_decided_when_the_missing_values_cannot_move_it() -> None:
    latency = {"latency_s": [float(second) for second in range(100)]}
    table = table_of("r" * 97 + "e" * 3, latency)
    record = verdict("p95(latency_s) <= 99", table)
    assert record.verdict == "passed"
    assert record.value == quantile(range(97), 0.95)
    assert verdict("p95(latency_s) <= 90", table).verdict == "failed"
    assert verdict("p95(latency_s) <= 92", table).verdict == "undecided"
    record = verdict("p99(latency_s) <= 1000", table)
    assert record.verdict == "undecided"
    assert record.reason is not None and "or more" in record.reason


def test_a_mean_of_anything_is_undecided_by_one_missing_value() -> None:
    table = table_of("rrre", {"f1": [0.9, 0.9, 0.9, math.nan]})
    record = verdict("f1 >= 0.5", table)
    assert record.verdict == "undecided"
    assert record.reason == ("1 errored of 4 samples: f1 may be anything, and >= 0.5 is asked for")


def test_a_quantity_is_not_negative() -> None:
    table = table_of("rrre", {"latency_s": [9.0, 9.0, 10.0, math.nan]})
    assert verdict("mean(latency_s) <= 6", table).verdict == "failed"
    assert verdict("mean(latency_s) <= 8", table).verdict == "undecided"
    assert verdict("max(latency_s) <= 8", table).verdict == "failed"
    assert verdict("max(latency_s) <= 30", table).verdict == "undecided"


def test_a_metric_that_some_samples_did_not_record_is_not_taken_over_the_rest() -> None:
    table = table_of("rrww", {"f1": [1.0, 1.0, math.nan, math.nan]})
    record = verdict("f1 >= 0.5", table)
    assert (record.verdict, record.value) == ("undecided", 1.0)
    assert record.reason is not None and record.reason.startswith("2 without the metric of 4")


def test_scores_of_an_errored_epoch_and_values_that_are_no_number_are_left_out() -> None:
    table = Table(3)
    table.record(0, "right", {"f1": 0.5})
    table.record(1, "error", {"f1": 9.0})
    table.record(2, "right", {"f1": math.inf})
    first, *others = table.values("f1")
    assert first == 0.5
    assert all(map(math.isnan, others))
    assert table.metrics == ["accuracy", "f1"]


def test_accuracy_is_made_from_the_outcomes_alone() -> None:
    table = Table(1)
    table.record(0, "wrong", {"accuracy": 1.0})
    assert list(table.values("accuracy")) == [0.0]
    assert table.metrics == ["accuracy"]


def test_a_sample_is_the_mean_of_its_epochs() -> None:
    table = table_of(["rw", "rr", "es", "ss", "nn"])
    values = list(table.values("accuracy"))
    assert values[:3] == [0.5, 1.0, 0.0]
    assert all(map(math.isnan, values[3:]))
    bounds = table.bounds("accuracy", range(5))
    assert (bounds.low, bounds.high) == ([0.5, 1.0, 0.0, 0.0], [0.5, 1.0, 1.0, 1.0])
    assert (bounds.errored, bounds.not_run, bounds.not_recorded) == (1, 1, 0)


def test_a_slice() -> None:
    columns: dict[str, list[str | float | bool | None]] = {
        "lang": ["de", "de", "en", None],
        "level": [1, 1.0, True, "1"],
    }
    table = table_of("rwre", {"x": [1.0, 3.0, 8.0, math.nan]}, columns)
    assert verdict('accuracy[lang == "de"] >= 0.5', table).value == 0.5
    assert verdict('accuracy[lang == "en"] >= 0.5', table).verdict == "passed"
    assert verdict('median(x[lang == "de"]) >= 2', table).verdict == "passed"
    assert verdict("sum(accuracy[level == 1]) >= 1", table).value == 1.0
    assert verdict("accuracy[level == True] >= 1", table).value == 1.0
    assert verdict('accuracy[level == "1"] >= 0.1', table).verdict == "undecided"


def test_an_empty_slice_names_the_values_that_there_are() -> None:
    columns = {"topic": [f"t{number}\n" for number in range(12)]}
    record = verdict('accuracy[topic == "bio"] >= 0.5', table_of("r" * 12, columns=columns))
    assert record.verdict == "undecided"
    assert record.reason is not None
    assert record.reason.startswith('no sample has topic == "bio"; topic has: "t0\\n", "t1\\n"')
    assert record.reason.endswith("and 2 more")


@pytest.mark.parametrize(
    ("gate", "outcomes", "reason"),
    [
        ("bleu >= 1", "rw", "no sample recorded bleu; recorded: accuracy"),
        ("accuracy[c == 1] >= 1", "rw", "the samples have no column c; they have: none"),
        ("accuracy >= 0.5", "nnn", "no sample has accuracy: 3 not run of 3 samples"),
        ("accuracy >= 0.5", "ss", "no sample has accuracy: all 2 samples were skipped"),
        ("upper(p95(accuracy)) < 1", "rw", "upper(p95(accuracy)) needs more values than the 2"),
        ("accuracy >= baseline", "rw", "there is no baseline"),
        ("non_inferior(accuracy, 0.1)", "rw", "there is no baseline"),
    ],
)
def test_what_cannot_be_judged_is_undecided(gate: str, outcomes: str, reason: str) -> None:
    record = verdict(gate, table_of(outcomes))
    assert record.verdict == "undecided"
    assert record.reason is not None and record.reason.startswith(reason)


def test_a_table_without_samples_is_undecided() -> None:
    record = judge(parse_gate("accuracy >= 0.5"), Table(0))
    assert (record.verdict, record.reason) == ("undecided", "there are no samples")


def test_not_judged_keeps_the_gate() -> None:
    record = not_judged(parse_gate("accuracy >= baseline - 0.01"), "3 samples were deselected")
    assert (record.verdict, record.reason) == ("not judged", "3 samples were deselected")
    assert (record.name, record.tolerance) == ("accuracy", 0.01)


def test_methods_of_intervals() -> None:
    table = table_of("rw", {"x": [0.1, 0.7]})
    assert verdict("accuracy > 0", table).method == "wilson"
    assert verdict("x > 0", table).method == "t"
    assert verdict("median(x) > 0", table).method == "order statistics"
    maximum = verdict("max(x) > 0", table)
    assert (maximum.method, maximum.lower, maximum.alpha) == (None, None, None)
    total = verdict("sum(accuracy) > 0", table)
    ends = wilson_interval(1, 2)
    assert total.upper == pytest.approx(2 * (ends.upper or 0))
