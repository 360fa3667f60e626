"""`modeleval leaderboard`: the models of several runs beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pytest_modeleval.plain_text import one_line
from pytest_modeleval.results.leaderboard import (
    Difference,
    Leaderboard,
    Standing,
    leaderboard,
    write_leaderboard,
)
from pytest_modeleval.results.results_json import read_results
from pytest_modeleval.results.samples import RunSamples, read_samples
from pytest_modeleval.results.summary import MODEL_COLUMNS, ranks, standing


def report(runs: Sequence[Path], fields: Sequence[str], out: Path | None) -> str:
    """The tables as text; leaderboard.json is written to `out`. Raises ModelevalError for what is
    no run's folder."""
    results = [read_results(run) for run in runs]
    samples: RunSamples = {}
    for run in runs:
        samples.update(read_samples(run, fields))
    board = leaderboard(results, samples, fields)
    if out is not None:
        write_leaderboard(out, board)
    parts = [_models(board)]
    for each in board.benchmarks:
        parts.append(f"{one_line(each.name)}\n{_table(each.models)}")
    for part in board.slices:
        title = f"{one_line(part.benchmark)}, {one_line(part.field)} {one_line(part.value)}"
        parts.append(f"{title}\n{_table(part.models)}")
    if board.differences:
        parts.append(
            f"differences (paired; p corrected by Holm)\n{_differences(board.differences)}"
        )
    return "\n\n".join(parts)


def _models(board: Leaderboard) -> str:
    return _aligned(MODEL_COLUMNS, [standing(each, one_line) for each in board.models])


def _table(standings: Sequence[Standing]) -> str:
    rows = []
    for each in standings:
        rank, value = f"{each.rank}{ranks(each)}", f"{each.value:.4f}"
        rows.append([rank, one_line(each.model), value, _interval(each), str(each.n)])
    return _aligned(("rank", "model", "accuracy", "95 % interval", "n"), rows)


def _differences(differences: Sequence[Difference]) -> str:
    rows = [
        [
            one_line(each.benchmark),
            f"{one_line(each.model)} - {one_line(each.other)}",
            f"{each.difference:+.4f}",
            _interval(each),
            "" if each.p_adjusted is None else f"{each.p_adjusted:.3g}",
            "" if each.n is None else str(each.n),
        ]
        for each in differences
    ]
    return _aligned(("benchmark", "models", "difference", "95 % interval", "p", "n"), rows)


def _aligned(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    from tabulate import tabulate

    return str(tabulate(rows, columns, disable_numparse=True))


def _interval(each: Standing | Difference) -> str:
    if each.lower is None or each.upper is None:
        return ""
    sign = "+" if isinstance(each, Difference) else ""
    return f"{each.lower:{sign}.4f} to {each.upper:{sign}.4f}"
