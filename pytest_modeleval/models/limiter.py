"""How many requests an endpoint is given at once."""

from __future__ import annotations

import asyncio
from types import TracebackType


class Limiter:
    """At most `limit` requests in flight; the others wait in the order they came.

    async with limiter:
        await backend.generate(request)
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.in_flight = 0
        self.waiting = 0
        self._semaphore = asyncio.Semaphore(limit)

    @property
    def full(self) -> bool:
        """Whether one more request would have to wait."""
        return self.in_flight + self.waiting >= self.limit

    async def __aenter__(self) -> None:
        self.waiting += 1
        try:
            await self._semaphore.acquire()
        finally:
            self.waiting -= 1
        self.in_flight += 1

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.in_flight -= 1
        self._semaphore.release()
