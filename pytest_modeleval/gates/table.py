"""The values that gates are judged on: one row a planned sample, filled in as samples arrive."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pytest_modeleval.gates.gate import SliceValue
from pytest_modeleval.results.record import Outcome
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
    """

    def __init__(
        self,
        samples: int,
        *,
        epochs: int = 1,
        columns: Mapping[str, Sequence[SliceValue | None]] | None = None,
    ) -> None:
        self.samples = samples
        self.epochs = epochs
        self.columns = columns or {}
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
        for name, value in scores.items():
            if not math.isfinite(value) or name == "accuracy":
                continue
            if name not in self._sums:
                self._sums[name] = array("d", bytes(8 * self.samples))
                self._recorded[name] = self._counts()
            self._sums[name][row] += value
            self._recorded[name][row] += 1

    @property
    def metrics(self) -> list[str]:
        """`accuracy`, and every metric that a sample recorded."""
        return ["accuracy", *self._sums]

    def values(self, metric: str) -> array[float]:
        """The metric of each planned sample, NaN where it has none.

        An errored epoch counts 0 in accuracy; skipped and not-run ones are left out.
        """
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

    def bounds(self, metric: str, rows: Sequence[int]) -> Bounds:
        """How low and high the metric may be on each of the rows that were not skipped.

        A value that is missing (errored, not run, or not recorded by the body) may be anything in
        the metric's range.
        """
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

    def _counts(self) -> array[int]:
        return array("H", bytes(2 * self.samples))
