"""The samples of a dataset, as a sequence: ids at once, payloads when they are asked for."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_modeleval.datasets.conversion import fields, sample_from_record
from pytest_modeleval.datasets.dataset import Dataset, Record, ToSample
from pytest_modeleval.datasets.sample import Sample
from pytest_modeleval.datasets.sample_ids import id_text, row_width, safe_id
from pytest_modeleval.errors import DatasetError

if TYPE_CHECKING:
    from pytest_modeleval.datasets.few_shot import Examples

_WHOLE = -1  # the part of a record that gave one sample, not a list of them


class Samples:
    """A dataset's samples in its order. Every record is converted once here, so that a malformed
    one is found before any sample runs; what is kept are its row and its id.

    Args:
        dataset: where the records are.
        to_sample: turns a record into a `Sample`, a mapping with a sample's fields, or a list of
            them; called again when a sample is asked for. Default: the dataset's own way.
        id_field: the field that holds the id of a record.

    Raises:
        DatasetError: the dataset is empty or a record malformed, or two samples have one id.
    """

    examples: Examples | None = None

    def __init__(
        self, dataset: Dataset, to_sample: ToSample | None = None, *, id_field: str = "id"
    ) -> None:
        self.dataset = dataset
        self._to_sample = to_sample or dataset.to_sample
        self._id_field = id_field
        self._rows = array("L")
        self._parts = array("l")
        self._width = row_width(len(dataset))
        ids: list[str] = []
        for row in range(len(dataset)):
            made = self._convert(row)
            if isinstance(made, Sample):
                self._rows.append(row)
                self._parts.append(_WHOLE)
                ids.append(made.id)
            else:
                self._rows.extend([row] * len(made))
                self._parts.extend(range(len(made)))
                ids.extend(sample.id for sample in made)
        if not ids:
            raise DatasetError(f"dataset {dataset.name} is empty: it has no samples")
        self._ids = self._unique(ids) if any(ids) else None

    def __len__(self) -> int:
        return len(self._rows)

    def id(self, index: int) -> str:
        """The id of a sample: of its own, or its row's number (and part)."""
        return self._ids[index] if self._ids else self._row_id(index)

    def where(self, index: int) -> str:
        """Where a person finds the record of a sample."""
        return self.dataset.where(self._rows[index])

    def sample(self, index: int, epoch: int = 0) -> Sample:
        """The sample, read from the dataset, with its few-shot examples."""
        made = self._made(index)
        own = self.id(index)
        shown = self.examples.before(own, made.input) if self.examples else made.few_shot
        return replace(made, id=own, few_shot=shown, epoch=epoch)

    def bare(self, index: int) -> Sample:
        """The sample without few-shot examples drawn for it."""
        return replace(self._made(index), id=self.id(index))

    def _made(self, index: int) -> Sample:
        part = self._parts[index]
        made = self._convert(self._rows[index])
        if isinstance(made, Sample) and part == _WHOLE:
            return made
        if isinstance(made, list) and 0 <= part < len(made):
            return made[part]
        raise DatasetError(
            f"{self.where(index)}: sample={_name(self._to_sample)} made something else of this "
            "record than at collection; it must always return the same"
        )

    def _convert(self, row: int) -> Sample | list[Sample]:
        """The sample or samples of a record; an id that is still empty means: the row's."""
        record = self.dataset.record(row)
        try:
            if self._to_sample is None:
                return sample_from_record(record, self._id_field)
            made = self._call(record)
            if isinstance(made, (Sample, Mapping)):
                return self._finished(made, record)
            if isinstance(made, Sequence) and not isinstance(made, (str, bytes)):
                return [self._finished(one, record, f"-{k}") for k, one in enumerate(made)]
            raise DatasetError(
                f"sample={_name(self._to_sample)} returned {type(made).__name__}; "
                "expected a Sample, a mapping or a list of them"
            )
        except DatasetError as error:
            raise DatasetError(f"{self.dataset.where(row)}: {error}") from error

    def _call(self, record: Record) -> Any:
        assert self._to_sample is not None
        try:
            return self._to_sample(record)
        except DatasetError:
            raise
        except Exception as error:
            raise DatasetError(
                f"sample={_name(self._to_sample)} raised {type(error).__name__}: {error} "
                f"({fields(record)})"
            ) from error

    def _finished(self, made: Sample | Record, record: Record, suffix: str = "") -> Sample:
        if isinstance(made, Mapping):
            made = sample_from_record(made)
        if not isinstance(made, Sample):
            raise DatasetError(
                f"sample={_name(self._to_sample)} returned a list with {type(made).__name__} in "
                "it; expected a Sample or a mapping"
            )
        own = id_text(made.id)
        if not own and (of_record := id_text(record.get(self._id_field))):
            own = of_record + suffix
        return made if own is made.id else replace(made, id=own)

    def _row_id(self, index: int) -> str:
        prefix = f"{self.dataset.id_prefix}-" if self.dataset.id_prefix else ""
        part = self._parts[index]
        suffix = "" if part == _WHOLE else f"-{part}"
        return f"{prefix}{self._rows[index]:0{self._width}}{suffix}"

    def _unique(self, ids: list[str]) -> list[str]:
        unique = [safe_id(own) if own else self._row_id(i) for i, own in enumerate(ids)]
        if len(set(unique)) == len(unique):
            return unique
        seen: dict[str, int] = {}
        for index, own in enumerate(unique):
            if own in seen:
                raise DatasetError(
                    f"{self.where(index)}: id {own!r} was already given by "
                    f"{self.where(seen[own])}; ids must be unique"
                )
            seen[own] = index
        raise AssertionError("unreachable")


def _name(function: ToSample | None) -> str:
    return getattr(function, "__qualname__", None) or repr(function)
