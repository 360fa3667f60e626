"""The echo backend."""

from __future__ import annotations

import asyncio

import pytest

from pytest_modeleval.errors import UsageError
from pytest_modeleval.models.echo import EchoBackend
from pytest_modeleval.models.messages import ContentPart, Message
from pytest_modeleval.models.protocol import Backend, Request, Sampling


def reply(**request: object) -> str:
    backend: Backend = EchoBackend("")
    return asyncio.run(backend.generate(Request(Sampling(), **request))).text  # type: ignore[arg-type]


def test_a_chat_answers_with_the_last_message_of_the_user() -> None:
    dialogue = (Message("user", "one"), Message("user", "two"), Message("assistant", "three"))
    assert reply(messages=dialogue) == "two"


def test_the_text_parts_of_a_message_are_joined() -> None:
    parts = (ContentPart("text", "see "), ContentPart("image", url="x"), ContentPart("text", "it"))
    assert reply(messages=(Message("user", parts),)) == "see it"


def test_a_chat_without_a_user_answers_with_nothing() -> None:
    assert reply(messages=(Message("system", "be brief"),)) == ""


def test_a_completion_answers_with_its_prompt() -> None:
    assert reply(prompt="1+1=") == "1+1="


def test_usage_is_not_invented() -> None:
    generation = asyncio.run(EchoBackend("").generate(Request(Sampling(), prompt="a b")))
    assert generation.usage.prompt_tokens is None
    assert generation.usage.completion_tokens is None


def test_latency_is_waited_for_and_measured() -> None:
    backend = EchoBackend("", latency=0.02)
    generation = asyncio.run(backend.generate(Request(Sampling(), prompt="x")))
    assert generation.latency_s is not None
    assert generation.latency_s >= 0.02


def test_a_loglikelihood_is_minus_the_number_of_characters() -> None:
    answers = asyncio.run(EchoBackend("").loglikelihood("2+2=", ["4", " four"]))
    assert [(each.sum, each.tokens) for each in answers] == [(-1.0, 1), (-5.0, 5)]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            {"latancy": 1},
            "unknown argument 'latancy'; there are concurrency, latency. Did you mean latency?",
        ),
        ({"latency": -1}, "latency=-1: expected a number of seconds"),
        ({"latency": float("nan")}, "latency=nan: expected a number of seconds"),
        ({"latency": "1"}, "latency='1': expected a number of seconds"),
        ({"concurrency": 0}, "concurrency=0: expected a whole number of at least 1"),
        ({"concurrency": True}, "concurrency=True: expected a whole number of at least 1"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, object], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        EchoBackend("", **arguments)
    assert str(caught.value) == f"echo: {sentence}"
