"""What a person sees when samples are done: who was right how often, which gates hold, and where
the files are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pytest_modeleval.gates import comparison
from pytest_modeleval.plain_text import one_line, shown
from pytest_modeleval.results.cost import cost_line, dollars
from pytest_modeleval.results.record import (
    BenchmarkResult,
    GateRecord,
    Metric,
    PackResult,
    RunResult,
)
from pytest_modeleval.scoreboard import Scoreboard

MARKS = {"passed": "✓", "failed": "✗", "undecided": "?", "not judged": "-"}
COLOURS = {"passed": "green", "failed": "red", "undecided": "yellow", "not judged": "purple"}
COUNTS = {
    "right": "green",
    "wrong": "yellow",
    "error": "red",
    "skipped": "yellow",
    "not_run": "yellow",
    "not_needed": "cyan",
    "deselected": "purple",
}
WIDEST_GATE = 44
MOST_FILES = 8


def show_results(terminal: Any, scoreboard: Scoreboard) -> None:
    """The closing tables, the paths of the files, and the verdict."""
    result = scoreboard.result
    assert result is not None
    if set("wA") & set(terminal.config.option.reportchars):
        _show_wrong(terminal)
    if terminal.verbosity > -2:
        terminal.write_sep("=", "benchmarks")
        for tally, benchmark in zip(scoreboard.tallies, result.benchmarks):
            named = {gate.name for gate in tally.gates if gate.named}
            _show_benchmark(terminal, benchmark, named, tally.plan.refusal)
        for pack in result.packs:
            _show_pack(terminal, pack)
        if scoreboard.gpus:
            pinned = ", ".join(f"{worker} {gpus}" for worker, gpus in scoreboard.gpus.items())
            terminal.write_line(f"\nGPUs: {pinned}")
        if cost := cost_line(result):
            terminal.write_line(f"\n{cost}")
        for line in scoreboard.notes:
            terminal.write_line(f"\n{one_line(line, 1000)}")
        if scoreboard.files is not None:
            terminal.write_line("")
            for line in paths(scoreboard.files.written, terminal.config.invocation_params.dir):
                terminal.write_line(f"  {line}")
        terminal.write_line("")
    colour = {"passed": "green", "failed": "red"}.get(result.verdict, "yellow")
    terminal.write_line(f"verdict: {verdict(result)}", **{colour: True}, bold=True)
    if not result.complete and scoreboard.files is not None:
        terminal.write_line(
            f"What is finished is kept: go on with the same command, or --resume {result.run_id}"
        )


def _show_wrong(terminal: Any) -> None:
    """With -rw or -rA: which samples were wrong, and the first line of why."""
    reports = terminal.stats.get("wrong", [])
    if reports:
        terminal.write_sep("=", "wrong samples")
    for report in reports:
        terminal.write("WRONG", yellow=True)
        why = getattr(report, "modeleval_explanation", "")
        terminal.write_line(f" {report.nodeid}{f' - {one_line(why)}' if why else ''}")


def _show_benchmark(
    terminal: Any, benchmark: BenchmarkResult, named: set[str], refusal: str | None
) -> None:
    terminal.write_line("")
    terminal.write(shown(benchmark.name), bold=True)
    terminal.write_line(f"  {shown(benchmark.model)}", cyan=True)
    _show_counts(terminal, benchmark)
    if cached := int(benchmark.saved.get("calls", 0)):
        terminal.write_line(f"  {cached:,} replies from the response cache")
    if not_needed := benchmark.samples.get("not_needed"):
        terminal.write_line(f"  {early_stop(benchmark, not_needed)}", cyan=True)
    if refusal:
        terminal.write_line(f"  {one_line(refusal, 1000)}", yellow=True)
    if benchmark.choose_by:
        terminal.write_line(f"  choices by {benchmark.choose_by}, not by log-likelihood")
    for row in aligned(metric_rows(benchmark)):
        terminal.write_line(f"    {row}")
    _show_gates(terminal, benchmark.gates, named, refusal)


def _show_pack(terminal: Any, pack: PackResult) -> None:
    """The score and what it is made of."""
    terminal.write_line("")
    terminal.write(shown(f"{pack.name} {pack.version}"), bold=True)
    terminal.write_line(f"  {shown(pack.model)}", cyan=True)
    rows = [("score", pack.score, pack.lower, pack.upper, pack.aggregate.replace("_", " "))]
    rows += [
        (task.name, task.value, task.lower, task.upper, f"{task.metric}, n={task.judged}")
        for task in pack.tasks
    ]
    cells = (
        (shown(name), number(value), interval(Metric(value, lower, upper, 0)), shown(of))
        for name, value, lower, upper, of in rows
        if value is not None
    )
    for row in aligned(cells):
        terminal.write_line(f"    {row}")
    if pack.reason is not None and not any(gate.reason == pack.reason for gate in pack.gates):
        terminal.write_line(f"  {one_line(pack.reason, 1000)}", yellow=True)
    _show_gates(terminal, pack.gates, set(), None)


def _show_gates(
    terminal: Any, gates: Sequence[GateRecord], named: set[str], refusal: str | None
) -> None:
    texts = [
        f"{gate.name}: {gate.expression}" if gate.name in named else gate.expression
        for gate in gates
    ]
    width = min(WIDEST_GATE, max(map(len, texts), default=0))
    reasons = [None if gate.reason == refusal else gate.reason for gate in gates]
    for place, (gate, text) in enumerate(zip(gates, texts)):
        terminal.write(f"    {MARKS[gate.verdict]} ", **{COLOURS[gate.verdict]: True})
        terminal.write(shown(text).ljust(width), bold=True)
        # The same reason is told once, with the last of its gates.
        last = place + 1 == len(reasons) or reasons[place + 1] != reasons[place]
        terminal.write_line(f"  {gate_outcome(gate, reasons[place] if last else None)}")


def _show_counts(terminal: Any, benchmark: BenchmarkResult) -> None:
    terminal.write("  ")
    for place, (name, text) in enumerate(counts(benchmark)):
        terminal.write(", " if place else "")
        terminal.write(text, **({COUNTS[name]: True} if text[0] != "0" else {}))
    seconds = benchmark.timing.get("duration_s")
    terminal.write_line(f"  in {duration(seconds)}" if seconds else "")


def early_stop(benchmark: BenchmarkResult, not_needed: int) -> str:
    """What ending early has saved: samples, and money where it is known."""
    planned = benchmark.samples["planned"]
    done = planned - not_needed
    spared = dollars(benchmark.cost / done * not_needed) if benchmark.cost else ""
    saved = f", about {spared} saved" if spared else ""
    return (
        f"stopped early: the gates are decided by {done:,} samples, {not_needed:,} of {planned:,} "
        f"({not_needed / planned:.0%}) were not needed{saved}"
    )


def counts(benchmark: BenchmarkResult) -> list[tuple[str, str]]:
    """What became of the samples; how many were judged always stands there."""
    samples = benchmark.samples
    judged = samples["right"] + samples["wrong"] + samples["error"]
    found = [(name, f"{samples[name]} {name}") for name in ("right", "wrong", "error") if judged]
    if judged:
        found[-1] = ("error", f"{found[-1][1]} of {judged}")
    found += [
        (name, f"{samples[name]} {name.replace('_', ' ')}")
        for name in ("skipped", "not_run", "not_needed", "deselected")
        if samples.get(name)
    ]
    return found or [("not_run", "no samples")]


def metric_rows(benchmark: BenchmarkResult) -> Iterator[tuple[str, str, str, str]]:
    """Name, value, interval and how many samples have it."""
    for name, metric in benchmark.metrics.items():
        yield shown(name), number(metric.value), interval(metric), f"n={metric.n}"


def aligned(rows: Iterator[tuple[str, ...]]) -> list[str]:
    """Names to the left, numbers to the right."""
    table = list(rows)
    widths = [max(map(len, column)) for column in zip(*table)]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:]))]
        )
        for row in table
    ]


def interval(metric: Metric) -> str:
    """The interval with as many digits as the value."""
    if metric.lower is None or metric.upper is None:
        return ""
    digits = places(metric.value)
    return f"[{metric.lower:.{digits}f}, {metric.upper:.{digits}f}]"


def gate_outcome(gate: GateRecord, reason: str | None) -> str:
    """The value of a gate that was decided and its margin, else why it was not."""
    if gate.verdict in ("undecided", "not judged") or gate.value is None or gate.slack is None:
        return f"{gate.verdict}: {one_line(reason, 1000)}" if reason else gate.verdict
    if gate.difference is not None:
        return f"{gate.verdict}: {comparison(gate)}"
    margin = f"{number(abs(gate.slack))} {'to spare' if gate.slack >= 0 else 'short'}"
    return f"{gate.verdict}: {number(gate.value)}, {margin}"


def verdict(result: RunResult) -> str:
    """The verdict in words, with what it rests on where that is not the gates."""
    gates = [gate.verdict for each in result.judged for gate in each.gates]
    if not result.complete:
        why = f": {one_line(result.stopped, 1000)}" if result.stopped else ""
        return f"{result.verdict} (the run is incomplete{why})"
    if result.verdict == "passed" and "passed" not in gates:
        return f"passed ({'no gate was judged' if gates else 'there are no gates'})"
    return result.verdict


def paths(files: Sequence[Path], here: Path) -> Iterator[str]:
    """The files as seen from `here`; many in one folder are counted."""
    folders: dict[Path, list[Path]] = {}
    for file in files:
        folders.setdefault(file.parent, []).append(file)
    for folder, inside in folders.items():
        if len(inside) > MOST_FILES:
            yield f"{_from(here, folder)}/ ({len(inside)} files)"
        else:
            yield from (_from(here, file) for file in inside)


def _from(here: Path, path: Path) -> str:
    path = here / path
    text = str(path.relative_to(here) if path.is_relative_to(here) else path)
    return shown(text + "/" if path.is_dir() else text)


def number(value: float) -> str:
    """Four digits after the point, or those that matter."""
    return f"{value:.{places(value)}f}"


def places(value: float) -> int:
    """How many digits after the point tell something."""
    size = abs(value)
    if size >= 1000:
        return 0 if size == int(size) else 1
    if size >= 10:
        return 2
    if size >= 0.01 or not size:
        return 4
    return min(9, 2 - math.floor(math.log10(size)))


def duration(seconds: float) -> str:
    if seconds < 0.1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"
