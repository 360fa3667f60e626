"""details/<benchmark>.parquet: a row for each epoch of each sample.

A Parquet file without its footer is unreadable, so while a run goes on its rows are written as
small whole files, the parts, in `details/<benchmark>.parts/`. When the run ends they are merged
into one sorted file. After a crash the parts are there to read. pyarrow is imported with the first
part.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_modeleval.errors import ModelevalError
from pytest_modeleval.results.record import SampleResult
from pytest_modeleval.results.run_folder import DETAILS, run_path, slug

if TYPE_CHECKING:
    import pyarrow as pa

    from pytest_modeleval.results.details_parts import Part

PART_ROWS = 1_000
PART_CHARACTERS = 8_000_000
"""A part is written when so many rows wait for it, or rows with so much text."""


@dataclass(slots=True)
class _Waiting:
    rows: list[SampleResult] = field(default_factory=list)
    characters: int = 0


class DetailsWriter:
    """Writes a run's details files into `folder/details`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / DETAILS
        # A worker's samples mostly come in order, so that its parts need no sorting to be merged.
        self._waiting: dict[tuple[str, str, str], _Waiting] = {}
        self._parts: dict[str, list[Part]] = {}

    def add(self, result: SampleResult) -> None:
        """Take in one row. Raises ModelevalError when a part cannot be written; its rows are kept,
        and tried again with the next one."""
        key = (result.benchmark, result.model, result.worker)
        waiting = self._waiting.get(key)
        if waiting is None:
            waiting = self._waiting[key] = _Waiting()
        waiting.rows.append(result)
        waiting.characters += _characters(result)
        if len(waiting.rows) >= PART_ROWS or waiting.characters >= PART_CHARACTERS:
            self._write(key)

    def flush(self) -> None:
        """Write what waits. Raises ModelevalError where that cannot be done."""
        for key in list(self._waiting):
            self._write(key)

    def close(self) -> list[Path]:
        """Merge the parts of each benchmark into its file, and name the files.

        Raises ModelevalError where that cannot be done; the parts then stay.
        """
        from pytest_modeleval.results.details_parts import merge

        self.flush()
        files = []
        for benchmark in list(self._parts):
            file = self._folder / f"{slug(benchmark)}.parquet"
            merge(self._parts[benchmark], file)
            shutil.rmtree(self._folder_of(benchmark), ignore_errors=True)
            del self._parts[benchmark]
            files.append(file)
        return files

    def _write(self, key: tuple[str, str, str]) -> None:
        from pytest_modeleval.results.details_parts import write_part

        benchmark = key[0]
        parts = self._parts.setdefault(benchmark, [])
        path = self._folder_of(benchmark) / f"{len(parts):05}.parquet"
        parts.append(write_part(path, self._waiting[key].rows))
        del self._waiting[key]

    def _folder_of(self, benchmark: str) -> Path:
        return self._folder / f"{slug(benchmark)}.parts"


def details_files(folder: Path, benchmark: str | None = None) -> list[Path]:
    """The Parquet files of a run's folder that hold the rows of one benchmark, or of all: merged
    ones, and the parts of those that were never merged."""
    details = run_path(folder) / DETAILS
    name = "*" if benchmark is None else slug(benchmark)
    merged = sorted(details.glob(f"{name}.parquet"))
    done = {path.stem for path in merged}
    parts = (
        path
        for path in sorted(details.glob(f"{name}.parts/*.parquet"))
        if path.parent.stem not in done
    )
    return [*merged, *parts]


def read_details(
    folder: Path, benchmark: str | None = None, columns: Sequence[str] | None = None
) -> pa.Table:
    """The details of one benchmark, or of all, in a run's folder; `columns` are names, None is all.

    Merged files are sorted by (model, id, epoch), parts come as they were written. Raises
    ModelevalError where there are none, or one cannot be read.
    """
    from pytest_modeleval.results.details_parts import read

    files = details_files(folder, benchmark)
    if not files:
        of = "" if benchmark is None else f" of {benchmark}"
        raise ModelevalError(f"{folder} holds no details{of}: name the folder of a run")
    return read(files, columns)


def _characters(result: SampleResult) -> int:
    count = len(result.input)
    for call in result.calls:
        count += len(call.reply or "")
        for message in call.messages:
            content = message["content"]
            if isinstance(content, str):
                count += len(content)
            else:
                count += sum(len(part.get("url") or part.get("text") or "") for part in content)
    return count
