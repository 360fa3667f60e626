"""Apache Parquet files."""

from __future__ import annotations

from pathlib import Path

from pytest_modeleval.datasets.arrow import ArrowDataset
from pytest_modeleval.datasets.files import shown
from pytest_modeleval.errors import DatasetError


class ParquetDataset(ArrowDataset):
    """A `.parquet` file, mapped into memory and decoded into Arrow."""

    def __init__(self, path: Path) -> None:
        import pyarrow
        from pyarrow import parquet

        try:
            # ParquetFile and not read_table: the latter brings pyarrow.dataset along.
            with parquet.ParquetFile(path, memory_map=True) as file:
                table = file.read()
        except (pyarrow.ArrowInvalid, OSError) as error:
            raise DatasetError(f"{shown(path)} is not a whole Parquet file: {error}") from error
        super().__init__(path, table)
