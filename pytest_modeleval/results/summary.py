"""summary.md: the table for a pull request."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from pytest_modeleval.results.cost import cost_line
from pytest_modeleval.results.leaderboard import Leaderboard, ModelStanding, Standing
from pytest_modeleval.results.record import (
    BenchmarkResult,
    GateRecord,
    Metric,
    PackResult,
    RunResult,
)
from pytest_modeleval.results.run_folder import write_atomically

SIGNS = {"passed": "✅", "failed": "❌", "undecided": "❔", "not judged": "➖"}

COLUMNS = (
    *("benchmark", "model", "right", "wrong", "error", "not run"),
    *("accuracy (95 % interval)", "gates"),
)
PACK_COLUMNS = ("pack", "model", "score (interval)", "tasks", "gates")
MODEL_COLUMNS = ("rank (95 %)", "model", "mean accuracy", "wins", "Bradley-Terry")
REASON_CHARACTERS = 500


def write_summary(path: Path, result: RunResult, board: Leaderboard | None = None) -> None:
    """Write summary.md. Raises ModelevalError where it cannot be written."""
    write_atomically(path, summary(result, board))


def summary(result: RunResult, board: Leaderboard | None = None) -> str:
    """The run as Markdown: the verdict, a row for each benchmark and model, what it cost, the
    models beside each other where there are several, the gates that did not pass, with the reason,
    and the first error of each.

    Every text that is not ours stands as code, so that it is neither markup, link nor mention.
    """
    from tabulate import tabulate

    lines = [f"## {SIGNS[result.verdict]} {result.verdict}", ""]
    if not result.complete:
        why = f": {code(result.stopped)}" if result.stopped else ""
        lines += [f"The run was not completed{why}. Samples are missing.", ""]
    rows = [_row(benchmark) for benchmark in result.benchmarks]
    lines += [tabulate(rows, COLUMNS, tablefmt="github", disable_numparse=True), ""]
    if result.packs:
        packs = tabulate(
            map(_pack_row, result.packs), PACK_COLUMNS, tablefmt="github", disable_numparse=True
        )
        lines += ["### Packs", "", packs, ""]
    if cost := cost_line(result):
        lines += [code(cost), ""]  # two dollar signs would be a formula
    otherwise = [each for each in result.benchmarks if each.choose_by]
    for benchmark in otherwise:
        lines.append(
            f"{code(benchmark.name)} with {code(benchmark.model)}: choices by "
            f"{benchmark.choose_by}, not by log-likelihood"
        )
    lines += [""] * bool(otherwise)
    if board is not None and len(board.models) > 1:
        standings = tabulate(
            [standing(each, code) for each in board.models],
            MODEL_COLUMNS,
            tablefmt="github",
            disable_numparse=True,
        )
        lines += ["### Models", "", standings, ""]
    listed = [
        _gate_line(benchmark, gate)
        for benchmark in result.judged
        for gate in benchmark.gates
        if gate.verdict in ("failed", "undecided")
    ]
    if listed:
        lines += ["### Gates that did not pass", "", *listed, ""]
    errors = [_error_line(benchmark) for benchmark in result.benchmarks if benchmark.errors]
    if errors:
        lines += ["### Errors", "", *errors, ""]
    lines += [f"Run {code(result.run_id)}", ""]
    return "\n".join(lines)


def code(text: str) -> str:
    """The text as a code span that it cannot leave, also in a cell of a table."""
    line = "".join(each if each.isprintable() else "\ufffd" for each in " ".join(text.split()))
    if re.search(r"[`|\\]", line):
        # No way of writing these inside backticks holds in every table: write HTML's instead.
        return f"<code>{re.sub(r'[^A-Za-z0-9 ]', lambda sign: f'&#{ord(sign[0])};', line)}</code>"
    return f"`{line}`" if line else ""


def _row(benchmark: BenchmarkResult) -> list[str]:
    samples = benchmark.samples
    counts = [str(samples.get(name, 0)) for name in ("right", "wrong", "error", "not_run")]
    accuracy = benchmark.metrics.get("accuracy")
    return [
        code(benchmark.name),
        code(benchmark.model),
        *counts,
        _interval(accuracy) if accuracy is not None else "",
        "<br>".join(map(_gate, benchmark.gates)),
    ]


def _pack_row(pack: PackResult) -> list[str]:
    score = "" if pack.score is None else _interval(Metric(pack.score, pack.lower, pack.upper, 0))
    tasks = [
        f"{code(task.name)} {'–' if task.value is None else f'{task.value:.4f}'}"
        for task in pack.tasks
    ]
    return [
        code(f"{pack.name} {pack.version}"),
        code(pack.model),
        score,
        "<br>".join(tasks),
        "<br>".join(map(_gate, pack.gates)),
    ]


def standing(each: ModelStanding, name: Callable[[str], str]) -> list[str]:
    """The cells of `MODEL_COLUMNS`; `name` makes the alias harmless where it is shown."""
    return [
        "" if each.rank is None else f"{each.rank}{ranks(each)}",
        name(each.model),
        "" if each.mean is None else f"{each.mean:.4f}",
        "" if each.win_rate is None else f"{each.win_rate:.0%}",
        "" if each.strength is None else f"{each.strength:+.2f}",
    ]


def ranks(each: ModelStanding | Standing) -> str:
    """The interval of a rank, where it is more than one."""
    if each.best_rank is None or each.best_rank == each.worst_rank:
        return ""
    return f" ({each.best_rank} to {each.worst_rank})"


def _interval(metric: Metric) -> str:
    if metric.lower is None or metric.upper is None:
        return f"{metric.value:.4f}"
    return f"{metric.value:.4f} ({metric.lower:.4f} to {metric.upper:.4f})"


def _gate(gate: GateRecord) -> str:
    margin = f" ({gate.slack:+.4g})" if gate.slack is not None else ""
    return f"{SIGNS[gate.verdict]} {code(gate.expression)}{margin}"


def _gate_line(benchmark: BenchmarkResult | PackResult, gate: GateRecord) -> str:
    reason = gate.reason or (f"it is {gate.value:.6g}" if gate.value is not None else "")
    if gate.worse_ids:
        more = ", …" if (gate.worse or 0) > len(gate.worse_ids) else ""
        reason += f"; {gate.worse} worse, {gate.better} better; worse: {', '.join(gate.worse_ids)}"
        reason += more
    return (
        f"- {SIGNS[gate.verdict]} {gate.verdict}: {code(gate.expression)} in "
        f"{code(benchmark.name)} with {code(benchmark.model)}: {code(_cut(reason))}"
    )


def _error_line(benchmark: BenchmarkResult) -> str:
    first = benchmark.errors[0]
    return (
        f"- {benchmark.samples.get('error', 0)} in {code(benchmark.name)} with "
        f"{code(benchmark.model)}, such as {code(str(first['id']))}: "
        f"{code(_cut(str(first['error'])))}"
    )


def _cut(text: str) -> str:
    return text if len(text) <= REASON_CHARACTERS else f"{text[:REASON_CHARACTERS]}…"
