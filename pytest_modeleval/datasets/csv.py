"""Comma- and tab-separated values: every value is a text."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_modeleval.datasets.arrow import ArrowDataset
from pytest_modeleval.datasets.files import shown
from pytest_modeleval.errors import DatasetError

if TYPE_CHECKING:
    import pyarrow

_MAX_BLOCK = 64 << 20


class CsvDataset(ArrowDataset):
    """A `.csv` or `.tsv` file whose first row names the columns.

    Quoted values may hold the delimiter, doubled quotes and newlines. No type is inferred: "007"
    stays "007", and an empty value is an empty text.
    """

    def _read(self) -> pyarrow.Table:
        import pyarrow
        from pyarrow.csv import ConvertOptions, ParseOptions, ReadOptions, read_csv

        path = self.path
        delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
        # A row must fit into a block: a megabyte, the default, does not hold a long document.
        block_size = min(max(path.stat().st_size, 1), _MAX_BLOCK)
        try:
            names = _header(path, delimiter)
            return read_csv(
                path,
                # One thread: only then does an error name the row.
                read_options=ReadOptions(use_threads=False, block_size=block_size),
                parse_options=ParseOptions(delimiter=delimiter, newlines_in_values=True),
                convert_options=ConvertOptions(
                    column_types=dict.fromkeys(names, pyarrow.large_string())
                ),
            )
        except UnicodeDecodeError as error:
            raise _not_utf8(path) from error
        except pyarrow.ArrowInvalid as error:
            if "invalid UTF8" in str(error):
                raise _not_utf8(path) from error
            raise DatasetError(f"{shown(path)}: malformed table: {error}") from error


def _header(path: Path, delimiter: str) -> list[str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        names = next(csv.reader(file, delimiter=delimiter), None)
    if not names:
        raise DatasetError(f"{shown(path)} is empty: the first row must name the columns")
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise DatasetError(f"{shown(path)}: column {min(twice)!r} is named twice in the first row")
    return names


def _not_utf8(path: Path) -> DatasetError:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return DatasetError(
                    f"{shown(path)} line {number}: byte {error.start + 1} is not UTF-8; "
                    "save the file as UTF-8"
                )
    return DatasetError(f"{shown(path)} is not UTF-8; save the file as UTF-8")
