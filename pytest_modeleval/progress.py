"""The live line while samples run."""

from __future__ import annotations

import time
from typing import Any

from pytest_modeleval.scoreboard import Scoreboard
from pytest_modeleval.statistics.intervals import wilson_interval
from pytest_modeleval.terminal import duration

EVERY_ON_TERMINAL = 0.1
EVERY_IN_LOG = 30.0


class Progress:
    """One line that is rewritten on a terminal, in place of a dot for each sample; in a log, a
    line every half minute. `verbose` says that samples are shown one by one as well."""

    def __init__(self, terminal: Any, scoreboard: Scoreboard) -> None:
        self._terminal = terminal
        self._scoreboard = scoreboard
        self._live = terminal.isatty and terminal.verbosity == 0 and not terminal.no_header
        self.verbose = not self._live
        self._every = EVERY_ON_TERMINAL if self._live else EVERY_IN_LOG
        self._started = time.monotonic()
        self._shown = self._started if not self._live else 0.0
        self._written = False

    def update(self) -> None:
        """A sample has come in."""
        now = time.monotonic()
        if now - self._shown < self._every or self._terminal.verbosity < 0:
            return
        self._shown = now
        line = self.line(now)
        if not self._live:
            self._terminal.write_line(line)
            return
        if not self._written:
            self._terminal.ensure_newline()
            self._written = True
        self._terminal.rewrite(line[: self._terminal._tw.fullwidth - 1], erase=True)

    def end(self) -> None:
        """Wipe the live line away."""
        if self._written:
            self._terminal.rewrite("", erase=True)
            self._terminal.rewrite("")
            self._terminal.currentfspath = None

    def line(self, now: float) -> str:
        tallies = list(self._scoreboard.tallies)
        done = sum(tally.done for tally in tallies)
        planned = sum(tally.plan.selected for tally in tallies)
        seconds = max(now - self._started, 1e-3)
        rate = done / seconds
        right = sum(tally.counts["right"] for tally in tallies)
        judged = done - sum(tally.counts["skipped"] for tally in tallies)
        tokens = sum(tally.usage.get("completion_tokens", 0) for tally in tallies)
        parts = [f"{done}/{planned} samples", f"{rate:.0f}/s" if rate >= 10 else f"{rate:.1f}/s"]
        if tokens:
            parts.append(f"{tokens / seconds:.0f} tokens/s")
        if judged:
            lower, upper, *_ = wilson_interval(right, judged, 0.95)
            parts.append(f"right {right / judged:.3f} [{lower:.3f}, {upper:.3f}]")
        if planned > done:
            parts.append(f"{duration((planned - done) / rate)} left")
        return "  ".join(parts)
