"""What a benchmark's calls to the model under test took, over all its samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_modeleval.gates import Table
from pytest_modeleval.results.record import Call
from pytest_modeleval.statistics.quantiles import quantile

TIMES = ("latency_s", "ttft_s", "tpot_s", "queue_s")
PERCENTILES = (50, 90, 95, 99)


class Performance:
    """Counts calls as they arrive; the times of each sample are in the table of its metrics."""

    def __init__(self) -> None:
        self.sent = 0
        self.cached = 0
        self.retries = 0
        self.tokens = 0
        self._answering_s = 0.0

    def add(self, calls: Sequence[Call]) -> None:
        """Take in the calls of one epoch of a sample."""
        for call in calls:
            if call.role != "model":
                continue
            if call.cached:
                self.cached += 1
                continue
            self.sent += 1
            self.retries += max(0, call.attempts - 1)
            self.tokens += call.usage.get("completion_tokens") or 0
            self._answering_s += call.latency_s or 0.0

    def record(self, table: Table, duration: float) -> dict[str, Any]:
        """The entry of results.json; `duration` is of the benchmark, in seconds.

        The mean number in flight is the time that all requests took together over the time that
        passed (Little 1961).
        """
        return {
            "calls": self.sent,
            "cached": self.cached,
            "retries": self.retries,
            "calls_per_s": self.sent / duration if duration > 0 else None,
            "in_flight": self._answering_s / duration if duration > 0 else None,
            **{name: _percentiles(table, name) for name in TIMES if name in table.metrics},
        }


def _percentiles(table: Table, name: str) -> dict[str, float]:
    known = sorted(value for value in table.values(name) if value == value)
    return {f"p{each}": quantile(known, each / 100) for each in PERCENTILES} if known else {}
