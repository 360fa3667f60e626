"""Stopping a benchmark as soon as its gates are decided.

Samples run in a random order that is the same each time, and are looked at in that order, however
they arrive: so every run stops at the same sample. Looking after each of them does not make gates
wrong more often than they say, since they are tested by betting (`statistics.sequential`).
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from typing import Any

from pytest_modeleval.gates.evaluation import rows_of
from pytest_modeleval.gates.gate import Gate
from pytest_modeleval.gates.reference import Reference
from pytest_modeleval.gates.regression import ALPHA, COMMON
from pytest_modeleval.gates.table import Table
from pytest_modeleval.results.record import GateRecord
from pytest_modeleval.statistics.sequential import FiniteMean, PairedDrop
from pytest_modeleval.statistics.summary import metric_range


def sample_order(n: int, seed: str) -> list[int]:
    """The places of n samples in the order in which they run: the same on every machine."""
    order = list(range(n))
    random.Random(seed).shuffle(order)
    return order


class EarlyStop:
    """The sequential tests of a benchmark's gates. `used` samples were looked at; `stopped` says
    that they were enough.

    `family` is how many gates "no worse than the baseline" share the chance of a false alarm.
    """

    def __init__(
        self,
        gates: Sequence[Gate],
        table: Table,
        reference: Reference | None,
        *,
        seed: str,
        family: int = 1,
    ) -> None:
        self._table = table
        alpha = ALPHA / max(1, family)
        self._tests = {gate.name: _test_of(gate, table, reference, alpha) for gate in gates}
        self._order = sample_order(table.samples, seed)
        self._next = 0
        self._held: dict[int, Any] = {}
        self._valid = True
        self.used = 0
        self.stopped = False

    def put(self, place: int, arrived: Any) -> Iterator[Any]:
        """What is due now, in the order of the run. Each is looked at once it has been taken into
        the table; what comes after enough is dropped."""
        self._held[place] = arrived
        while not self.stopped and self._next < len(self._order):
            due = self._order[self._next]
            if due not in self._held:
                return
            self._next += 1
            yield self._held.pop(due)
            self._look(due)

    def rest(self) -> list[Any]:
        """What is still held though the run is over, since something before it never came."""
        left = [] if self.stopped else [self._held[place] for place in sorted(self._held)]
        self._held.clear()
        return left

    def _look(self, place: int) -> None:
        self.used += 1
        if self._table.was_skipped(place):
            self._valid = False  # the tests rest on how many samples there are
        for test in self._tests.values():
            if test is not None:
                test.look(place, self._table)
        self.stopped = (
            self._valid
            and bool(self._tests)
            and self.used < self._table.samples
            and all(test is not None and test.decision for test in self._tests.values())
        )

    def record(self, gate: Gate) -> GateRecord | None:
        """The gate's record; None where it is to be judged as ever, on all samples."""
        test = self._tests.get(gate.name)
        if test is None or not self._valid:
            return None
        if not test.decision and (isinstance(test, _Mean) or self.used < self._table.samples):
            return None
        record = GateRecord(
            gate.name,
            gate.expression,
            "undecided",
            threshold=gate.threshold,
            tolerance=gate.tolerance,
        )
        test.fill_in(record, self.used)
        return record

    def accuracy_interval(self) -> tuple[float | None, float | None]:
        """That of the accuracy over all planned samples, valid though the run was stopped; None
        where no gate asks for it."""
        for test in self._tests.values():
            if isinstance(test, _Mean) and str(test.gate.term) == "accuracy":
                record = GateRecord("", "", "undecided")
                test.fill_in(record, self.used)
                return record.lower, record.upper
        return None, None


class _Mean:
    """Is the mean over all planned samples (of a slice) on the right side of the threshold?"""

    def __init__(self, gate: Gate, rows: Sequence[int], threshold: float) -> None:
        self.gate = gate
        self._rows = frozenset(rows)
        self._turned = gate.comparison[0] == "<"
        strict = 1e-7 if gate.comparison in (">", "<") else 0.0
        level = 1 - threshold if self._turned else threshold
        self._test = FiniteMean(len(rows), min(1.0, level + strict), alpha=ALPHA, beta=ALPHA)
        self._low: list[float] = []
        self._high: list[float] = []

    @property
    def decision(self) -> str | None:
        return self._test.decision

    def look(self, place: int, table: Table) -> None:
        if place not in self._rows:
            return
        bounds = table.bounds(self.gate.term.metric, [place])
        if not bounds.low:
            return
        low, high = bounds.low[0], bounds.high[0]
        if self._turned:
            low, high = 1 - high, 1 - low
        self._low.append(low)
        self._high.append(high)
        self._test.add(low, high)

    def fill_in(self, record: GateRecord, used: int) -> None:
        value = math.fsum(self._low) / len(self._low) if self._low else 0.0
        lower, upper = self._test.interval(self._low, self._high)
        if self._turned:
            value, lower, upper = 1 - value, 1 - upper, 1 - lower
        record.value, record.lower, record.upper = value, lower, upper
        threshold = self.gate.threshold or 0.0
        record.slack = threshold - value if self._turned else value - threshold
        record.alpha = ALPHA
        how = "certain" if self._test.certain else "betting without replacement"
        record.method = f"{how}, {len(self._low)} of {len(self._rows)} samples"
        record.verdict = "passed" if self._test.decision == "above" else "failed"
        if record.verdict == "failed":
            record.reason = f"{self.gate.term} is {value:.6g} after {len(self._low)} samples"


class _Drop:
    """Did the paired samples drop by more than the margin, on what they were drawn from?"""

    def __init__(self, gate: Gate, rows: Sequence[int], reference: Reference, alpha: float) -> None:
        self.gate = gate
        self._before = reference.values[gate.term.metric]
        self._ids = reference.ids
        self._rows = frozenset(row for row in rows if self._before[row] is not None)
        self._sign = 1.0 if gate.comparison[0] == ">" else -1.0
        self._margin = gate.tolerance or 0.0
        below, above = (alpha, ALPHA) if gate.kind == "regression" else (ALPHA, ALPHA)
        self._test = PairedDrop(self._margin, alpha=below, beta=above)
        self._changes: dict[int, float] = {}
        self._total = 0.0

    @property
    def decision(self) -> str | None:
        return self._test.decision

    def look(self, place: int, table: Table) -> None:
        if place not in self._rows:
            return
        before = self._before[place] or 0.0
        bounds = table.bounds(self.gate.term.metric, [place])
        if not bounds.low:
            return
        ends = sorted(self._sign * (each - before) for each in (bounds.low[0], bounds.high[0]))
        self._total += bounds.low[0]
        self._changes[place] = ends[0]
        self._test.add(ends[0], ends[1])

    def fill_in(self, record: GateRecord, used: int) -> None:
        n = len(self._changes)
        change = math.fsum(self._changes.values()) / n if n else 0.0
        record.value = self._total / n if n else 0.0
        record.difference, record.compared = self._sign * change, n
        record.threshold = record.value - record.difference - self._sign * self._margin
        record.slack, record.alpha = change + self._margin, ALPHA
        lower, upper = self._test.interval(list(self._changes.values()))
        record.lower, record.upper = sorted((self._sign * lower, self._sign * upper))
        better = [place for place, each in self._changes.items() if each > 0]
        worse = [place for place, each in self._changes.items() if each < 0]
        record.better, record.worse = len(better), len(worse)
        record.better_ids = [self._ids[place] for place in sorted(better)[:20]]
        record.worse_ids = [self._ids[place] for place in sorted(worse)[:20]]
        shown = self._test.decision == "below"
        if self.gate.kind == "non_inferior":
            record.p_value = self._test.p_above
            record.verdict = "passed" if self._test.decision == "above" else "failed"
        else:
            record.p_value = self._test.p_below
            record.verdict = "failed" if shown else "passed"
        record.method = f"paired betting, {used} samples"
        if record.verdict == "failed":
            record.reason = f"{self.gate.term} changed by {record.difference:+.4g}"


def _test_of(
    gate: Gate, table: Table, reference: Reference | None, alpha: float
) -> _Mean | _Drop | None:
    """None for what no bets are known for: other statistics than the mean, and metrics without
    bounds. Clusters leave a threshold alone, since it speaks of these samples only; what samples
    were drawn from is another matter."""
    term = gate.term
    least, greatest = metric_range(term.metric)
    if term.column is not None and term.column not in table.columns:
        return None
    rows = rows_of(term, table)
    plain = term.statistic in (None, "mean") and term.limit is None
    if not plain or (least, greatest) != (0.0, 1.0) or not rows or "ece" in term.metric:
        return None
    if gate.kind == "threshold":
        return _Mean(gate, rows, gate.threshold or 0.0)
    known = reference.values.get(term.metric) if reference else None
    if reference is None or known is None or reference.problem or table.clusters is not None:
        return None
    common = sum(known[row] is not None for row in rows)
    if common < COMMON * len(rows) or abs(gate.tolerance or 0.0) >= 1:
        return None
    return _Drop(gate, rows, reference, alpha)
