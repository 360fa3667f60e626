"""Gates against a baseline: the same questions, answered twice, compared one by one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_modeleval.gates.gate import Gate, Term, number
from pytest_modeleval.gates.reference import Reference
from pytest_modeleval.gates.table import Table
from pytest_modeleval.results.record import GateRecord
from pytest_modeleval.statistics.paired import (
    PairedTest,
    bootstrap_drop,
    drop_excluded,
    drop_shown,
)
from pytest_modeleval.statistics.summary import QUANTITIES, metric_range

ALPHA = 0.05
"""One-sided: how often a gate fails where nothing got worse, or passes where too much did."""

COMMON = 0.9
"""The share of the samples that must be in the baseline, unchanged."""


POWER = 1.512
"""(z(0.95) + z(0.8)) / z(0.95): a drop of so many half intervals is shown four times in five."""

LISTED = 20
"""So many of the samples that got better, and of those that got worse, are named."""


@dataclass(slots=True)
class _Pairs:
    """The samples that both runs have: their rows, the baseline's values, and the lowest and
    highest that the run's values may be."""

    rows: list[int]
    before: list[float]
    low: list[float]
    high: list[float]
    unknown: int


def judge_against(
    gate: Gate, table: Table, rows: Sequence[int], reference: Reference | None, record: GateRecord
) -> GateRecord:
    """Fill in the verdict of a gate against a baseline.

    A gate passes or fails only if it would whatever the missing values were. `metric >= baseline -
    m` fails where a drop beyond m is shown; `non_inferior` passes where one is excluded.
    """
    if reference is None:
        return _undecided(
            record,
            "there is no baseline: name a run with --baseline, or write one with --baseline-update",
        )
    if reference.problem:
        return _undecided(record, reference.problem)
    pairs = _pairs(gate.term, table, rows, reference)
    expected = sum(not table.was_skipped(row) for row in rows)
    if not pairs.rows or len(pairs.rows) < COMMON * expected:
        what = reference.difference or f"{gate.term.metric} is not in it"
        return _undecided(
            record,
            f"only {len(pairs.rows)} of {expected} samples are in the baseline "
            f"{reference.source} as they are now, and {COMMON:.0%} are needed: {what}",
        )
    return _compared(gate, table, pairs, reference, record)


def _compared(
    gate: Gate, table: Table, pairs: _Pairs, reference: Reference, record: GateRecord
) -> GateRecord:
    ends = [pairs.low] if not pairs.unknown else [pairs.low, pairs.high]
    if any(not math.isfinite(value) for end in ends for value in end):
        return _undecided(
            record, f"{pairs.unknown} of {len(pairs.rows)} samples have no {gate.term.metric}"
        )
    if len(pairs.rows) < 2:
        return _undecided(record, "one sample is too few to compare")
    tests = [_test(gate, table, pairs, end) for end in ends]
    sign = _sign(gate)
    first = tests[0]
    record.compared = len(pairs.rows)
    better, worse = _changed(pairs, sign)
    record.better, record.worse = len(better), len(worse)
    record.better_ids = [reference.ids[row] for row in better[:LISTED]]
    record.worse_ids = [reference.ids[row] for row in worse[:LISTED]]
    if pairs.unknown:
        holds = {_holds(gate, test) for test in tests}
        if len(holds) > 1:
            return _undecided(
                record,
                f"{pairs.unknown} of {len(pairs.rows)} samples have no answer, and they could "
                "turn it",
            )
        first = max(tests, key=lambda test: test.p_value)
    before = _statistic(gate.term, pairs.before)
    margin = gate.tolerance or 0.0
    record.difference = sign * first.difference
    record.lower, record.upper = sorted((sign * first.lower, sign * first.upper))
    record.value = before + record.difference
    record.threshold = before - sign * margin
    record.slack = first.difference + margin
    record.detectable = margin + POWER * (first.upper - first.lower) / 2
    record.method, record.alpha, record.p_value = first.method, ALPHA, first.p_value
    record.verdict = "passed" if _holds(gate, first) else "failed"
    if record.verdict == "failed":
        record.reason = _reason(gate, first, sign)
    return record


def _changed(pairs: _Pairs, sign: float) -> tuple[list[int], list[int]]:
    """The rows that got better, and those that got worse; what is unknown is neither."""
    better: list[int] = []
    worse: list[int] = []
    for row, before, low, high in zip(pairs.rows, pairs.before, pairs.low, pairs.high):
        if low == high and low != before:
            (better if sign * (low - before) > 0 else worse).append(row)
    return better, worse


def _test(gate: Gate, table: Table, pairs: _Pairs, after: Sequence[float]) -> PairedTest:
    sign = _sign(gate)
    margin = gate.tolerance or 0.0
    clusters = None if table.clusters is None else [table.clusters[row] for row in pairs.rows]
    test = drop_excluded if gate.kind == "non_inferior" else drop_shown
    if gate.term.statistic not in (None, "mean", "sum"):
        return bootstrap_drop(
            [sign * each for each in pairs.before],
            [sign * each for each in after],
            margin,
            quantile=_signed_quantile(gate.term, sign),
            shows="rise" if gate.kind == "non_inferior" else "drop",
            clusters=clusters,
            alpha=ALPHA,
        )
    scale = len(pairs.rows) if gate.term.statistic == "sum" else 1
    binary = gate.term.metric not in QUANTITIES and all(
        value in (0.0, 1.0) for values in (pairs.before, after) for value in values
    )
    found = test(
        [sign * (new - old) for old, new in zip(pairs.before, after)],
        margin / scale,
        binary=binary,
        clusters=clusters,
        alpha=ALPHA,
    )
    return found._replace(
        difference=found.difference * scale, lower=found.lower * scale, upper=found.upper * scale
    )


def _pairs(term: Term, table: Table, rows: Sequence[int], reference: Reference) -> _Pairs:
    before = reference.values.get(term.metric, [])
    found = _Pairs([], [], [], [], 0)
    common = [row for row in rows if before and before[row] is not None]
    common = [row for row in common if not table.was_skipped(row)]
    if term.metric in table.metrics:
        bounds = table.bounds(term.metric, common)
        found.low, found.high = bounds.low, bounds.high
        found.unknown = bounds.errored + bounds.not_run + bounds.not_recorded
    else:
        least, greatest = metric_range(term.metric)
        found.low, found.high = [least] * len(common), [greatest] * len(common)
        found.unknown = len(common)
    found.rows = common
    found.before = [value for row in common if (value := before[row]) is not None]
    return found


def _holds(gate: Gate, test: PairedTest) -> bool:
    significant = test.p_value <= ALPHA
    return significant if gate.kind == "non_inferior" else not significant


def _sign(gate: Gate) -> float:
    """1 where more is better."""
    if gate.kind == "non_inferior":
        return -1.0 if gate.term.metric in QUANTITIES else 1.0
    return 1.0 if gate.comparison[0] == ">" else -1.0


def _signed_quantile(term: Term, sign: float) -> float:
    """Of the values with their sign turned, where less is better."""
    q = 1.0 if term.statistic == "max" else term.quantile or 0.5
    return q if sign > 0 else 1 - q


def _statistic(term: Term, values: Sequence[float]) -> float:
    from pytest_modeleval.statistics.quantiles import quantile

    if term.statistic == "max":
        return max(values)
    if (q := term.quantile) is not None:
        return quantile(values, q)
    total = math.fsum(values)
    return total if term.statistic == "sum" else total / len(values)


def _reason(gate: Gate, test: PairedTest, sign: float) -> str:
    margin = number(gate.tolerance or 0.0)
    change = f"{sign * test.difference:+.4g} (p = {test.p_value:.3g}, {test.method})"
    if gate.kind == "non_inferior":
        return (
            f"a change for the worse by {margin} is not excluded: {gate.term} changed by {change}"
        )
    if gate.tolerance:
        return f"{gate.term} is worse by more than {margin}: it changed by {change}"
    return f"{gate.term} is worse: it changed by {change}"


def _undecided(record: GateRecord, reason: str) -> GateRecord:
    record.verdict, record.reason = "undecided", reason
    return record
