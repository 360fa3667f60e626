"""A gate's verdict over a table of samples.

One rule for every kind of missing value: a gate passes or fails only if it would whatever the
missing values were, within the metric's range; otherwise it is undecided. Every statistic here
grows with each of its values, so trying all missing ones lowest, then all highest, is enough.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from pytest_modeleval.gates.derived import CALIBRATION_ERRORS, CONFIDENCE, needed, of_epochs
from pytest_modeleval.gates.gate import Comparison, Gate, SliceValue, Term, literal, number
from pytest_modeleval.gates.reference import Reference
from pytest_modeleval.gates.table import Bounds, Table
from pytest_modeleval.results.record import GateRecord
from pytest_modeleval.statistics.intervals import Interval, quantile_interval
from pytest_modeleval.statistics.quantiles import quantile
from pytest_modeleval.statistics.summary import metric_interval

ALPHA = 0.05
"""Intervals are two-sided at 95 %."""


def judge(gate: Gate, table: Table, reference: Reference | None = None) -> GateRecord:
    """The gate's verdict: passed, failed or undecided, with the reason where it did not pass.

    `reference` is what a baseline scored on the same samples, None where there is no baseline.
    """
    term = gate.term
    if problem := _missing_name(term, table):
        return _record(gate, "undecided", problem)
    rows = rows_of(term, table)
    if not rows:
        return _record(gate, "undecided", _no_such_value(term, table))
    if term.metric in CALIBRATION_ERRORS:
        return _calibrated(gate, table, rows)
    if gate.kind != "threshold":
        from pytest_modeleval.gates.regression import judge_against

        return judge_against(gate, table, rows, reference, _record(gate, "undecided"))
    all_values = table.values(term.metric)
    present = [row for row in rows if not math.isnan(all_values[row])]
    values = [all_values[row] for row in present]
    clusters = table.clusters and [table.clusters[row] for row in present]
    bounds = table.bounds(term.metric, rows)
    if not values:
        why = unknown_samples(bounds) if bounds.low else f"all {len(rows)} samples were skipped"
        return _record(gate, "undecided", f"no sample has {term.metric}: {why}")
    return _compared(gate, table, values, clusters, bounds)


def _calibrated(gate: Gate, table: Table, rows: Sequence[int]) -> GateRecord:
    """A calibration error is of all samples together, so it needs every one of them."""
    from pytest_modeleval.gates.calibration import BINS, calibration

    record = _record(gate, "undecided")
    bounds = table.bounds(CONFIDENCE, rows)
    found = calibration(table, rows)
    if found is None or bounds.low is not bounds.high:
        record.reason = f"{unknown_samples(bounds)}, and {gate.term} needs every value"
        return record
    record.method = f"{BINS} bins of equal {'width' if gate.term.metric == 'ece' else 'mass'}"
    compare_value(record, gate, found.ece if gate.term.metric == "ece" else found.adaptive_ece)
    return record


def compare_value(record: GateRecord, gate: Gate, value: float) -> None:
    """The verdict on one number that is known."""
    threshold = gate.threshold or 0.0
    record.value = value
    record.slack = _slack(gate.comparison, value, threshold)
    if holds(gate.comparison, value, threshold):
        record.verdict = "passed"
    else:
        record.verdict = "failed"
        record.reason = f"{gate.term} is {value:.6g}, not {gate.comparison} {number(threshold)}"


def not_judged(gate: Gate, reason: str) -> GateRecord:
    """The record of a gate whose samples were not all asked for."""
    return _record(gate, "not judged", reason)


def _compared(
    gate: Gate,
    table: Table,
    values: Sequence[float],
    clusters: Sequence[int] | None,
    bounds: Bounds,
) -> GateRecord:
    term, threshold = gate.term, gate.threshold or 0.0
    record = _record(gate, "undecided")
    interval = _interval(term, values, clusters)
    if interval:
        record.lower, record.upper, record.method = interval
        record.alpha = ALPHA
    value = _value(term, values, interval)
    if value is None:
        record.reason = f"{term} needs more values than the {len(values)} at hand"
        return record
    record.value = value
    record.slack = _slack(gate.comparison, value, threshold)
    extremes = _extremes(term, table, value, bounds)
    if extremes is None:
        record.reason = f"{unknown_samples(bounds)}, and {term} needs every value"
        return record
    at_lowest, at_highest = (holds(gate.comparison, end, threshold) for end in extremes)
    if at_lowest != at_highest:
        record.reason = (
            f"{unknown_samples(bounds)}: {term} may be {_between(*extremes)}, "
            f"and {gate.comparison} {number(threshold)} is asked for"
        )
    elif at_lowest:
        record.verdict = "passed"
    else:
        record.verdict = "failed"
        record.reason = f"{term} is {value:.6g}, not {gate.comparison} {number(threshold)}"
    return record


def _value(term: Term, values: Sequence[float], interval: Interval | None) -> float | None:
    """The term over these values; None for an end that the interval does not have."""
    if term.limit:
        return getattr(interval, term.limit, None)
    if (q := term.quantile) is not None:
        return quantile(values, q)
    if term.statistic == "max":
        return max(values)
    total = math.fsum(values)
    return total if term.statistic == "sum" else total / len(values)


def _interval(
    term: Term, values: Sequence[float], clusters: Sequence[int] | None = None
) -> Interval | None:
    level = 1 - ALPHA
    if term.statistic == "max":
        return None
    if (q := term.quantile) is not None:
        return quantile_interval(values, q, level, clusters)
    lower, upper, method = metric_interval(term.metric, values, level, clusters)
    if term.statistic == "sum" and lower is not None and upper is not None:
        return Interval(lower * len(values), upper * len(values), method)
    return Interval(lower, upper, method)


def _extremes(term: Term, table: Table, value: float, bounds: Bounds) -> tuple[float, float] | None:
    """The term with all that is missing at its lowest, and at its highest.

    None where that does not bound it: the end of a t interval, or of one over clusters, can fall as
    a value rises. Wilson's and order statistics cannot.
    """
    if bounds.low is bounds.high:
        return value, value
    if not term.limit:
        ends = [_value(term, values, None) for values in (bounds.low, bounds.high)]
    elif table.clusters is None and (
        term.quantile is not None or (term.metric == "accuracy" and table.epochs == 1)
    ):
        ends = [
            _value(term, values, _interval(term, values)) for values in (bounds.low, bounds.high)
        ]
    else:
        return None
    low, high = ends
    return None if low is None or high is None else (low, high)


def holds(comparison: Comparison, value: float, threshold: float) -> bool:
    """Equal is within rounding, so that 75 of 100 is 0.75 however the mean was summed."""
    if _equal(value, threshold):
        return comparison in (">=", "<=")
    return (value > threshold) == (comparison[0] == ">")


def _slack(comparison: Comparison, value: float, threshold: float) -> float:
    if _equal(value, threshold):
        return 0.0
    return value - threshold if comparison[0] == ">" else threshold - value


def _equal(value: float, threshold: float) -> bool:
    return math.isclose(value, threshold, rel_tol=1e-12, abs_tol=1e-12)


def rows_of(term: Term, table: Table) -> Sequence[int]:
    """The samples that the term speaks of: all, or those of its slice."""
    if term.column is None:
        return range(table.samples)
    wanted = term.value
    boolean = isinstance(wanted, bool)
    return [
        row
        for row, value in enumerate(table.columns[term.column])
        if value == wanted and isinstance(value, bool) == boolean
    ]


def _missing_name(term: Term, table: Table) -> str | None:
    if of_epochs(term.metric) is None and needed(term.metric) not in table.metrics:
        return f"no sample recorded {needed(term.metric)}; recorded: {', '.join(table.metrics)}"
    if term.column is not None and term.column not in table.columns:
        listed = ", ".join(table.columns) or "none"
        return f"the samples have no column {term.column}; they have: {listed}"
    return None


def _no_such_value(term: Term, table: Table) -> str:
    if term.column is None:
        return "there are no samples"
    present = {value: None for value in table.columns[term.column] if value is not None}
    listed = ", ".join(_short(value) for value in list(present)[:10]) or "no values"
    more = f" and {len(present) - 10} more" if len(present) > 10 else ""
    wanted = literal(term.value)
    return f"no sample has {term.column} == {wanted}; {term.column} has: {listed}{more}"


def _short(value: SliceValue) -> str:
    return literal(value if not isinstance(value, str) or len(value) <= 40 else value[:39] + "…")


def unknown_samples(bounds: Bounds) -> str:
    """How many samples lack a value, and why."""
    clauses = (
        (bounds.errored, "errored"),
        (bounds.not_run, "not run"),
        (bounds.not_recorded, "without the metric"),
    )
    listed = " and ".join(f"{count} {what}" for count, what in clauses if count)
    return f"{listed} of {len(bounds.low)} samples"


def _between(low: float, high: float) -> str:
    if math.isinf(low) and math.isinf(high):
        return "anything"
    if math.isinf(low):
        return f"{high:.6g} or less"
    if math.isinf(high):
        return f"{low:.6g} or more"
    return f"from {low:.6g} to {high:.6g}"


def _record(
    gate: Gate,
    verdict: Literal["passed", "failed", "undecided", "not judged"],
    reason: str | None = None,
) -> GateRecord:
    return GateRecord(
        gate.name,
        gate.expression,
        verdict,
        reason,
        threshold=gate.threshold,
        tolerance=gate.tolerance,
    )
