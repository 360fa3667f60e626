"""Bodies that block: nothing can cancel them, so they are named, and in the end the run stops."""

from __future__ import annotations

import asyncio
import faulthandler
import time
from collections.abc import Callable, Collection

import pytest

from pytest_modeleval.body import Body

PULSE = 1.0
"""Seconds between two looks at the loop."""

WARN_AFTER = 10.0
"""Seconds without a sign of life after which the blocking body is named."""

GRACE = 10.0
"""Seconds that a body may go on after its time is up."""


class Fuse:
    """For a process that may be lost, such as an xdist worker: ends it once a body holds up the
    loop, or the whole interpreter (a regular expression without end), for longer than any of those
    that run may take. Nothing in Python could: faulthandler has a thread of its own.

    All methods belong to the loop. `output` is the file descriptor that is told where the process
    stood.
    """

    def __init__(self, running: Collection[Body], output: int) -> None:
        self._running = running
        self._output = output
        self._burns = False

    def started(self) -> None:
        """A body has just been added to the running ones."""
        if not self._burns:
            self._renew()

    async def keep(self) -> None:
        """Renew it for as long as the loop turns."""
        try:
            while True:
                self._renew()
                await asyncio.sleep(PULSE)
        finally:
            faulthandler.cancel_dump_traceback_later()

    def _renew(self) -> None:
        limits = [body.group.timeout for body in self._running]
        bounded = [limit for limit in limits if limit is not None]
        self._burns = 0 < len(bounded) == len(limits)
        if self._burns:
            seconds = max(bounded) + GRACE
            faulthandler.dump_traceback_later(seconds, exit=True, file=self._output)
        else:
            faulthandler.cancel_dump_traceback_later()


class Watchdog:
    """The main thread calls `look` while it waits: it has nothing else to do, and sees whether the
    background loop still turns."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, warn: Callable[[str], None], *, ends_run: bool
    ) -> None:
        self._loop = loop
        self._ends_run = ends_run
        self._warn = warn
        self._last_sign = time.monotonic()
        self._asked = False
        self._warned = False

    def look(self, running: Collection[Body]) -> None:
        """Raises pytest.exit for a body that blocks the loop after its time is up."""
        if not self._asked:
            self._asked = True
            self._last_sign = time.monotonic()
            self._loop.call_soon_threadsafe(self._answer)
            return
        silent = time.monotonic() - self._last_sign
        if silent < WARN_AFTER:
            return
        body = self._blocking(running)
        if body is None:
            return
        limit = body.group.timeout
        if not self._warned:
            self._warned = True
            self._warn(
                f"{body.name} has not awaited anything for {silent:.0f} s: an async body that "
                "blocks holds up all others; make it a plain def, or await what takes long"
            )
        if self._ends_run and limit is not None and silent > limit + GRACE:
            pytest.exit(
                f"{body.name} blocks the event loop and cannot be cancelled, {silent:.0f} s after "
                f"it was given {limit:g} s: the run ends here, what was done is kept",
                returncode=1,
            )

    def _answer(self) -> None:
        self._asked = self._warned = False

    def _blocking(self, running: Collection[Body]) -> Body | None:
        task = asyncio.current_task(self._loop)
        return next((body for body in running if body.task is task), None)


def still_in_threads(running: Collection[Body], seconds: float = GRACE) -> list[Body]:
    """The plain `def` bodies whose threads still run after so long a wait."""
    deadline = time.monotonic() + seconds
    while any(body.in_thread for body in running) and time.monotonic() < deadline:
        time.sleep(0.05)
    return [body for body in running if body.in_thread]
