"""How many tokens are worked on at once, where memory goes by tokens."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator


class TokenBudget:
    """Lets requests go on while the tokens in flight stay within `limit`; one alone always may."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken = 0
        self._freed = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def take(self, tokens: int) -> AsyncIterator[None]:
        async with self._freed:
            await self._freed.wait_for(
                lambda: not self._taken or self._taken + tokens <= self._limit
            )
            self._taken += tokens
        try:
            yield
        finally:
            self._taken -= tokens
            async with self._freed:
                self._freed.notify_all()
