"""Asking a backend without anything round it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pytest_modeleval.models.protocol import Backend

B = TypeVar("B", bound=Backend)
T = TypeVar("T")


def ask(backend: B, use: Callable[[B], Awaitable[T]]) -> T:
    """What `use` makes of a backend that is started for it and closed after it."""

    async def main() -> T:
        try:
            await backend.start()
            return await use(backend)
        finally:
            await backend.aclose()

    return asyncio.run(main())
