"""Apache Parquet files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_modeleval.datasets.arrow import ArrowDataset
from pytest_modeleval.datasets.files import shown
from pytest_modeleval.errors import DatasetError

if TYPE_CHECKING:
    import pyarrow


class ParquetDataset(ArrowDataset):
    """A `.parquet` file, mapped into memory and decoded into Arrow."""

    def _read(self) -> pyarrow.Table:
        import pyarrow
        from pyarrow import parquet

        try:
            # ParquetFile and not read_table: the latter brings pyarrow.dataset along.
            with parquet.ParquetFile(self.path, memory_map=True) as file:
                return file.read()
        except (pyarrow.ArrowInvalid, OSError) as error:
            raise DatasetError(
                f"{shown(self.path)} is not a whole Parquet file: {error}"
            ) from error
