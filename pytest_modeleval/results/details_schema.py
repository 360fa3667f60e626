"""The one Arrow schema of every details file, and how results become its columns.

Columns are built whole, level by level: a list of structs is the flat list of all its structs'
fields and the lengths of the lists. That costs a tenth of what pyarrow needs for rows of dicts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from itertools import accumulate, chain
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from pytest_modeleval.migration import Format
from pytest_modeleval.results.digests import KINDS
from pytest_modeleval.results.record import Call, SampleResult
from pytest_modeleval.results.results_json import to_json

DETAILS = Format(
    "details", "1.0", "update pytest-modeleval, or read it with the version that wrote it"
)
VERSION_KEY = b"schema_version"
"""In the metadata of a file's schema. The first files have none, and are 1.0."""

TEXT, INTEGER, NUMBER = pa.string(), pa.int64(), pa.float64()

PART = pa.struct({"type": TEXT, "text": TEXT, "url": TEXT, "media_type": TEXT})
TOOL_CALL = pa.struct({"id": TEXT, "name": TEXT, "arguments": TEXT})
MESSAGE = pa.struct(
    {
        "role": TEXT,
        "content": TEXT,
        "parts": pa.list_(PART),
        "tool_calls": pa.list_(TOOL_CALL),
        "tool_call_id": TEXT,
    }
)
LOGLIKELIHOOD = pa.struct(
    {"continuation": TEXT, "sum": NUMBER, "tokens": INTEGER, "is_greedy": pa.bool_()}
)
SAMPLING = pa.struct(
    {
        "temperature": NUMBER,
        "max_tokens": INTEGER,
        "stop": pa.list_(TEXT),
        "seed": INTEGER,
        "top_p": NUMBER,
        "top_k": INTEGER,
        "logprobs": INTEGER,
        "extra": TEXT,
    }
)
USAGE = pa.struct(
    {
        "prompt_tokens": INTEGER,
        "completion_tokens": INTEGER,
        "cached_tokens": INTEGER,
        "reasoning_tokens": INTEGER,
    }
)
DIGESTS = pa.struct(dict.fromkeys(KINDS, TEXT))
CALL = pa.struct(
    {
        "role": TEXT,
        "model": TEXT,
        "kind": TEXT,
        "messages": pa.list_(MESSAGE),
        "reply": TEXT,
        "tool_calls": pa.list_(TOOL_CALL),
        "loglikelihoods": pa.list_(LOGLIKELIHOOD),
        "sampling": SAMPLING,
        "usage": USAGE,
        "cost": NUMBER,
        "ttft_s": NUMBER,
        "tpot_s": NUMBER,
        "latency_s": NUMBER,
        "queue_s": NUMBER,
        "attempts": INTEGER,
        "cached": pa.bool_(),
        "saved": NUMBER,
        "step": TEXT,
        "endpoint": TEXT,
    }
)
DETAILS_SCHEMA = pa.schema(
    {
        "benchmark": TEXT,
        "model": TEXT,
        "id": TEXT,
        "epoch": INTEGER,
        "input": TEXT,
        "target": TEXT,
        "metadata": TEXT,
        "outcome": TEXT,
        "scores": pa.map_(TEXT, NUMBER),
        "values": TEXT,
        "error": TEXT,
        "explanation": TEXT,
        "seed": INTEGER,
        "cluster": TEXT,
        "worker": TEXT,
        "gpus": TEXT,
        "digests": DIGESTS,
        "calls": pa.list_(CALL),
    },
    metadata={VERSION_KEY: DETAILS.version},
)


def details_batch(results: Sequence[SampleResult]) -> pa.RecordBatch:
    """The results as rows of `DETAILS_SCHEMA`, in their order."""
    columns = {
        "metadata": _texts([to_json(each.metadata) if each.metadata else "{}" for each in results]),
        "scores": _scores([each.scores for each in results]),
        "values": _texts([to_json(each.values) if each.values else None for each in results]),
        "digests": _dicts([each.digests for each in results], DIGESTS),
        "calls": _lists([each.calls for each in results], CALL, _calls),
    }
    arrays = [
        columns[name] if name in columns else _column([getattr(row, name) for row in results], kind)
        for name, kind in zip(DETAILS_SCHEMA.names, DETAILS_SCHEMA.types)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=DETAILS_SCHEMA)


def _calls(calls: Sequence[Call]) -> pa.Array:
    nested = {
        "messages": _lists([each.messages for each in calls], MESSAGE, _messages),
        "tool_calls": _lists([each.tool_calls for each in calls], TOOL_CALL),
        "loglikelihoods": _lists([each.loglikelihoods for each in calls], LOGLIKELIHOOD),
        "sampling": _samplings([each.sampling for each in calls]),
        "usage": _dicts([each.usage for each in calls], USAGE),
    }
    return _struct(
        CALL, nested, lambda name, kind: _column([getattr(each, name) for each in calls], kind)
    )


def _messages(messages: Sequence[Mapping[str, Any]]) -> pa.Array:
    contents = [each["content"] for each in messages]
    texts = [each if isinstance(each, str) else None for each in contents]
    parts = [() if isinstance(each, str) else each or () for each in contents]
    nested = {
        "content": _texts(texts),
        "parts": _lists(parts, PART),
        "tool_calls": _lists([each.get("tool_calls") or () for each in messages], TOOL_CALL),
    }
    return _dicts(messages, MESSAGE, nested)


def _samplings(samplings: Sequence[Mapping[str, Any]]) -> pa.Array:
    stops = [each.get("stop") or () for each in samplings]
    nested = {
        "stop": _lists(stops, TEXT, _texts),
        "extra": _texts([_extra(each) for each in samplings]),
    }
    return _dicts(samplings, SAMPLING, nested)


_SAMPLING_NAMES = frozenset(SAMPLING.names)


def _extra(sampling: Mapping[str, Any]) -> str | None:
    extra = sampling.get("extra") or {}
    if not sampling.keys() <= _SAMPLING_NAMES:
        unknown = {name: each for name, each in sampling.items() if name not in _SAMPLING_NAMES}
        extra = {**unknown, **extra}
    return to_json(extra) if extra else None


def _scores(scores: Sequence[Mapping[str, float]]) -> pa.Array:
    names = _texts(list(chain.from_iterable(scores)))
    values = pa.array(chain.from_iterable(each.values() for each in scores), NUMBER)
    return pa.MapArray.from_arrays(_offsets(scores), names, values)


def _dicts(
    values: Sequence[Mapping[str, Any]],
    kind: pa.StructType,
    nested: Mapping[str, pa.Array] = MappingProxyType({}),
) -> pa.Array:
    return _struct(
        kind, nested, lambda name, each: _column([value.get(name) for value in values], each)
    )


def _struct(
    kind: pa.StructType,
    nested: Mapping[str, pa.Array],
    column: Callable[[str, pa.DataType], pa.Array],
) -> pa.Array:
    fields = list(kind)
    arrays = [
        nested[field.name] if field.name in nested else column(field.name, field.type)
        for field in fields
    ]
    return pa.StructArray.from_arrays(arrays, fields=fields)


def _lists(
    values: Sequence[Sequence[Any]],
    kind: pa.DataType,
    column: Callable[[list[Any]], pa.Array] | None = None,
) -> pa.Array:
    flat = list(chain.from_iterable(values))
    items = column(flat) if column is not None else _dicts(flat, kind)
    return pa.ListArray.from_arrays(_offsets(values), items, type=pa.list_(kind))


def _offsets(values: Iterable[Sized]) -> pa.Array:
    return pa.array(list(accumulate(map(len, values), initial=0)), pa.int32())


def _column(values: list[Any], kind: pa.DataType) -> pa.Array:
    return _texts(values) if kind == TEXT else pa.array(values, kind)


def _texts(values: list[str | None]) -> pa.Array:
    """UTF-8 has no lone surrogates: one is written as `\\\\udXXX`, as JSON would."""
    try:
        return pa.array(values, TEXT)
    except UnicodeEncodeError:
        encoded = (each and each.encode("utf-8", "backslashreplace") for each in values)
        return pa.array(encoded, TEXT)


def row_schema() -> dict[str, Any]:
    """The JSON Schema of a row, as `to_pylist` of its table gives it: a map is a list of pairs."""
    return _json_schema(pa.struct(list(DETAILS_SCHEMA)), nullable=False)


_JSON_TYPES = {TEXT: "string", INTEGER: "integer", NUMBER: "number", pa.bool_(): "boolean"}


def _json_schema(kind: pa.DataType, *, nullable: bool = True) -> dict[str, Any]:
    found: dict[str, Any]
    if pa.types.is_struct(kind):
        properties = {field.name: _json_schema(field.type) for field in kind}
        found = {"type": "object", "properties": properties, "required": list(properties)}
    elif pa.types.is_map(kind):
        pair = [_json_schema(kind.key_type, nullable=False), _json_schema(kind.item_type)]
        found = {"type": "array", "items": {"type": "array", "prefixItems": pair}}
    elif pa.types.is_list(kind):
        found = {"type": "array", "items": _json_schema(kind.value_type, nullable=False)}
    else:
        found = {"type": _JSON_TYPES[kind]}
    return {**found, "type": [found["type"], "null"]} if nullable else found
