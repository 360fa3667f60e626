"""What the readers of files share: a path as people write it, a file's hash, its extension."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path

from pytest_modeleval.datasets.dataset import Dataset
from pytest_modeleval.errors import DatasetError

EXTENSIONS = (".jsonl", ".jsonl.gz", ".csv", ".tsv", ".parquet")


class FileDataset(Dataset):
    """A dataset that is one file; `name` is its path as a person would type it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = shown(path)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the file's bytes."""
        digest = hashlib.sha256()
        with self.path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
        return digest.hexdigest()

    def where(self, row: int) -> str:
        """The file and the record's row, counted from 1."""
        return f"{shown(self.path)} row {row + 1}"


def open_file(path: Path) -> Dataset:
    """The dataset in a file, by its extension.

    Raises:
        DatasetError: the extension is unknown, or the file is unreadable or malformed.
    """
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise DatasetError(f"{shown(path)} cannot be read: {reason}") from error
    name = path.name.lower()
    if name.endswith((".jsonl", ".jsonl.gz")):
        from pytest_modeleval.datasets.jsonl import JsonlDataset

        return JsonlDataset(path)
    if name.endswith((".csv", ".tsv")):
        from pytest_modeleval.datasets.csv import CsvDataset

        return CsvDataset(path)
    if name.endswith(".parquet"):
        from pytest_modeleval.datasets.parquet import ParquetDataset

        return ParquetDataset(path)
    raise DatasetError(
        f"{shown(path)}: unknown extension {path.suffix!r}; a dataset is {', '.join(EXTENSIONS)}"
    )


def shown(path: Path) -> str:
    """A path as a person would type it: relative to the current folder where it lies in there."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
