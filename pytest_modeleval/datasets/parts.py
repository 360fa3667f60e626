"""Several datasets, one after the other, as one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from functools import cached_property
from itertools import accumulate

from pytest_modeleval.datasets.dataset import Dataset, Record
from pytest_modeleval.datasets.iterable import fingerprint


class PartedDataset(Dataset):
    """Datasets by name, in that order.

    A record has two fields more: `field` holds the name of its part, `row` its row in there,
    counted from 0.
    """

    def __init__(self, name: str, parts: Mapping[str, Dataset], field: str) -> None:
        self.name = name
        self._names = list(parts)
        self._parts = list(parts.values())
        self._field = field
        self._starts = [0, *accumulate(map(len, self._parts))]

    def __len__(self) -> int:
        return self._starts[-1]

    def record(self, row: int) -> Record:
        """The record of the part that the row lies in."""
        part, inside = self._place(row)
        record = self._parts[part].record(inside)
        return {**record, self._field: self._names[part], "row": inside}

    def where(self, row: int) -> str:
        """The place in the part."""
        part, inside = self._place(row)
        return self._parts[part].where(inside)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the parts' names and fingerprints."""
        pairs = zip(self._names, self._parts)
        return fingerprint({"part": name, "sha256": part.fingerprint} for name, part in pairs)

    def _place(self, row: int) -> tuple[int, int]:
        part = bisect_right(self._starts, row) - 1
        return part, row - self._starts[part]
