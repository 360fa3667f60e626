"""What a person sees: a live line while samples run, and a table when they are done."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from pytest_modeleval.results.record import BenchmarkResult, GateRecord, Metric
from pytest_modeleval.scoreboard import Scoreboard
from pytest_modeleval.statistics.intervals import wilson_interval

EVERY_ON_TERMINAL = 0.1
EVERY_IN_LOG = 30.0
MARKS = {"passed": "✓", "failed": "✗", "undecided": "?", "not judged": "-"}
COLOURS = {"passed": "green", "failed": "red", "undecided": "yellow", "not judged": "purple"}


class Progress:
    """One line that is rewritten on a terminal; in a log, a line every half minute."""

    def __init__(self, terminal: Any, scoreboard: Scoreboard) -> None:
        self._terminal = terminal
        self._scoreboard = scoreboard
        self._live = terminal.isatty and terminal.verbosity == 0 and not terminal.no_header
        self.verbose = not self._live
        self._every = EVERY_ON_TERMINAL if self._live else EVERY_IN_LOG
        self._started = self._shown = time.monotonic()
        self._width = 0

    def update(self) -> None:
        """A sample has come in."""
        now = time.monotonic()
        if now - self._shown < self._every or self._terminal.verbosity < 0:
            return
        self._shown = now
        self._write(self._line(now))

    def end(self) -> None:
        """Wipe the live line away."""
        if self._live and self._width:
            self._terminal.rewrite("", erase=True)
            self._terminal.rewrite("")
            self._terminal.currentfspath = None

    def _write(self, line: str) -> None:
        if not self._live:
            self._terminal.write_line(line)
            return
        if not self._width:
            self._terminal.ensure_newline()
        self._width = len(line)
        self._terminal.rewrite(line[: self._terminal._tw.fullwidth - 1], erase=True)

    def _line(self, now: float) -> str:
        tallies = list(self._scoreboard.tallies)
        done = sum(tally.done for tally in tallies)
        planned = sum(tally.plan.selected for tally in tallies)
        seconds = now - self._started
        rate = done / seconds if seconds else 0.0
        right = sum(tally.counts["right"] for tally in tallies)
        judged = done - sum(tally.counts["skipped"] for tally in tallies)
        tokens = sum(tally.usage.get("completion_tokens", 0) for tally in tallies)
        parts = [f"{done}/{planned} samples", f"{rate:.0f}/s"]
        if tokens:
            parts.append(f"{tokens / seconds:.0f} tokens/s")
        if judged:
            lower, upper, *_ = wilson_interval(right, judged, 0.95)
            parts.append(f"right {right / judged:.3f} [{lower:.3f}, {upper:.3f}]")
        if rate and planned > done:
            parts.append(f"{duration((planned - done) / rate)} left")
        return "  ".join(parts)


def show_results(terminal: Any, scoreboard: Scoreboard) -> None:
    """The closing tables: samples and metrics, then gates, then where the files are."""
    result = scoreboard.result
    assert result is not None
    terminal.write_sep("=", "benchmarks")
    for benchmark in result.benchmarks:
        _show_benchmark(terminal, benchmark)
    if scoreboard.files is not None:
        terminal.write_line("")
        for path in scoreboard.files.written:
            terminal.write_line(f"  {path}")
    terminal.write_line("")
    colour = {"passed": "green", "failed": "red"}.get(result.verdict, "yellow")
    note = "" if result.complete else " (the run is incomplete)"
    terminal.write_line(f"verdict: {result.verdict}{note}", **{colour: True}, bold=True)


def _show_benchmark(terminal: Any, benchmark: BenchmarkResult) -> None:
    terminal.write_line("")
    terminal.write(benchmark.name, bold=True)
    terminal.write(f"  {benchmark.model}\n", cyan=True)
    terminal.write_line(f"  {counts(benchmark)}")
    rows = list(_metric_rows(benchmark))
    widths = [max(len(row[column]) for row in rows) for column in range(4)] if rows else []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:]))]
        terminal.write_line("    " + "  ".join(cells))
    for gate in benchmark.gates:
        terminal.write(f"    {MARKS[gate.verdict]} ", **{COLOURS[gate.verdict]: True})
        terminal.write(gate.expression, bold=True)
        terminal.write_line(f"  {gate_outcome(gate)}")


def counts(benchmark: BenchmarkResult) -> str:
    """How many samples there were, and what became of them; the denominator always stands there."""
    samples = benchmark.samples
    judged = samples["right"] + samples["wrong"] + samples["error"]
    parts = [f"{samples['right']} right", f"{samples['wrong']} wrong", f"{samples['error']} error"]
    parts += [
        f"{samples[name]} {name.replace('_', ' ')}"
        for name in ("skipped", "not_run", "deselected")
        if samples.get(name)
    ]
    seconds = benchmark.timing.get("duration_s")
    took = f"  in {duration(seconds)}" if seconds else ""
    return f"{', '.join(parts)}  of {judged}{took}"


def _metric_rows(benchmark: BenchmarkResult) -> Iterator[tuple[str, str, str, str]]:
    for name, metric in benchmark.metrics.items():
        yield name, number(metric.value), interval(metric), f"n={metric.n}"


def interval(metric: Metric) -> str:
    if metric.lower is None or metric.upper is None:
        return ""
    return f"[{number(metric.lower)}, {number(metric.upper)}]"


def gate_outcome(gate: GateRecord) -> str:
    """The margin of a gate that was decided, else why it was not."""
    if gate.verdict in ("undecided", "not judged"):
        return f"{gate.verdict}: {gate.reason}"
    if gate.slack is None:
        return f"{gate.verdict}"
    side = "to spare" if gate.slack >= 0 else "short"
    return f"{gate.verdict}, {number(abs(gate.slack))} {side}"


def number(value: float) -> str:
    """Three or four digits that matter."""
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.4f}" if abs(value) < 10 else f"{value:.1f}"


def duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"
