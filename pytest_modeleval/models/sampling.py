"""What a benchmark, an alias or the command line says about decoding, checked."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

from pytest_modeleval.errors import UsageError
from pytest_modeleval.models.protocol import Sampling

SAMPLING_FIELDS = tuple(field.name for field in dataclasses.fields(Sampling))


def checked(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `Sampling`, with `stop` as a tuple. Raises UsageError for a name or a value that
    cannot be meant."""
    fields = {}
    for name, value in asked.items():
        if name not in _EXPECTED:
            raise UsageError(
                f"unknown sampling parameter {name!r}: there are {', '.join(SAMPLING_FIELDS)}; "
                "what only one backend knows goes into extra={…}"
            )
        fits, expected = _EXPECTED[name]
        if not fits(value):
            raise UsageError(f"sampling parameter {name}={value!r:.60}: expected {expected}")
        fields[name] = value
    if isinstance(fields.get("stop"), str):
        fields["stop"] = (fields["stop"],)
    elif "stop" in fields:
        fields["stop"] = tuple(fields["stop"])
    return fields


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _stops(value: object) -> bool:
    return isinstance(value, str) or (
        isinstance(value, (list, tuple)) and all(isinstance(each, str) for each in value)
    )


_EXPECTED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "temperature": (lambda value: _number(value) and value >= 0, "a number of 0 or more"),
    "max_tokens": (lambda value: _whole(value, 1), "a whole number of 1 or more"),
    "stop": (_stops, "a text or a list of texts"),
    "seed": (lambda value: value is None or _whole(value, 0), "a whole number of 0 or more"),
    "top_p": (
        lambda value: value is None or (_number(value) and 0 < value <= 1),
        "a number above 0 and up to 1",
    ),
    "top_k": (lambda value: value is None or _whole(value, -1), "a whole number"),
    "logprobs": (lambda value: value is None or _whole(value, 0), "a whole number of 0 or more"),
    "extra": (lambda value: isinstance(value, Mapping), "a mapping"),
}
