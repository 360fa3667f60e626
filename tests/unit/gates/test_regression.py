"""Gates against a baseline: paired verdicts, and what cannot be decided."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from scipy import stats

from pytest_modeleval.gates import Reference, Table, judge, parse_gate
from pytest_modeleval.results.record import GateRecord, Outcome


def table_of(
    values: str, scores: Sequence[float] | None = None, clusters: list[int] | None = None
) -> Table:
    """`r` right, `w` wrong, `e` error, `n` not run, `s` skipped: a letter a sample."""
    outcomes: dict[str, Outcome] = {
        "r": "right",
        "w": "wrong",
        "e": "error",
        "n": "not_run",
        "s": "skipped",
    }
    table = Table(len(values), clusters=clusters)
    for row, letter in enumerate(values):
        table.record(row, outcomes[letter], {"f1": scores[row]} if scores else {})
    return table


def against(before: str, scores: Sequence[float] | None = None) -> Reference:
    """A baseline of right and wrong samples, `-` for one that it does not have."""
    values: dict[str, list[float | None]] = {
        "accuracy": [{"r": 1.0, "w": 0.0}.get(letter) for letter in before]
    }
    if scores:
        values["f1"] = list(scores)
    ids = [f"q{row}" for row in range(len(before))]
    new = [sample_id for sample_id, letter in zip(ids, before) if letter == "-"]
    return Reference("main", ids, values, new=new)


def verdict(gate: str, after: Table, before: Reference | None) -> GateRecord:
    return judge(parse_gate(gate), after, before)


BEFORE = "r" * 80 + "w" * 20
WORSE_BY_2 = "w" * 2 + "r" * 78 + "w" * 20
WORSE_BY_9 = "w" * 9 + "r" * 71 + "w" * 20


@pytest.mark.parametrize(
    ("gate", "after", "expected"),
    [
        ("accuracy >= baseline", BEFORE, "passed"),
        ("accuracy >= baseline", WORSE_BY_2, "passed"),
        ("accuracy >= baseline", WORSE_BY_9, "failed"),
        ("accuracy >= baseline - 0.05", WORSE_BY_9, "passed"),
        ("accuracy >= baseline - 0.01", "w" * 100, "failed"),
        ("accuracy >= baseline + 0.1", BEFORE, "failed"),
        ("accuracy <= baseline", "r" * 100, "failed"),
        ("accuracy <= baseline", WORSE_BY_9, "passed"),
        ("non_inferior(accuracy, 0.05)", BEFORE, "passed"),
        ("non_inferior(accuracy, 0.05)", WORSE_BY_2, "failed"),
        ("non_inferior(accuracy, 0.1)", WORSE_BY_2, "passed"),
        ("non_inferior(accuracy, 0.01)", BEFORE, "failed"),
    ],
)
def test_two_readings_of_a_margin(gate: str, after: str, expected: str) -> None:
    """A drop that is not shown passes the first, one that is not excluded fails the second."""
    record = verdict(gate, table_of(after), against(BEFORE))
    assert record.verdict == expected
    assert (record.reason is None) == (expected == "passed")


def test_the_record_tells_what_changed_and_how_sure_that_is() -> None:
    after = "w" * 9 + "r" * 71 + "r" * 2 + "w" * 18
    record = verdict("accuracy >= baseline", table_of(after), against(BEFORE))
    assert (record.value, record.threshold) == pytest.approx((0.73, 0.8))
    assert (record.difference, record.slack) == pytest.approx((-0.07, -0.07))
    assert (record.compared, record.worse, record.better) == (100, 9, 2)
    assert record.worse_ids == [f"q{row}" for row in range(9)]
    assert record.better_ids == ["q80", "q81"]
    assert (record.method, record.alpha) == ("mcnemar", 0.05)
    assert record.p_value == pytest.approx(stats.binomtest(9, 11, alternative="greater").pvalue)
    assert record.lower is not None and record.upper is not None
    assert record.lower < -0.07 < record.upper < 0


def test_of_scores_between_zero_and_one() -> None:
    before = [0.5 + 0.01 * (row % 7) for row in range(60)]
    after = [value - 0.1 - 0.01 * (row % 3) for row, value in enumerate(before)]
    worse = verdict("f1 >= baseline - 0.05", table_of("r" * 60, after), against("r" * 60, before))
    assert (worse.verdict, worse.method) == ("failed", "paired t")
    same = verdict("f1 >= baseline - 0.15", table_of("r" * 60, after), against("r" * 60, before))
    assert same.verdict == "passed"


def test_of_a_quantile_by_the_bootstrap() -> None:
    before = [row / 200 for row in range(200)]
    after = [max(0.0, value - 0.3) for value in before]
    reference = against("r" * 200, before)
    for gate, expected in (
        ("median(f1) >= baseline - 0.1", "failed"),
        ("p90(f1) >= baseline - 0.5", "passed"),
        ("max(f1) >= baseline", "failed"),
    ):
        record = verdict(gate, table_of("r" * 200, after), reference)
        assert (record.verdict, record.method) == (expected, "paired bootstrap")


def test_clusters_count_and_not_their_samples() -> None:
    """Ten passages of ten questions; all of one passage fell."""
    after = "w" * 10 + "r" * 70 + "w" * 20
    clusters = [row // 10 for row in range(100)]
    alone = verdict("accuracy >= baseline", table_of(after), against(BEFORE))
    together = verdict("accuracy >= baseline", table_of(after, None, clusters), against(BEFORE))
    assert (alone.verdict, together.verdict) == ("failed", "passed")
    assert together.method == "paired t, clustered"


@pytest.mark.parametrize(
    ("after", "before", "reason"),
    [
        ("rrrr", None, "there is no baseline: name a run with --baseline"),
        ("r" * 10, "r" * 8 + "--", "only 8 of 10 samples are in the baseline main as they are now"),
        ("rr", "--", "only 0 of 2 samples are in the baseline main"),
        ("r", "r", "one sample is too few to compare"),
    ],
)
def test_too_little_in_common_is_undecided(after: str, before: str | None, reason: str) -> None:
    record = verdict(
        "accuracy >= baseline", table_of(after), None if before is None else against(before)
    )
    assert record.verdict == "undecided"
    assert (record.reason or "").startswith(reason)


def test_samples_that_are_new_are_named() -> None:
    record = verdict("accuracy >= baseline", table_of("r" * 10), against("r" * 8 + "--"))
    assert (record.reason or "").endswith("2 new (q8, q9)")


@pytest.mark.parametrize(
    ("after", "expected"),
    [("e" + "r" * 79 + "w" * 20, "passed"), ("e" * 9 + "r" * 71 + "w" * 20, "undecided")],
)
def test_errors_never_count_as_equal(after: str, expected: str) -> None:
    record = verdict("accuracy >= baseline", table_of(after), against(BEFORE))
    assert record.verdict == expected


def test_errors_that_cannot_save_it_do_not_hold_up_the_verdict() -> None:
    after = "e" * 2 + "w" * 30 + "r" * 48 + "w" * 20
    record = verdict("accuracy >= baseline", table_of(after), against(BEFORE))
    assert (record.verdict, record.worse) == ("failed", 30)


def test_skipped_samples_are_out() -> None:
    after = "s" * 40 + "r" * 40 + "w" * 20
    record = verdict("accuracy >= baseline", table_of(after), against(BEFORE))
    assert (record.verdict, record.compared) == ("passed", 60)


@pytest.mark.parametrize("letter", ["r", "w"])
def test_all_right_and_all_wrong(letter: str) -> None:
    record = verdict("accuracy >= baseline", table_of(letter * 50), against(letter * 50))
    assert (record.verdict, record.p_value, record.difference) == ("passed", 1.0, 0.0)


def test_recorded_models_against_each_other(shared_data: Path) -> None:
    """GSM8K: every model as the run and the baseline of every other, with the exact p-value."""
    lines = (shared_data / "gsm8k/example_model_solutions.jsonl").read_text("utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    models = ("6b_finetuning", "175b_finetuning", "6b_verification", "175b_verification")
    letters = {
        model: "".join("r" if each[model]["is_correct"] else "w" for each in records)
        for model in models
    }
    for old_place, old in enumerate(models):
        for new_place, new in enumerate(models):
            record = verdict("accuracy >= baseline", table_of(letters[new]), against(letters[old]))
            worse = sum(a == "r" and b == "w" for a, b in zip(letters[old], letters[new]))
            better = sum(a == "w" and b == "r" for a, b in zip(letters[old], letters[new]))
            assert (record.worse, record.better) == (worse, better)
            assert record.verdict == ("failed" if new_place < old_place else "passed")
            if old != new:
                exact = stats.binomtest(worse, worse + better, alternative="greater").pvalue
                assert record.p_value == pytest.approx(exact, rel=1e-9)
