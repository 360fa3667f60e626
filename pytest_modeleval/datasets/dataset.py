"""What a source of records must offer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from pytest_modeleval.datasets.sample import Sample

Record: TypeAlias = Mapping[str, Any]
Converted: TypeAlias = "Sample | Record | Sequence[Sample | Record]"
ToSample: TypeAlias = Callable[[Record], Converted]


class Dataset(ABC):
    """Records in a fixed order, each read when it is asked for.

    `id_prefix` goes before the row number in the id of a sample that has none of its own.
    `to_sample` turns a record into a sample (or several) where a benchmark does not say how; None
    stands for the default conversion.
    """

    name: str
    id_prefix: str = ""
    to_sample: ToSample | None = None

    @abstractmethod
    def __len__(self) -> int:
        """How many records there are."""

    @abstractmethod
    def record(self, row: int) -> Record:
        """The record of a row, counted from 0. Raises DatasetError when it is malformed."""

    @abstractmethod
    def where(self, row: int) -> str:
        """Where a person finds the record: "data/questions.jsonl line 17"."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """SHA-256, in hex, of the file's bytes or of the records: the same on every machine."""
