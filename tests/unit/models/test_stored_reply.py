"""What the response cache keeps of an answer, and which answers it keeps."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import replace

import pytest

from pytest_modeleval.models.answer import Answer
from pytest_modeleval.models.messages import ToolCall
from pytest_modeleval.models.protocol import (
    Generation,
    LogLikelihood,
    LoglikelihoodRequest,
    Request,
    Sampling,
    TokenLogprob,
    Usage,
)
from pytest_modeleval.models.stored_reply import is_whole, pack, unpack

ASKED = Request(Sampling(), prompt="?")
SCORED = LoglikelihoodRequest("c", ("a", "b"))
FULL = Generation(
    "said \ud800 \x00 ü",
    "length",
    (ToolCall("1", "f", "{}"), ToolCall("2", "g", "")),
    Usage(1, 2, 3, 4),
    (TokenLogprob("a", -0.5, (("b", -1.0), ("c", -math.inf))), TokenLogprob("d", 0.0)),
    "thought",
    0.1,
    0.2,
    0.3,
)


def kept(value: object) -> Answer:
    answer = unpack(pack(Answer(value, 0.5, queue_s=9.0, attempts=3, cost=0.25)))
    assert answer is not None
    return answer


def test_every_field_of_a_generation_comes_back() -> None:
    defaults = Generation("")
    for field in dataclasses.fields(Generation):
        assert getattr(FULL, field.name) != getattr(defaults, field.name), "fill the new field"
    for field in dataclasses.fields(Usage):
        assert getattr(FULL.usage, field.name) is not None, "fill the new field"
    assert kept(FULL).value == FULL
    assert kept(Generation("a", "stop")).value == Generation("a", "stop")


def test_log_likelihoods_come_back() -> None:
    value = [LogLikelihood(-1.5, 2, True), LogLikelihood(-math.inf, 1)]
    assert kept(value).value == value


def test_it_was_not_asked_for() -> None:
    answer = kept(FULL)
    assert (answer.cached, answer.attempts, answer.queue_s) == (True, 0, 0.0)
    assert (answer.cost, answer.saved, answer.latency_s) == (0.0, 0.25, 0.5)


def test_what_had_no_price_saves_none() -> None:
    answer = unpack(pack(Answer(FULL, None)))
    assert answer is not None
    assert (answer.cost, answer.saved, answer.latency_s) == (None, None, None)


def test_a_long_reply_is_compressed() -> None:
    long = Generation("word " * 10_000, "stop")
    assert len(pack(Answer(long, 0.1))) < 1000
    assert kept(long).value == long


@pytest.mark.parametrize(
    "reply",
    [
        Generation("", "stop"),
        Generation(" \n", "stop"),
        Generation("cut", None),
        Generation("cut", "error"),
        Generation("cut", "abort"),
        Generation("cut", "insufficient_system_resource"),
    ],
)
def test_an_empty_reply_or_one_that_was_cut_off_is_not_whole(reply: Generation) -> None:
    assert not is_whole(ASKED, reply)


@pytest.mark.parametrize(
    "reply",
    [
        Generation("a", "stop"),
        Generation("a", "length"),
        Generation("", "tool_calls", (ToolCall("1", "f", "{}"),)),
        Generation("", "length", reasoning="thought"),
    ],
)
def test_a_models_own_reply_is_whole(reply: Generation) -> None:
    assert is_whole(ASKED, reply)


def test_log_likelihoods_are_whole_when_each_is_a_number() -> None:
    good = [LogLikelihood(-1.0, 1), LogLikelihood(-math.inf, 1)]
    assert is_whole(SCORED, good)
    assert not is_whole(SCORED, good[:1])
    assert not is_whole(SCORED, [good[0], LogLikelihood(math.nan, 1)])
    assert not is_whole(replace(SCORED, continuations=()), [])


@pytest.mark.parametrize(
    "bytes_",
    [
        b"",
        b"x\x9c",
        b"{",
        b"{}",
        b"[]",
        b'{"text": 1}',
        b'{"text": "a", "cost": null, "latency_s": null}',
        b'{"text": 5, "cost": null, "latency_s": null, "finish_reason": "stop", "usage": [], '
        b'"times": [1, 2, 3]}',
        b'{"loglikelihoods": [[1]], "cost": null, "latency_s": 1}',
        b'{"text":' + b"[" * 100_000,
        json.dumps({"loglikelihoods": 5, "cost": None, "latency_s": 1}).encode(),
    ],
)
def test_bytes_that_were_never_packed_are_no_answer(bytes_: bytes) -> None:
    assert unpack(bytes_) is None
