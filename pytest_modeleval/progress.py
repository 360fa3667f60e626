"""The live line while samples run."""

from __future__ import annotations

import time
from typing import Any

from pytest_modeleval.scoreboard import Scoreboard
from pytest_modeleval.statistics.intervals import wilson_interval
from pytest_modeleval.terminal import duration

EVERY_ON_TERMINAL = 0.1
EVERY_IN_LOG = 30.0


def status(report: Any, *, letters: bool) -> tuple[str, str, Any] | None:
    """The category, letter and word of one of our reports, as pytest_report_teststatus gives them;
    None leaves it to pytest. Without `letters` a sample is counted and listed, but not shown as it
    comes."""
    outcome = getattr(report, "modeleval_outcome", None)
    ours = outcome is not None or hasattr(report, "modeleval_gate")
    found: tuple[str, str, Any] | None = None
    if hasattr(report, "wasxfail"):
        if ours and not letters and report.skipped:
            return "xfailed", "", "XFAIL"
    elif outcome == "right" and report.passed:
        found = "passed", ".", "RIGHT"
    elif outcome == "wrong" and report.passed:
        found = "wrong", "w", ("WRONG", {"yellow": True})
    elif outcome == "error" and report.passed:
        found = "errored", "e", ("ERRORED", {"red": True})
    elif outcome == "not_run":
        found = "not run", "n", ("NOT RUN", {"yellow": True})
    elif ours and not letters and (report.when == "call" or not report.passed):
        category = "error" if report.failed and report.when != "call" else report.outcome
        found = category, "", category.upper()
    return found if letters or found is None else (found[0], "", found[2])


class Progress:
    """One line that is rewritten on a terminal, in place of a letter for each sample; in a log, a
    line every half minute. `letters` says that each sample has its letter as well."""

    def __init__(self, terminal: Any, scoreboard: Scoreboard) -> None:
        self._terminal = terminal
        self._scoreboard = scoreboard
        self._live = terminal.isatty and terminal.verbosity == 0 and not terminal.no_header
        self.letters = not self._live
        self._every = EVERY_ON_TERMINAL if self._live else EVERY_IN_LOG
        self._started = time.monotonic()
        self._shown = self._started if not self._live else 0.0
        self._written = False
        self._shows_files = terminal.showfspath
        if self._live:
            terminal._show_progress_info = False  # it would be written into the line

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
            if self._terminal._tw.width_of_current_line:
                self._terminal._tw.line()
            self._written = True
        self._terminal.rewrite(line[: self._terminal._tw.fullwidth - 1], erase=True)

    def take_turn(self) -> None:
        """One of our items comes: the line stands in place of its file's name."""
        if self._live:
            self._terminal.showfspath = False

    def give_way(self) -> None:
        """Something else is about to be shown: wipe the line away."""
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
        if errors := self._scoreboard.errors:
            parts.append(f"{errors} error{'s' if errors > 1 else ''}")
        if planned > done:
            parts.append(f"{duration((planned - done) / rate)} left")
        return "  ".join(parts)
