"""Async fixtures of benchmarks, set up on the loop where the bodies run."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator
from typing import Any, cast

from pytest_modeleval.background import BackgroundLoop


def set_up_async(background: BackgroundLoop, fixturedef: Any, request: Any) -> object:
    """Set up an `async def` fixture that no other plugin has made its own, and keep its value
    where pytest looks for it."""
    from _pytest.fixtures import resolve_fixture_function

    function = resolve_fixture_function(fixturedef, request)
    arguments = {name: request.getfixturevalue(name) for name in fixturedef.argnames}
    key = fixturedef.cache_key(request)
    try:
        if inspect.isasyncgenfunction(function):
            generator = cast(AsyncGenerator[Any, None], function(**arguments))
            value = background.run(_first(generator))
            fixturedef.addfinalizer(lambda: background.run(_finish(generator)))
        else:
            value = background.run(function(**arguments))
    except BaseException as error:
        fixturedef.cached_result = (None, key, (error, error.__traceback__))
        raise
    fixturedef.cached_result = (value, key, None)
    return value


async def _first(generator: AsyncGenerator[Any, None]) -> Any:
    return await generator.__anext__()


async def _finish(generator: AsyncGenerator[Any, None]) -> None:
    try:
        await generator.__anext__()
    except StopAsyncIteration:
        return
    raise RuntimeError("an async fixture may yield only once")
