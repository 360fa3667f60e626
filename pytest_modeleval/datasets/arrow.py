"""Datasets that are an Arrow table: payloads stay in Arrow, a record is made when asked for."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_modeleval.datasets.dataset import Record
from pytest_modeleval.datasets.files import FileDataset
from pytest_modeleval.datasets.shared import shared_table

if TYPE_CHECKING:
    import pyarrow


class ArrowDataset(FileDataset):
    """A file that is read into an Arrow table, once for all processes of a run."""

    def __init__(self, path: Path) -> None:
        import pyarrow

        super().__init__(path)
        table = shared_table(path, self._read)
        self._length: int = table.num_rows
        self._columns = dict(zip(table.column_names, table.columns, strict=True))
        pyarrow.default_memory_pool().release_unused()  # parsing took more than the table

    @abstractmethod
    def _read(self) -> pyarrow.Table:
        """The whole file. Raises DatasetError where it is malformed."""

    def __len__(self) -> int:
        return self._length

    def record(self, row: int) -> Record:
        """The row as Python values, by column."""
        return {name: column[row].as_py() for name, column in self._columns.items()}
