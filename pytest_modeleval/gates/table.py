"""The values that gates are judged on: one row a planned sample, filled in as samples arrive."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pytest_modeleval.gates.derived import CONFIDENCE, OfEpochs, of_epochs
from pytest_modeleval.gates.gate import SliceValue
from pytest_modeleval.results.record import Outcome
from pytest_modeleval.statistics.repeats import Moments, Spread, spread
from pytest_modeleval.statistics.summary import metric_range


class Bounds(NamedTuple):
    """A metric over some samples: what is known, and how low and high what is not may fall.

    `low` and `high` have one value a sample; they are one list where nothing is unknown. The
    counts are of samples.
    """

    low: list[float]
    high: list[float]
    errored: int
    not_run: int
    not_recorded: int


class Table:
    """A benchmark's planned samples with one model.

    A row's value is the mean over its epochs. `accuracy` is made from the outcomes.

    Args:
        samples: how many are planned.
        epochs: how many of each.
        columns: the samples' metadata that gates slice by, in the order of the rows; None where
            a sample has no such field.
        clusters: which samples belong together, in the order of the rows; None where each is on
            its own.
    """

    def __init__(
        self,
        samples: int,
        *,
        epochs: int = 1,
        columns: Mapping[str, Sequence[SliceValue | None]] | None = None,
        clusters: Sequence[int] | None = None,
    ) -> None:
        self.samples = samples
        self.epochs = epochs
        self.columns = columns or {}
        self.clusters = clusters
        self._right = self._counts()
        self._wrong = self._counts()
        self._error = self._counts()
        self._skipped = self._counts()
        self._of = {
            "right": self._right,
            "wrong": self._wrong,
            "error": self._error,
            "skipped": self._skipped,
        }
        self._sums: dict[str, array[float]] = {}
        self._firsts: dict[str, tuple[int, int]] = {}
        self._squares: dict[str, array[float]] = {}
        self._recorded: dict[str, array[int]] = {}

    def record(self, row: int, outcome: Outcome, scores: Mapping[str, float]) -> None:
        """Take in one epoch of one sample, once.

        The scores of an epoch that errored are left out: they are of half an answer. Values that
        are not finite count as not recorded.
        """
        if outcome == "not_run":
            return
        self._of[outcome][row] += 1
        if outcome != "right" and outcome != "wrong":
            return
        if CONFIDENCE in scores and "brier" not in scores:
            scores = {**scores, "brier": (scores[CONFIDENCE] - (outcome == "right")) ** 2}
        for place, (name, value) in enumerate(scores.items()):
            if not math.isfinite(value) or name == "accuracy":
                continue
            if name not in self._sums:
                self._sums[name] = array("d", bytes(8 * self.samples))
                self._recorded[name] = self._counts()
                self._firsts[name] = (row, place)
            elif row < self._firsts[name][0]:
                self._firsts[name] = (row, place)
            self._sums[name][row] += value
            self._recorded[name][row] += 1
            if self.epochs > 1:
                self._squares.setdefault(name, array("d", bytes(8 * self.samples)))
                self._squares[name][row] += value * value

    @property
    def metrics(self) -> list[str]:
        """`accuracy`, and every metric that a sample recorded, in the order of the rows."""
        return ["accuracy", *sorted(self._sums, key=self._firsts.__getitem__)]

    def values(self, metric: str) -> array[float]:
        """The metric of each planned sample, NaN where it has none.

        An errored epoch counts 0 in accuracy; skipped and not-run ones are left out.
        """
        if (combined := of_epochs(metric)) is not None:
            return array("d", [self._combined(combined, row) for row in range(self.samples)])
        if metric == "accuracy":
            outcomes = zip(self._right, self._wrong, self._error, strict=True)
            return array(
                "d",
                [
                    right / count if (count := right + wrong + error) else math.nan
                    for right, wrong, error in outcomes
                ],
            )
        recorded = zip(self._sums[metric], self._recorded[metric], strict=True)
        return array("d", [total / count if count else math.nan for total, count in recorded])

    def _combined(self, combined: OfEpochs, row: int) -> float:
        """What the sample's epochs come to; NaN where there are too few of them."""
        right = self._right[row]
        epochs = right + self._wrong[row] + self._error[row]
        try:
            return combined(right, epochs) if epochs else math.nan
        except ValueError:
            return math.nan

    def spread(self, metric: str) -> Spread | None:
        """The variance of a recorded metric between and within samples; None for one epoch."""
        if self.epochs == 1 or of_epochs(metric) is not None:
            return None
        if metric == "accuracy":
            outcomes = zip(self._right, self._wrong, self._error, strict=True)
            return spread(Moments(sum(each), each[0], each[0]) for each in outcomes)
        rows = zip(self._recorded[metric], self._sums[metric], self._squares[metric], strict=True)
        return spread(Moments(*each) for each in rows)

    def was_skipped(self, row: int) -> bool:
        """Whether every epoch of the sample was skipped."""
        return self._skipped[row] >= self.epochs

    def bounds(self, metric: str, rows: Sequence[int]) -> Bounds:
        """How low and high the metric may be on each of the rows that were not skipped.

        A value that is missing (errored, not run, or not recorded by the body) may be anything in
        the metric's range.
        """
        if (combined := of_epochs(metric)) is not None:
            return self._combined_bounds(combined, rows)
        least, greatest = metric_range(metric)
        accuracy = metric == "accuracy"
        sums = self._right if accuracy else self._sums[metric]
        low: list[float] = []
        high: list[float] = []
        errored = not_run = not_recorded = 0
        for row in rows:
            planned = self.epochs - self._skipped[row]
            if not planned:
                continue
            answered = self._right[row] + self._wrong[row]
            missing = planned - (answered if accuracy else self._recorded[metric][row])
            if not missing:
                low.append(sums[row] / planned)
                high.append(low[-1])
                continue
            low.append((sums[row] + missing * least) / planned)
            high.append((sums[row] + missing * greatest) / planned)
            if self._error[row]:
                errored += 1
            elif planned > answered:
                not_run += 1
            else:
                not_recorded += 1
        unknown = errored + not_run + not_recorded
        return Bounds(low, high if unknown else low, errored, not_run, not_recorded)

    def _combined_bounds(self, combined: OfEpochs, rows: Sequence[int]) -> Bounds:
        low: list[float] = []
        high: list[float] = []
        errored = not_run = 0
        for row in rows:
            planned = self.epochs - self._skipped[row]
            if not planned:
                continue
            right = self._right[row]
            missing = planned - right - self._wrong[row]
            try:
                low.append(combined(right, planned))
                high.append(combined(right + missing, planned))
            except ValueError:  # fewer epochs than it speaks of: the others were skipped
                low.append(0.0)
                high.append(1.0)
            if missing:
                errored += bool(self._error[row])
                not_run += not self._error[row]
        return Bounds(low, high if low != high else low, errored, not_run, 0)

    def _counts(self) -> array[int]:
        return array("H", bytes(2 * self.samples))
