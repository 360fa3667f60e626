"""Datasets of the Hugging Face hub, through the `datasets` package (the extra `hf`)."""

from __future__ import annotations

import hashlib
import importlib.util
import os
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
        try:
            record: Record = self._split[row]
        except Exception as error:  # an image or an audio clip that cannot be decoded here
            raise DatasetError(f"{self.where(row)} cannot be read: {error}") from error
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
    """Load a split from the hub, or from its local cache where the hub cannot be reached.

    Raises:
        DatasetMissing: `datasets` is not installed, or neither hub nor cache has the dataset.
        DatasetError: the dataset has no such configuration or split.
    """
    datasets = _import_datasets(address)
    try:
        split = datasets.load_dataset(address.name, address.config, split=address.split)
    except ValueError as error:
        if not str(error).startswith("Couldn't find cache"):
            raise DatasetError(f"{address}: {error}") from error
        raise _not_at_hand(address, error) from error
    except Exception as error:
        raise _not_at_hand(address, error) from error
    return HubDataset(address, split)


def _import_datasets(address: HubAddress) -> Any:
    package = importlib.util.find_spec("datasets")
    if package is None or package.origin is None:  # without origin: a folder of that name
        raise DatasetMissing(
            f"{address} needs the package 'datasets': pip install 'pytest-modeleval[hf]'"
        )
    settle_hub()
    return importlib.import_module("datasets")


def settle_hub() -> None:
    """Set what the hub's packages read once, at import: no telemetry, and no half minute of retries
    where there is no network."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_UPDATE_DOWNLOAD_COUNTS", "0")
    if not ({"HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"} & os.environ.keys()) and not _hub_answers():
        os.environ["HF_HUB_OFFLINE"] = "1"


def _hub_answers() -> bool:
    from ssl import SSLError
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    endpoint = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    try:
        urlopen(Request(endpoint, method="HEAD"), timeout=5).close()
    except HTTPError:
        return True
    except URLError as error:
        return isinstance(error.reason, SSLError)  # it does answer; the client may trust it
    except OSError:
        return False
    return True


def _not_at_hand(address: HubAddress, error: Exception) -> DatasetMissing:
    reason = str(error).partition("\n")[0]
    return DatasetMissing(
        f"{address} is not in the local cache of the hub, and the hub does not give it: {reason}"
    )
