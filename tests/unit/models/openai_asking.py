"""Asking the openai backend, as its tests do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from pytest_modeleval.errors import RequestError
from pytest_modeleval.models.messages import Message, Tool
from pytest_modeleval.models.openai import OpenAIBackend
from pytest_modeleval.models.protocol import (
    Backend,
    Generation,
    Request,
    Sampling,
)
from tests import asking
from tests.fake_openai import FakeOpenAI, Fault

T = TypeVar("T")
KEY = "sk-test-1234567890abcdef"


def ask(
    server: FakeOpenAI, use: Callable[[Backend], Awaitable[T]], name: str = "fake", **arguments: Any
) -> T:
    """What `use` makes of a backend that was started and is closed after it."""
    return asking.ask(OpenAIBackend(name, **{"base_url": server.url, **arguments}), use)


def generate(
    server: FakeOpenAI,
    *messages: Message,
    sampling: Sampling | None = None,
    tools: tuple[Tool, ...] = (),
    **arguments: Any,
) -> Generation:
    request = Request(
        sampling or Sampling(), messages=messages or (Message("user", "hi"),), tools=tools
    )
    return ask(server, lambda backend: backend.generate(request), **arguments)


def complete(server: FakeOpenAI, sampling: Sampling | None = None, **arguments: Any) -> Generation:
    request = Request(sampling or Sampling(), prompt="once upon")
    return ask(server, lambda backend: backend.generate(request), **arguments)


def failure(server: FakeOpenAI, fault: Fault, **arguments: Any) -> RequestError:
    """The error of a request that meets `fault`, when the probe met none."""
    server.fault = lambda seen: None if seen.path == "/v1/models" else fault
    with pytest.raises(RequestError) as caught:
        generate(server, **arguments)
    assert "\n" not in str(caught.value)
    return caught.value
