"""Parts of a details file: written, merged in order, and read. Needs pyarrow."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter, itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TypeAlias

import pyarrow as pa
from pyarrow import parquet

from pytest_modeleval.errors import ModelevalError
from pytest_modeleval.migration import Notice, print_notice, up_to_date
from pytest_modeleval.results.details_schema import (
    DETAILS,
    DETAILS_SCHEMA,
    VERSION_KEY,
    details_batch,
)
from pytest_modeleval.results.record import SampleResult
from pytest_modeleval.results.run_folder import replacing, writing

MERGED_BYTES = 2_000_000
"""Rows out of order are sorted in memory by about so many bytes at a time."""

MAX_WINDOWS = 200
"""So many files are open at once while rows are sorted, at most."""

ORDER = ("model", "id", "epoch")
_key = attrgetter(*ORDER)
_key_of = itemgetter(*ORDER)
_ASCENDING = [(name, "ascending") for name in ORDER]

# Columns whose values repeat. The rest are different in each row, or packed as well without.
_REPEATING = [
    *("benchmark", "model", "outcome", "cluster", "worker"),
    *(f"calls.list.element.{name}" for name in ("role", "model", "kind")),
    "calls.list.element.messages.list.element.role",
]
_LAYOUT = {"use_dictionary": _REPEATING, "write_statistics": list(ORDER)}


SAMPLE = ("benchmark", "model", "id")
Repeated: TypeAlias = Mapping[Path, Collection[tuple[str, str, str]]]
"""The samples of a file, by `SAMPLE`, that a later file has again."""
NOTHING: Repeated = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Part:
    """A file whose rows are in order, with the keys of its first and last row."""

    path: Path
    first: tuple[str, str, int]
    last: tuple[str, str, int]


def write_part(path: Path, results: list[SampleResult]) -> Part:
    """Write the results, put in order, as one file. Raises ModelevalError where that cannot be."""
    results.sort(key=_key)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        table = pa.Table.from_batches([details_batch(results)])
        # Parts live shortly: to pack them would cost more than to write them.
        parquet.write_table(table, temporary, compression="none", **_LAYOUT)
    return Part(path, _key(results[0]), _key(results[-1]))


def row_groups(path: Path) -> int:
    """How many there are to read; none in a file that is not whole."""
    try:
        return int(parquet.read_metadata(path).num_row_groups)
    except (pa.ArrowException, OSError):
        return 0


def part_of(path: Path) -> Part:
    """A part, or a merged file, that an earlier process has written. Raises ModelevalError."""
    keys = _read(path, ORDER)
    first, last = (_key_of(keys.slice(row, 1).to_pylist()[0]) for row in (0, keys.num_rows - 1))
    return Part(path, first, last)


def repeated(paths: Sequence[Path]) -> Repeated:
    """What is in several of the files, which come from the oldest to the latest."""
    last: dict[tuple[str, str, str], Path] = {}
    found: dict[Path, set[tuple[str, str, str]]] = {}
    for path in paths:
        for sample in set(_samples(_read(path, SAMPLE))):
            if (before := last.get(sample)) is not None:
                found.setdefault(before, set()).add(sample)
            last[sample] = path
    return found


def merge(parts: Sequence[Part], path: Path, *, again: bool = False) -> None:
    """Make one file of the parts' rows, in order, without holding them all. With `again` a sample
    may be in several of them, and the last one's rows count.

    Raises ModelevalError where it cannot be written; the parts are left alone.
    """
    without = repeated([part.path for part in parts]) if again else {}
    parts = sorted(parts, key=attrgetter("first"))
    in_order = all(one.last <= following.first for one, following in pairwise(parts))
    paths = [part.path for part in parts]
    with (
        replacing(path) as temporary,
        parquet.ParquetWriter(
            temporary, DETAILS_SCHEMA, compression="zstd", compression_level=1, **_LAYOUT
        ) as file,
    ):
        in_turn = (_read(path, without=without) for path in paths)
        for table in in_turn if in_order else _sorted(paths, path.parent, without):
            file.write_table(table)


def read(
    paths: Sequence[Path],
    columns: Sequence[str] | None = None,
    without: Repeated = NOTHING,
    notice: Notice = print_notice,
) -> pa.Table:
    """The rows of all files. Raises ModelevalError for one that cannot be read."""
    return pa.concat_tables([_read(path, columns, without, notice) for path in paths])


def batches(paths: Sequence[Path], rows: int, without: Repeated = NOTHING) -> Iterator[pa.Table]:
    """The rows of all files, at most so many at a time. Raises ModelevalError, as `read`."""
    told: set[str] = set()

    def once(sentence: str) -> None:
        if sentence not in told:
            print_notice(sentence)
        told.add(sentence)

    for path in paths:
        try:
            with parquet.ParquetFile(path) as file:
                said = _version(file)
                for batch in file.iter_batches(rows, use_threads=False):
                    table = pa.Table.from_batches([batch])
                    table = up_to_date(DETAILS, said, table, str(path), once)
                    if gone := without.get(path):
                        kept = [sample not in gone for sample in _samples(table)]
                        table = table.filter(pa.array(kept))
                    yield table
        except (pa.ArrowException, OSError) as error:
            raise ModelevalError(f"{path} cannot be read as a details file: {error}") from error


def _read(
    path: Path,
    columns: Sequence[str] | None = None,
    without: Repeated = NOTHING,
    notice: Notice = print_notice,
) -> pa.Table:
    try:
        # ParquetFile and not read_table: the latter brings pyarrow.dataset along.
        with parquet.ParquetFile(path) as file:
            said = _version(file)
            other = said.partition(".")[0] != DETAILS.version.partition(".")[0]
            table = file.read(columns=None if other else columns, use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise ModelevalError(f"{path} cannot be read as a details file: {error}") from error
    if other:
        table = up_to_date(DETAILS, said, table, str(path), notice)
        table = table if columns is None else table.select(columns)
    if gone := without.get(path):
        samples = _samples(_read(path, SAMPLE))
        table = table.filter(pa.array([sample not in gone for sample in samples]))
    return table


def _version(file: parquet.ParquetFile) -> str:
    said: bytes = (file.schema_arrow.metadata or {}).get(VERSION_KEY, b"1.0")
    return said.decode()


def _samples(table: pa.Table) -> Iterator[tuple[str, str, str]]:
    return zip(*(table[name].to_pylist() for name in SAMPLE), strict=True)


def _sorted(paths: Sequence[Path], folder: Path, without: Repeated) -> Iterator[pa.Table]:
    """All rows in order, a window at a time: each part is cut at the windows' first keys, its
    pieces are put down beside the others of their window, and the windows are sorted one by one."""
    starts = _window_starts(paths)
    with TemporaryDirectory(dir=folder, prefix=".") as temporary:
        windows = [Path(temporary, str(number)) for number in range(len(starts))]
        with ExitStack() as open_files:
            streams = [
                open_files.enter_context(pa.ipc.new_stream(str(window), DETAILS_SCHEMA))
                for window in windows
            ]
            for path in paths:
                table = _read(path, without=without)
                keys = list(zip(*(table[name].to_pylist() for name in ORDER)))
                cuts = [0, *(bisect_left(keys, start) for start in starts[1:]), len(keys)]
                for stream, (start, end) in zip(streams, pairwise(cuts)):
                    if start < end:
                        stream.write_table(table.slice(start, end - start))
        for window in windows:
            with pa.OSFile(str(window)) as file, pa.ipc.open_stream(file) as stream:
                table = stream.read_all()
            yield table.combine_chunks().sort_by(_ASCENDING)


def _window_starts(paths: Sequence[Path]) -> list[tuple[str, str, int]]:
    """The first key of each window: all have as many rows, and about `MERGED_BYTES`."""
    from pyarrow import compute

    size = sum(path.stat().st_size for path in paths)
    windows = min(MAX_WINDOWS, 1 + size // MERGED_BYTES)
    keys = read(paths, ORDER)
    places = compute.sort_indices(keys, _ASCENDING)[:: -(-len(keys) // windows)]
    return [_key_of(row) for row in keys.take(places).to_pylist()]
