"""Whatever of a request changes, its digest does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_modeleval.models.answer import AnyRequest
from pytest_modeleval.models.messages import ContentPart, Message, Tool, ToolCall
from pytest_modeleval.models.protocol import LoglikelihoodRequest, Origin, Request, Sampling
from pytest_modeleval.models.request_digest import request_digest

ORIGIN = Origin("test_it", "s1")
CHAT = Request(Sampling(), (Message("user", "hello"),), origin=ORIGIN)
COMPLETION = Request(Sampling(), prompt="hello", origin=ORIGIN)
LIKELIHOOD = LoglikelihoodRequest("hello", ("a", "b"), ORIGIN)


def said(*messages: Message) -> Request:
    return replace(CHAT, messages=messages)


def sampled(**fields: object) -> Request:
    return replace(CHAT, sampling=replace(Sampling(), **fields))  # type: ignore[arg-type]


REQUESTS: list[AnyRequest] = [
    CHAT,
    COMPLETION,
    LIKELIHOOD,
    replace(COMPLETION, prompt=""),
    replace(LIKELIHOOD, context=None),
    replace(LIKELIHOOD, continuations=("ab",)),
    replace(LIKELIHOOD, continuations=("b", "a")),
    said(),
    said(Message("system", "hello")),
    said(Message("user", "hell"), Message("user", "o")),
    said(Message("user", (ContentPart("text", "hello"),))),
    said(Message("user", (ContentPart("image", url="data:,hello"),))),
    said(Message("user", "hello", tool_call_id="1")),
    said(Message("user", "hello", (ToolCall("1", "f", "{}"),))),
    said(Message("user", "hello\ud800")),
    *(
        sampled(**{name: value})
        for name, value in {
            "temperature": 0.5,
            "max_tokens": 3,
            "stop": ("a",),
            "seed": 3,
            "top_p": 0.5,
            "top_k": 3,
            "logprobs": 3,
            "extra": {"min_p": 0.5},
        }.items()
    ),
    replace(CHAT, tools=(Tool("f", "does it", {"type": "object"}),)),
    replace(CHAT, tools=(Tool("f", "does it", {"type": "string"}),)),
    replace(CHAT, origin=replace(ORIGIN, sample_id="s2")),
    replace(CHAT, origin=replace(ORIGIN, epoch=1)),
    replace(CHAT, origin=None),
]


def test_each_is_its_own() -> None:
    digests = [request_digest("model", each) for each in REQUESTS]
    assert len(set(digests)) == len(REQUESTS)
    assert {len(each) for each in digests} == {32}
    assert request_digest("judge", CHAT) not in digests


@pytest.mark.parametrize("field", ["benchmark", "call", "deadline"])
def test_what_does_not_count(field: str) -> None:
    other = replace(CHAT, origin=replace(ORIGIN, **{field: 7}))  # type: ignore[arg-type]
    assert request_digest("model", other) == request_digest("model", CHAT)
