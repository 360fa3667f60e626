"""From a record to a sample, where its author does not say how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_modeleval.datasets.dataset import Record
from pytest_modeleval.datasets.sample import Sample
from pytest_modeleval.datasets.sample_ids import id_text
from pytest_modeleval.errors import DatasetError

INPUT_FIELDS = ("input", "question", "prompt")
TARGET_FIELDS = ("target", "answer")


def sample_from_record(record: Record, id_field: str = "id") -> Sample:
    """The default conversion.

    `input` is the first of the fields input, question and prompt; `target` the first of target
    and answer; `choices` a list of texts. The other fields become the metadata, those inside a
    field `metadata` too.

    Raises:
        DatasetError: none of the input fields is there, or id or choices is of another type.
    """
    rest: dict[str, Any] = dict(record)
    input_field = next((name for name in INPUT_FIELDS if name in rest), None)
    if input_field is None:
        raise DatasetError(
            f"no field {', '.join(map(repr, INPUT_FIELDS[:-1]))} or {INPUT_FIELDS[-1]!r} "
            f"({fields(record)}); pass sample=fn to turn a record into a Sample"
        )
    target_field = next((name for name in TARGET_FIELDS if name in rest), None)
    identity = id_text(rest.pop(id_field, None))
    input_ = rest.pop(input_field)
    target = rest.pop(target_field) if target_field else None
    choices = _choices(rest.pop("choices")) if "choices" in rest else ()
    nested = rest.get("metadata")
    if isinstance(nested, Mapping):
        del rest["metadata"]
        rest.update(nested)
    return Sample(identity, input_, target, choices, rest)


def fields(record: Record) -> str:
    """The fields of a record, for an error's sentence."""
    return f"the record has {', '.join(map(str, record)) or 'no fields'}"


def _choices(value: Any) -> tuple[str, ...]:
    if isinstance(value, (list, tuple)) and all(isinstance(choice, str) for choice in value):
        return tuple(value)
    raise DatasetError(
        f"choices must be a list of texts, not {value!r:.60}; "
        "pass sample=fn to turn a record into a Sample"
    )
