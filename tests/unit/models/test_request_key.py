"""Two requests have the same key only when everything that an answer depends on is the same."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest

from pytest_modeleval.models.messages import ContentPart, Message, Tool, ToolCall
from pytest_modeleval.models.protocol import (
    Identity,
    LoglikelihoodRequest,
    Origin,
    Request,
    Sampling,
)
from pytest_modeleval.models.request_key import RequestKeys

ORIGIN = Origin("b", "s", 1, 2)
FULL = Request(
    Sampling(0.5, 9, ("x",), 1, 0.9, 40, 2, {"penalty": 1, "deep": {"a": [1, 2]}}),
    (
        Message("user", (ContentPart("image", "t", "data:,x", "image/png"),)),
        Message("assistant", "", (ToolCall("1", "f", "{}"),)),
        Message("tool", "r", (), "1"),
    ),
    "prompt",
    (Tool("f", "d", {"type": "object"}),),
    ORIGIN,
)
LOGLIKELIHOOD = LoglikelihoodRequest("context", (" a", " b"), ORIGIN)
IDENTITY = Identity("openai", "m", "r1", "1.0", {"base_url": "http://a"})
IGNORED = {(Origin, "benchmark"), (Origin, "deadline")}


def key(request: Any, identity: Identity = IDENTITY, run_id: str = "run") -> bytes:
    found = RequestKeys(identity, run_id).key(request)
    assert found is not None
    return found


def changed(value: Any, hint: Any) -> Any:
    """Another value of the same type."""
    choices = [each for each in get_args(hint) if each is not type(None)]
    if get_origin(hint) is Literal:
        return next(each for each in get_args(hint) if each != value)
    if isinstance(value, str):
        return value + "'"
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    if isinstance(value, Mapping):
        return {**value, "more": 1}
    if isinstance(value, tuple):
        return value[:-1] if value else ("more",)
    if value is None and get_origin(hint) in (Union, types.UnionType):
        return {str: "more", int: 7, float: 7.5}.get(choices[0], ("more",))
    raise NotImplementedError(f"{value!r} of {hint}: teach this test how to change it")


def variants(value: Any) -> Iterator[tuple[str, Any]]:
    """The value with one field changed, for every field of every dataclass in it."""
    if isinstance(value, tuple):
        for place, each in enumerate(value):
            for name, other in variants(each):
                yield f"{place}.{name}", (*value[:place], other, *value[place + 1 :])
    if not dataclasses.is_dataclass(value):
        return
    hints = get_type_hints(type(value))
    for field in dataclasses.fields(value):
        if (type(value), field.name) in IGNORED:
            continue
        now = getattr(value, field.name)
        name = f"{type(value).__name__}.{field.name}"
        if not dataclasses.is_dataclass(now):
            yield name, replace(value, **{field.name: changed(now, hints[field.name])})
        for inner, other in variants(now):
            yield f"{name}.{inner}", replace(value, **{field.name: other})


@pytest.mark.parametrize("request_", [FULL, LOGLIKELIHOOD], ids=["generate", "loglikelihood"])
def test_every_field_of_a_request_counts(request_: Any) -> None:
    names, others = zip(*variants(request_))
    keys = {key(request_): "itself"}
    for name, other in zip(names, others):
        assert key(other) not in keys, f"{name} makes no difference to {keys[key(other)]}"
        keys[key(other)] = name
    assert len(names) >= 5


def test_every_class_of_the_protocol_is_in_the_full_request() -> None:
    names = {part for name, _ in variants(FULL) for part in name.split(".")}
    kinds = {Request, Sampling, Message, ContentPart, ToolCall, Tool, Origin}
    assert {kind.__name__ for kind in kinds} <= names


def test_every_field_of_an_identity_counts() -> None:
    keys = [key(FULL, identity) for _, identity in variants(IDENTITY)]
    assert len({key(FULL), *keys}) == len(dataclasses.fields(Identity)) + 1


def test_the_benchmarks_name_and_the_time_that_is_left_do_not_count() -> None:
    renamed = replace(FULL, origin=replace(ORIGIN, benchmark="other", deadline=5.0))
    assert key(renamed) == key(FULL)


def test_without_a_revision_the_run_counts() -> None:
    unproved = replace(IDENTITY, revision=None)
    assert key(FULL, unproved, "one") != key(FULL, unproved, "two")
    assert key(FULL, unproved, "one") == key(FULL, unproved, "one")
    assert key(FULL, IDENTITY, "one") == key(FULL, IDENTITY, "two")
    assert key(FULL, replace(IDENTITY, revision=""), "one") != key(
        FULL, replace(IDENTITY, revision=""), "two"
    )


def test_a_chat_is_no_completion_and_a_text_is_no_part() -> None:
    sampling = Sampling()
    asked = [
        Request(sampling, (Message("user", "hi"),), origin=ORIGIN),
        Request(sampling, (Message("system", "hi"),), origin=ORIGIN),
        Request(sampling, (Message("user", (ContentPart("text", "hi"),)),), origin=ORIGIN),
        Request(sampling, prompt="hi", origin=ORIGIN),
        Request(sampling, (Message("user", "h"), Message("user", "i")), origin=ORIGIN),
    ]
    assert len(set(map(key, asked))) == len(asked)


def test_what_comes_from_outside_of_a_sample_has_no_key() -> None:
    assert RequestKeys(IDENTITY, "run").key(replace(FULL, origin=None)) is None


def test_odd_text_has_a_key() -> None:
    odd = ["\ud800", "\udc00", "\x00", "", "\U0001f600", "\ud83d\ude00"]
    asked = [Request(Sampling(), prompt=text, origin=ORIGIN) for text in odd]
    # JSON writes the last two alike, and so would every server be told.
    assert len(set(map(key, asked))) == len(odd) - 1


def test_what_json_cannot_say_has_no_key() -> None:
    request = replace(FULL, sampling=Sampling(extra={"grammar": object()}))
    with pytest.raises(TypeError, match="object has no form in JSON"):
        key(request)


def test_a_key_stays_the_same_from_version_to_version() -> None:
    """Where this fails every cache is lost: if that is meant, put another number here."""
    assert key(FULL).hex()[:16] == "607b37e712164876"
