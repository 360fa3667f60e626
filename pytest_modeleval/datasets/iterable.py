"""Records made by Python code: a list, a generator, a function."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from pytest_modeleval.datasets.dataset import Dataset, Record
from pytest_modeleval.errors import DatasetError


class IterableDataset(Dataset):
    """Any iterable of mappings, gone through once and kept as it is."""

    def __init__(self, records: Iterable[Any], name: str = "records") -> None:
        self.name = self._place = name
        self._records: list[Record] = []
        for record in _guarded(records, name):
            if not isinstance(record, Mapping):
                raise DatasetError(
                    f"{self.where(len(self._records))} is of type {type(record).__name__}; "
                    "expected a mapping of field names to values"
                )
            self._records.append(record)

    def __len__(self) -> int:
        return len(self._records)

    def record(self, row: int) -> Record:
        """The record as it was given."""
        return self._records[row]

    def where(self, row: int) -> str:
        """The record as Python would index it."""
        return f"{self._place}[{row}]"

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the records as canonical JSON, one a line."""
        return fingerprint(self._records)


def fingerprint(records: Iterable[Record]) -> str:
    """SHA-256 of records as JSON with sorted keys, one a line."""
    digest = hashlib.sha256()
    for record in records:
        try:
            line = json.dumps(dict(record), sort_keys=True, default=_text)
        except (TypeError, ValueError):  # keys of several types, a record inside itself
            line = _text(record)
        digest.update(line.encode() + b"\n")
    return digest.hexdigest()


def _text(value: Any) -> str:
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))  # addresses differ from run to run


def _guarded(records: Iterable[Any], name: str) -> Iterable[Any]:
    """Iterate; an exception of the author's code becomes one sentence."""
    try:
        yield from records
    except DatasetError:
        raise
    except Exception as error:
        raise DatasetError(
            f"making the records of {name} raised {type(error).__name__}: {error}"
        ) from error
