"""How far a run is, for its live line."""

from __future__ import annotations

import time

from pytest_modeleval.models.status import Status
from pytest_modeleval.tally import SampleReport
from pytest_modeleval.time_left import TimeLeft


class Counts:
    """Of a run's samples. Those that an earlier process had finished are kept, and take no time, as
    do those whose replies are in the cache: neither tells how fast the model is."""

    def __init__(self, now: float) -> None:
        self.status = Status()
        self.planned = 0
        self.done = 0
        self.tokens = 0
        self.looked = 0.0
        self._created = now
        self._began: float | None = None
        self._kept = 0
        self._reported = 0
        self._instant = 0
        self._lost = 0
        self._time_left: TimeLeft | None = None

    def add(self, sample: SampleReport, duration: float) -> None:
        """A sample has been reported; its body took so many seconds."""
        if sample.kept:
            self._kept += 1
        elif not sample.was_run:
            self._lost += 1
        else:
            self._reported += 1
            self._add_run(sample, duration)

    def _add_run(self, sample: SampleReport, duration: float) -> None:
        calls = [call for result in sample.results for call in result.calls]
        asked = [call for call in calls if not call.cached]
        if calls and not asked:
            self._instant += 1
            return
        if self._began is None:
            now = time.monotonic()
            self._began = min(now, max(self._created, now - (time.time() - sample.started)))
            self._time_left = TimeLeft(self._began)
        if self._time_left is not None:
            self._time_left.took(duration)
        self.tokens += sum(call.usage.get("completion_tokens") or 0 for call in asked)

    def look(self, now: float, status: Status, planned: int, kept: int) -> None:
        """Bring it up to date. `kept` samples in all were finished before."""
        self.looked = now
        self.status = status
        self.planned = planned
        run = max(self._reported, status.ended)
        self.done = min(planned, self._kept + run)
        if self._time_left is not None:
            answered = run - max(self._instant, status.instant)
            left = max(0, planned - run - max(kept, self._kept) - self._lost)
            self._time_left.update(now, answered, left, min(left, status.running))

    @property
    def seconds_left(self) -> float | None:
        return None if self._time_left is None else self._time_left.seconds

    def rate(self, now: float) -> float:
        """Samples that the model answered, for each second of late."""
        if self._time_left is not None and (rate := self._time_left.rate):
            return rate
        return self.done / max(now - self._created, 1e-3)

    def tokens_per_second(self, now: float) -> float:
        """Over the whole run."""
        return self.tokens / max(now - (self._began or self._created), 1e-3)
