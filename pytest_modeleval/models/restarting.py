"""An engine of this process that has died is started anew, and what was in it is asked again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from pytest_modeleval.errors import EngineDied, StopRun
from pytest_modeleval.models.answer import Answer, AnyRequest, Layer
from pytest_modeleval.models.protocol import Backend

MOST_RESTARTS = 3
"""How often an engine is started anew in a run: one that dies again and again will do so again."""


class Restarting:
    """Passes requests on, and waits with them while the engine is started anew.

    What was in the engine when it died ends with EngineDied, so that it is asked again; also where
    the engine itself would never have answered. `warn` is told of each restart.
    """

    def __init__(
        self, inner: Layer, backend: Backend, alias: str, warn: Callable[[str], None]
    ) -> None:
        self._inner = inner
        self._backend = backend
        self._alias = alias
        self._warn = warn
        self._asked: set[asyncio.Task[Answer]] = set()
        self._engine = 0
        self._restart: asyncio.Task[None] | None = None
        self.restarts = 0
        """How often it was started anew so far."""

    async def answer(self, request: AnyRequest) -> Answer:
        """Raises StopRun where the engine cannot be started anew, or is not what it was."""
        if self._restart is not None:
            await asyncio.shield(self._restart)
        engine = self._engine
        ask = asyncio.ensure_future(self._inner.answer(request))
        self._asked.add(ask)
        try:
            await asyncio.wait({ask})
        finally:
            self._asked.discard(ask)
            ask.cancel()  # nobody waits for it any more, if it still runs
        if engine == self._engine:
            if ask.cancelled() or not isinstance(ask.exception(), EngineDied):
                return ask.result()
            self._engine += 1
            self._restart = asyncio.create_task(self._start_anew(str(ask.exception())))
        elif not ask.cancelled() and ask.exception() is None:
            return ask.result()  # the last that it said
        if self._restart is not None:
            await asyncio.shield(self._restart)
        raise EngineDied(f"the engine of {self._alias} died, and was started anew")

    async def _start_anew(self, cause: str) -> None:
        for ask in self._asked:
            ask.cancel()
        died = f"the engine of {self._alias} has died"
        if self.restarts == MOST_RESTARTS:
            raise StopRun(f"{died} after {self.restarts} restarts, the most there are: {cause}")
        before = self._backend.identity
        with suppress(Exception):  # what is dead may not end in good order
            await self._backend.aclose()
        try:
            await self._backend.start()
        except Exception as error:
            raise StopRun(f"{died} ({cause}), and could not be started anew: {error}") from error
        if self._backend.identity != before:
            raise StopRun(
                f"{died} ({cause}), and is another model since it was started anew: its files "
                "have changed, or its version: replies of both would be in one result"
            )
        self.restarts += 1
        self._warn(f"{died} ({cause}): started anew, {self.restarts} of {MOST_RESTARTS} times")
        self._restart = None

    async def aclose(self) -> None:
        """Start nothing any more, and close the engine."""
        if self._restart is not None:
            self._restart.cancel()
            await asyncio.wait({self._restart})
        await self._backend.aclose()
