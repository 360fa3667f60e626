"""Async fixtures of benchmarks, set up on the loop where the bodies run."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pytest_modeleval.background import BackgroundLoop


@contextmanager
def on_background(background: BackgroundLoop, fixturedef: Any, request: Any) -> Iterator[None]:
    """While an `async def` fixture is set up for a benchmark, a plain function stands in for it.

    So pytest sets it up as any other, and plugins that have a loop of their own (pytest-asyncio,
    anyio) leave it alone: a connection that was opened there would be of no use to the bodies.
    """
    from _pytest.fixtures import resolve_fixture_function

    with pytest.MonkeyPatch.context() as patches:
        function: Any = resolve_fixture_function(fixturedef, request)
        if inspect.isasyncgenfunction(function):
            patches.setattr(fixturedef, "func", _generator(background, function))
        elif inspect.iscoroutinefunction(function):
            patches.setattr(fixturedef, "func", _plain(background, function))
        yield


def _plain(background: BackgroundLoop, function: Callable[..., Any]) -> Callable[..., Any]:
    def fixture(**arguments: Any) -> Any:
        return background.run(function(**arguments))

    return fixture


def _generator(background: BackgroundLoop, function: Callable[..., Any]) -> Callable[..., Any]:
    def fixture(**arguments: Any) -> Iterator[Any]:
        generator = function(**arguments)
        yield background.run(_first(generator))
        background.run(_finish(generator))

    return fixture


async def _first(generator: AsyncGenerator[Any, None]) -> Any:
    return await generator.__anext__()


async def _finish(generator: AsyncGenerator[Any, None]) -> None:
    try:
        await generator.__anext__()
    except StopAsyncIteration:
        return
    raise RuntimeError("an async fixture may yield only once")
