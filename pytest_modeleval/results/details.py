"""details/<benchmark>.parquet: a row for each epoch of each sample.

A Parquet file without its footer is unreadable, so while a run goes on its rows are written as
small whole files, the parts, in `details/<benchmark>.parts/`. The last part of each worker grows:
it is written anew every few seconds until it is full. When the run ends the parts are merged into
one sorted file. After a crash they are there to read, and a run that goes on in the same folder
adds to them: where a sample is there more than once, its last rows count. pyarrow is imported with
the first part.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_modeleval.errors import ModelevalError
from pytest_modeleval.migration import Notice, print_notice
from pytest_modeleval.results.record import SampleResult
from pytest_modeleval.results.run_folder import DETAILS, run_path, slug

if TYPE_CHECKING:
    import pyarrow as pa

    from pytest_modeleval.results.details_parts import Part, Repeated

PART_ROWS = 1_000
PART_CHARACTERS = 8_000_000
"""A part is full when it has so many rows, or rows with so much text."""

FLUSH_AFTER = 2.0
"""Seconds that a row may wait before it is written, in a part that is not full yet."""

LEISURE = 20
"""So many times as long as writing a part takes it is left alone: that costs 5 % at most."""


@dataclass(slots=True)
class _Open:
    """A part that is not full. `waits_since` is when the first of its rows came that no file has
    yet, `rests_until` when it may be written again (both on the monotonic clock)."""

    rows: list[SampleResult] = field(default_factory=list)
    characters: int = 0
    path: Path | None = None
    waits_since: float | None = None
    rests_until: float = 0.0


class DetailsWriter:
    """Writes a run's details files into `folder/details`, beside what is there already: rows of the
    same run, before it was resumed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / DETAILS
        # A worker's samples mostly come in order, so that its parts need no sorting to be merged.
        self._open: dict[tuple[str, str, str], _Open] = {}
        self._parts: dict[str, dict[Path, Part]] = {}
        self._earlier = _tidied(self._folder)
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._flusher: threading.Thread | None = None
        self._refusal: ModelevalError | None = None

    def add(self, results: Sequence[SampleResult]) -> None:
        """Take in the rows of one sample, which stay together. Raises ModelevalError when a part
        cannot be written; its rows are kept, and tried again with the next one."""
        first = results[0]
        key = (first.benchmark, first.model, first.worker)
        with self._lock:
            part = self._open.get(key)
            if part is None:
                part = self._open[key] = _Open()
            part.rows.extend(results)
            part.characters += sum(map(_characters, results))
            if part.waits_since is None:
                part.waits_since = time.monotonic()
            if self._refusal is not None:
                refusal, self._refusal = self._refusal, None
                raise refusal
            if len(part.rows) >= PART_ROWS or part.characters >= PART_CHARACTERS:
                self._write(key)
                del self._open[key]
        if self._flusher is None:
            self._flusher = threading.Thread(
                target=self._flush_in_time, name="modeleval-details", daemon=True
            )
            self._flusher.start()

    def flush(self) -> None:
        """Write what waits. Raises ModelevalError where that cannot be done."""
        with self._lock:
            for key, part in self._open.items():
                if part.waits_since is not None:
                    self._write(key)

    def close(self) -> list[Path]:
        """Merge the parts of each benchmark into its file, and name the files.

        Raises ModelevalError where that cannot be done; the parts then stay.
        """
        from pytest_modeleval.results.details_parts import merge, part_of

        self._ended.set()
        with self._lock:
            self.flush()
            self._open.clear()
            files = []
            for name in [
                *self._earlier,
                *(each for each in self._parts if each not in self._earlier),
            ]:
                file = self._folder / f"{name}.parquet"
                earlier = self._earlier.get(name, [])
                parts = [*map(part_of, earlier), *self._parts.get(name, {}).values()]
                if [part.path for part in parts] != [file]:
                    merge(parts, file, again=bool(earlier))
                    shutil.rmtree(self._folder_of(name), ignore_errors=True)
                self._earlier[name] = [file]
                self._parts.pop(name, None)
                files.append(file)
        return files

    def _flush_in_time(self) -> None:
        while not self._ended.wait(FLUSH_AFTER / 4):
            try:
                self._flush_what_is_due()
            except ModelevalError as error:
                self._refusal = error

    def _flush_what_is_due(self) -> None:
        with self._lock:
            now = time.monotonic()
            for key, part in self._open.items():
                if part.waits_since is None or now < part.rests_until:
                    continue
                if now - part.waits_since >= FLUSH_AFTER:
                    self._write(key)
                    ended = time.monotonic()
                    part.rests_until = ended + LEISURE * (ended - now)
                    now = ended

    def _write(self, key: tuple[str, str, str]) -> None:
        from pytest_modeleval.results.details_parts import write_part

        name = slug(key[0])
        part = self._open[key]
        if part.path is None:
            part.path = self._folder_of(name) / f"{self._next_number(name):05}.parquet"
        written = write_part(part.path, part.rows)
        self._parts.setdefault(name, {})[part.path] = written
        part.waits_since = None

    def _next_number(self, name: str) -> int:
        known = [*self._earlier.get(name, ()), *self._parts.get(name, ())]
        known += [part.path for part in self._open.values() if part.path is not None]
        folder = self._folder_of(name)
        return 1 + max((int(path.stem) for path in known if path.parent == folder), default=-1)

    def _folder_of(self, name: str) -> Path:
        return self._folder / f"{name}.parts"


def _tidied(folder: Path) -> dict[str, list[Path]]:
    """The files of a run that goes on, oldest first, by their benchmark's file name. What was being
    written when it was killed is removed, and a file that a dying machine has left half written is
    set aside."""
    for left in [*folder.glob(".*"), *folder.glob("*.parts/.*")]:
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)
    found: dict[str, list[Path]] = {}
    for path in _files(folder, "*"):
        from pytest_modeleval.results.details_parts import row_groups

        name = _name(path)
        if row_groups(path):
            found.setdefault(name, []).append(path)
        else:
            path.rename(folder / f"{name}.{path.stem}.unreadable")
    return found


def _files(details: Path, name: str) -> list[Path]:
    return [
        *sorted(details.glob(f"{name}.parquet")),
        *sorted(details.glob(f"{name}.parts/*.parquet")),
    ]


def _name(path: Path) -> str:
    """The file name of the benchmark, of which a file holds rows."""
    return path.stem if path.parent.suffix != ".parts" else path.parent.stem


def details_files(folder: Path, benchmark: str | None = None) -> list[Path]:
    """The Parquet files of a run's folder that hold the rows of one benchmark, or of all: merged
    ones, then the parts that are not merged yet, in the order in which they were begun."""
    return _files(run_path(folder) / DETAILS, "*" if benchmark is None else slug(benchmark))


def read_details(
    folder: Path,
    benchmark: str | None = None,
    columns: Sequence[str] | None = None,
    notice: Notice = print_notice,
) -> pa.Table:
    """The details of one benchmark, or of all, in a run's folder; `columns` are names, None is all.

    Merged files are sorted by (model, id, epoch), parts come as they were written. `notice` is told
    once where some were older. Raises ModelevalError where there are none, or one cannot be read.
    """
    from pytest_modeleval.results.details_parts import read

    files, repeated = _found(folder, benchmark)
    told: dict[str, None] = {}
    table = read(files, columns, repeated, told.setdefault)
    if told:
        notice(next(iter(told)))
    return table


def details_rows(folder: Path, benchmark: str) -> Iterator[dict[str, Any]]:
    """The rows of one benchmark in a run's folder, as they are read, so that memory does not grow
    with them. The epochs of a sample come one after another. Raises ModelevalError, as
    `read_details`."""
    from pytest_modeleval.results.details_parts import batches

    files, repeated = _found(folder, benchmark)
    for table in batches(files, PART_ROWS, repeated):
        yield from table.to_pylist()


def _found(folder: Path, benchmark: str | None) -> tuple[list[Path], Repeated]:
    from pytest_modeleval.results.details_parts import repeated

    files = details_files(folder, benchmark)
    if not files:
        of = "" if benchmark is None else f" of {benchmark}"
        raise ModelevalError(f"{folder} holds no details{of}: name the folder of a run")
    unmerged = any(path.parent.suffix == ".parts" for path in files)
    return files, repeated(files) if unmerged else {}


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
