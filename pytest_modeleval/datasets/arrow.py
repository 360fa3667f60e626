"""Datasets that are an Arrow table: payloads stay in Arrow, a record is made when asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_modeleval.datasets.dataset import Record
from pytest_modeleval.datasets.files import FileDataset

if TYPE_CHECKING:
    import pyarrow


class ArrowDataset(FileDataset):
    """A file that was read into an Arrow table."""

    def __init__(self, path: Path, table: pyarrow.Table) -> None:
        import pyarrow

        super().__init__(path)
        self._length: int = table.num_rows
        self._columns = dict(zip(table.column_names, table.columns, strict=True))
        pyarrow.default_memory_pool().release_unused()  # parsing took more than the table

    def __len__(self) -> int:
        return self._length

    def record(self, row: int) -> Record:
        """The row as Python values, by column."""
        return {name: column[row].as_py() for name, column in self._columns.items()}
