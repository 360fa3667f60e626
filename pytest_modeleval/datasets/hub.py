"""Datasets of the Hugging Face hub, through the `datasets` package (the extra `hf`)."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pytest_modeleval.datasets.dataset import Dataset, Record
from pytest_modeleval.errors import DatasetError, DatasetMissing

_ADDRESS = re.compile(
    r"hf:(?P<name>[\w.-]+(?:/[\w.-]+)?)(?::(?P<config>[^\[\]:]+))?(?:\[(?P<split>.+)\])?"
)


@dataclass(frozen=True, slots=True)
class HubAddress:
    """`hf:org/name:config[split]`. Without a split it is `test`; slices like `test[:100]` work."""

    name: str
    config: str | None = None
    split: str = "test"

    @classmethod
    def parse(cls, source: str) -> HubAddress:
        """Read the text. Raises DatasetError when it is not of that form."""
        found = _ADDRESS.fullmatch(source)
        if found is None:
            raise DatasetError(f"{source!r} does not read as 'hf:org/name:config[split]'")
        return cls(found["name"], found["config"], found["split"] or "test")

    def __str__(self) -> str:
        config = f":{self.config}" if self.config else ""
        return f"hf:{self.name}{config}[{self.split}]"


class HubDataset(Dataset):
    """A split of a dataset on the hub, mapped into memory from the cache of `datasets`."""

    def __init__(self, address: HubAddress, split: Any) -> None:
        self.name = address.name
        self._address = address
        self._split = split

    def __len__(self) -> int:
        return len(self._split)

    def record(self, row: int) -> Record:
        """The row as `datasets` decodes it."""
        record: Record = self._split[row]
        return record

    def where(self, row: int) -> str:
        """The address and the row, counted from 1."""
        return f"{self._address} row {row + 1}"

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the Arrow data, a thousand rows at a time."""
        digest = hashlib.sha256()
        for batch in self._split.data.table.to_batches(max_chunksize=1000):
            digest.update(batch.serialize())
        return digest.hexdigest()


def open_hub(address: HubAddress) -> Dataset:
    """Load a split from the local cache of the hub, or else from the hub.

    Raises:
        DatasetMissing: `datasets` is not installed, or the hub does not give it.
        DatasetError: the dataset has no such configuration or split.
    """
    try:
        import datasets
    except ImportError as error:
        raise DatasetMissing(
            f"{address} needs the package 'datasets': pip install 'pytest-modeleval[hf]'"
        ) from error
    try:
        split = datasets.load_dataset(address.name, address.config, split=address.split)
    except ValueError as error:
        raise DatasetError(f"{address}: {error}") from error
    except Exception as error:
        raise DatasetMissing(
            f"{address} is not in the local cache, and the hub does not give it "
            f"({type(error).__name__}: {str(error).splitlines()[0]})"
        ) from error
    return HubDataset(address, split)
