"""The live line while samples run."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from pytest_modeleval.models.status import Status
from pytest_modeleval.plain_text import one_line
from pytest_modeleval.progress_counts import Counts
from pytest_modeleval.results.cost import dollars
from pytest_modeleval.scoreboard import Scoreboard
from pytest_modeleval.statistics.intervals import wilson_interval
from pytest_modeleval.tally import SampleReport
from pytest_modeleval.terminal import duration

EVERY_ON_TERMINAL = 0.1
"""Seconds from one line to the next."""

EVERY_IN_LOG = 30.0
SHARE_IN_LOG = 0.05
LONGEST_IN_LOG = 300.0
"""In a log, so many seconds at least, and then as soon as such a share of the samples is done, or
after so many seconds at most."""

EVERY_ESTIMATE = 0.5
"""Seconds from one look at how much is done to the next."""


class Progress:
    """One line that is rewritten on a terminal, in place of a letter for each sample; in a log, a
    line now and then. `letters` says that each sample has its letter as well. `status` is asked how
    the run's processes are doing."""

    def __init__(self, terminal: Any, scoreboard: Scoreboard, status: Callable[[], Status]) -> None:
        self._terminal = terminal
        self._scoreboard = scoreboard
        self._status = status
        self._live = terminal.isatty and terminal.verbosity == 0 and not terminal.no_header
        self.letters = not self._live
        self._shown = time.monotonic() if not self._live else 0.0
        self._shown_done = 0
        self._counts = Counts(time.monotonic())
        self._written = False
        self._shows_files = terminal.showfspath
        self._flush = terminal.flush
        self._flushed = 0.0
        if self._live:
            terminal._show_progress_info = False  # it would be written into the line

    def take(self, sample: SampleReport, duration: float) -> None:
        """A sample has come in; its body took so many seconds."""
        self._counts.add(sample, duration)
        self.update()

    def update(self) -> None:
        """Time has passed."""
        now = time.monotonic()
        if now - self._flushed >= EVERY_ON_TERMINAL:
            self._flushed = now
            self._flush()
        counts = self._counts
        due = self._is_due(now) and self._terminal.verbosity >= 0
        if due or now - counts.looked >= EVERY_ESTIMATE:
            counts.look(now, self._status(), *self._scoreboard.expected)
        if not due:
            return
        self._shown, self._shown_done = now, counts.done
        if self._live:
            self._rewrite(self.line(now))
        else:
            self._begin_line()
            self._terminal.write_line(self.line(now))

    def _is_due(self, now: float) -> bool:
        passed = now - self._shown
        if self._live:
            return passed >= EVERY_ON_TERMINAL
        further = self._counts.done - self._shown_done >= SHARE_IN_LOG * self._counts.planned
        return passed >= (EVERY_IN_LOG if further else LONGEST_IN_LOG)

    def _rewrite(self, line: str) -> None:
        if not self._written:
            self._begin_line()
            self._written = True
        self._terminal.rewrite(line[: self._terminal._tw.fullwidth - 1], erase=True)

    def _begin_line(self) -> None:
        self._terminal.ensure_newline()
        if self._terminal._tw.width_of_current_line:  # dots of tests that stand for no file
            self._terminal._tw.line()

    def take_turn(self) -> None:
        """One of our items comes: the line stands in place of its file's name, and its letter is
        shown with those of others. pytest would flush after each one, which costs a system call,
        and the interpreter, which the model's threads then take."""
        self._terminal.flush = _later
        if self._live:
            self._terminal.showfspath = False

    def give_way(self) -> None:
        """Something else is about to be shown: wipe the line away."""
        self._terminal.flush = self._flush
        self._flush()
        if self._written:
            self._terminal.rewrite("", erase=True)
            self._terminal.rewrite("")
            self._terminal.currentfspath = None
            self._written = False
            self._shown = 0.0
        if self._live:
            self._terminal.showfspath = self._shows_files

    end = give_way

    def line(self, now: float) -> str:
        """What matters most comes first: a narrow terminal shows no more."""
        counts, status = self._counts, self._counts.status
        tallies = list(self._scoreboard.tallies)
        parts = [f"{counts.done}/{counts.planned} samples"]
        if status.away_s:
            parts.append(f"server away for {duration(status.away_s)}, probing")
        if self._scoreboard.stopped:
            parts.append(f"stopping: {one_line(self._scoreboard.stopped)}")
        if rate := counts.rate(now):
            parts.append(f"{rate:.0f}/s" if rate >= 10 else f"{rate:.1f}/s")
        if (left := counts.seconds_left) is not None and counts.done < counts.planned:
            parts.append(f"{duration(left)} left")
        right = sum(tally.counts["right"] for tally in tallies)
        judged = sum(tally.done - tally.counts["skipped"] for tally in tallies)
        if judged:
            lower, upper, *_ = wilson_interval(right, judged, 0.95)
            parts.append(f"right {right / judged:.3f} [{lower:.3f}, {upper:.3f}]")
        if errors := self._scoreboard.errors:
            parts.append(f"{errors} error{'s' if errors > 1 else ''}")
        costs = [tally.spending.cost for tally in tallies if tally.spending.cost is not None]
        if costs:
            parts.append(dollars(sum(costs)))
        if counts.tokens:
            parts.append(f"{counts.tokens_per_second(now):.0f} tokens/s")
        if status.limit:
            parts.append(f"{status.in_flight} of {status.limit} in flight")
        if status.retries:
            parts.append(f"{status.retries} retr{'ies' if status.retries > 1 else 'y'}")
        return "  ".join(parts)


def _later() -> None:
    """`update` does it."""
