"""What an unfinished run has finished: the samples in its details that need not run again."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from pytest_modeleval.results.details import details_files
from pytest_modeleval.results.details_parts import row_groups
from pytest_modeleval.results.details_schema import CALL, DETAILS_SCHEMA
from pytest_modeleval.results.record import Call, SampleResult

MOST_ROWS = 50_000
"""So many rows are held at once, as Arrow data without their texts."""

# A result is counted and reported without what was asked and said, which stays where it is.
_TEXTS = ("input", "target", "metadata", "calls")
_TEXTS_OF_CALLS = (*("messages", "reply", "tool_calls", "loglikelihoods", "sampling"),)
_COLUMNS = [
    *(name for name in DETAILS_SCHEMA.names if name not in _TEXTS),
    *(f"calls.list.element.{field.name}" for field in CALL if field.name not in _TEXTS_OF_CALLS),
]
_ASKED = "calls.list.element.role"


class KeptRows:
    """The rows of one benchmark in the details of a run, a row group of a file at a time."""

    def __init__(self, folder: Path, benchmark: str) -> None:
        self._groups = list(_row_groups(details_files(folder, benchmark)))
        self._held: OrderedDict[int, tuple[pa.Table, dict[tuple[str, str], list[int]]]]
        self._held = OrderedDict()
        self._asked = -1
        self._listed: tuple[int, list[dict[str, Any]]] = (-1, [])

    def finished(self, model: str, epochs: int) -> dict[str, int]:
        """The ids of the samples that are right, wrong or skipped with all their epochs, each with
        the place to ask `results` for. One that was skipped before it had asked a model runs again:
        that costs nothing. Where several files have a sample, the last one's rows count."""
        found: dict[str, tuple[Path, int, int, bool]] = {}
        for place, (path, group) in enumerate(self._groups):
            names = ["model", "id", "outcome"]
            with parquet.ParquetFile(path) as file:
                table = file.read_row_group(group, names, use_threads=False)
                columns = [table[name].to_pylist() for name in names]
                asked = [True] * table.num_rows
                if "skipped" in columns[2]:
                    calls = file.read_row_group(group, [_ASKED], use_threads=False)["calls"]
                    asked = [bool(each) for each in calls.to_pylist()]
            for own, name, outcome, has_asked in zip(*columns, asked, strict=True):
                if own != model:
                    continue
                good = outcome in ("right", "wrong") or (outcome == "skipped" and has_asked)
                known = found.get(name)
                if known is None or known[0] != path:
                    found[name] = (path, place, 1, good)
                else:
                    found[name] = (path, known[1], known[2] + 1, known[3] and good)
        return {
            name: place for name, (_, place, rows, good) in found.items() if good and rows == epochs
        }

    def results(self, place: int, model: str, sample_id: str) -> list[SampleResult]:
        """The rows of a finished sample, without the texts."""
        path = self._groups[place][0]
        found: list[SampleResult] = []
        # At the edge of a row group a sample's last epochs stand in the next one.
        for each in range(place, len(self._groups)):
            table, rows = self._hold(each)
            own = rows.get((model, sample_id))
            if self._groups[each][0] != path or own is None:
                break
            found += (_result(values) for values in self._values(each, table, own))
        return found

    def _values(self, place: int, table: pa.Table, rows: Sequence[int]) -> list[dict[str, Any]]:
        """The rows as dicts. To make one of a single row costs as much as of thirty in a table: a
        row group that is asked for twice in a row is made into dicts as a whole."""
        if self._listed[0] != place:
            before, self._asked = self._asked, place
            if before != place:
                return [table.slice(row, 1).to_pylist()[0] for row in rows]
            self._listed = place, table.to_pylist()
        return [self._listed[1][row] for row in rows]

    def _hold(self, place: int) -> tuple[pa.Table, dict[tuple[str, str], list[int]]]:
        if place in self._held:
            self._held.move_to_end(place)
            return self._held[place]
        path, group = self._groups[place]
        with parquet.ParquetFile(path) as file:
            table = file.read_row_group(group, _COLUMNS, use_threads=False)
        rows: dict[tuple[str, str], list[int]] = {}
        for row, key in enumerate(zip(table["model"].to_pylist(), table["id"].to_pylist())):
            rows.setdefault(key, []).append(row)
        self._held[place] = table, rows
        while len(self._held) > 1 and self._rows_held() > MOST_ROWS:
            self._held.popitem(last=False)
        return self._held[place]

    def _rows_held(self) -> int:
        return sum(table.num_rows for table, _ in self._held.values())


def _row_groups(files: Sequence[Path]) -> Iterator[tuple[Path, int]]:
    """Of every file that is whole; samples in one that is not run again."""
    for path in files:
        yield from ((path, group) for group in range(row_groups(path)))


def _result(row: dict[str, Any]) -> SampleResult:
    calls = [Call(messages=[], **each) for each in row["calls"]]
    values = json.loads(row["values"]) if row["values"] else {}
    return SampleResult(**{**row, "scores": dict(row["scores"]), "values": values, "calls": calls})
