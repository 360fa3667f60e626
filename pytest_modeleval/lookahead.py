"""Bodies run ahead of the reporter, so that an engine sees many requests at once.

pytest reports items strictly one after the other. So the bodies of the next items already run, as
tasks on the background loop, while the main thread waits for the item whose turn it is:

    main thread       take(item): admit it and those behind it ─► wait for its body ─► report
    background loop   queue ─► at most `window` bodies running ─► done

Two bounds hold. `window` bodies run at once; it grows for as long as the models' limiters have
room, so that bodies which do more than call a model still keep the engine full. And at most 16
windows are admitted and not yet reported, so that one slow reply does not stall the rest while
finished results cannot pile up either.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from typing import Protocol

from _pytest.logging import catching_logs

from pytest_modeleval.background import BackgroundLoop
from pytest_modeleval.body import Body
from pytest_modeleval.capture import CaplogRouter
from pytest_modeleval.errors import StopRun
from pytest_modeleval.group import SampleGroup
from pytest_modeleval.items import SampleItem, is_kept
from pytest_modeleval.models.limiter import Limiter
from pytest_modeleval.watchdog import PULSE, Fuse, Watchdog, still_in_threads

AHEAD = 16
"""Windows that may be admitted and not yet reported."""

WIDEST = 4
"""How many times the requests in flight there may be bodies."""


class Upcoming(Protocol):
    """The items that will follow, in pytest's order."""

    def reached(self, item: SampleItem) -> None:
        """pytest runs `item` now, though `next` has not given it out."""

    def next(self, most: int) -> Sequence[SampleItem]:
        """At most `most` sample items that may start now and were not given out before."""
        ...

    def started(self, item: SampleItem) -> None:
        """The body of `item` starts now; told on the background loop, as are the next two."""

    def ended(self, item: SampleItem) -> None:
        """The body of `item` is done."""

    def drained(self) -> None:
        """All that was given out has started, and there is room for more."""


class Lookahead:
    """The window of running bodies. `take` belongs to the main thread, the rest to the loop."""

    def __init__(
        self,
        background: BackgroundLoop,
        upcoming: Upcoming,
        limiters: Sequence[Limiter],
        *,
        seed: int,
        warn: Callable[[str], None],
        idle: Callable[[], None],
        expendable: int | None = None,
    ) -> None:
        """`idle` is called now and then while nothing happens. `expendable`: this process may be
        ended where a body hangs, as others run its samples again; the file descriptor that is told
        why."""
        self.window = _most(limiter.limit for limiter in limiters)
        self.running: set[Body] = set()
        self._admitted = 0
        self._background = background
        self._upcoming = upcoming
        self._limiters = limiters
        self._seed = seed
        self._idle = idle
        self._queue: deque[SampleItem] = deque()
        self._lock = threading.Lock()
        self._closing = False
        widest = WIDEST * _most(limiter.most for limiter in limiters)
        self._threads = ThreadPoolExecutor(widest, thread_name_prefix="modeleval-body")
        self._watchdog = Watchdog(background.loop, warn, ends_run=expendable is None)
        self._fuse = None if expendable is None else Fuse(self.running, expendable)
        if self._fuse is not None:
            asyncio.run_coroutine_threadsafe(self._fuse.keep(), background.loop)
        self._in_threads: list[Body] = []
        self._arrival = threading.Condition()
        self._awaited: Body | None = None
        self._grown = False
        self.halted: str | None = None
        self._over = math.inf
        self.ended = 0
        self.instant = 0

    # ---------------------------------------------------------------- the main thread

    def take(self, item: SampleItem) -> Body:
        """The finished body of `item`, after which others are already under way."""
        body: Body | None = item.body
        if body is None:
            self._upcoming.reached(item)
            body = self._admit([item])
        self._admit_further()
        try:
            self._wait(body)
        except BaseException:
            # Ctrl-C, or a plugin that limits the time of a test: nobody waits for this body now.
            self._background.loop.call_soon_threadsafe(body.cancel)
            item.body = None
            raise
        finally:
            with self._lock:
                self._admitted -= not body.never
        return body

    def forget(self, item: SampleItem) -> None:
        """Nobody will take the body of `item`, if it has one."""
        with self._lock:
            self._admitted -= item.body is not None
        item.body = None
        self._admit_further()

    def look_further(self) -> None:
        """A sample needs no body: those behind it may start all the same."""
        self._admit_further()

    def _admit(self, items: Sequence[SampleItem]) -> Body:
        bodies = [Body(item.group, item.row, self._seed) for item in items]
        with self._lock:
            if self.halted is not None:
                for body in bodies:
                    body.give_up()
                return bodies[0]
            for item, body in zip(items, bodies):
                item.body = body
            self._queue.extend(items)
            self._admitted += len(items)
        self._background.loop.call_soon_threadsafe(self._start)
        return bodies[0]

    def _admit_further(self) -> None:
        if self.halted is not None:
            return
        room = AHEAD * self._in_flight - self._admitted
        if room < self.window and self._admitted > self.window:
            return  # in gulps: looking for one item at a time would cost more than it gains
        if following := self._upcoming.next(room):
            self._admit(following)

    def _wait(self, body: Body) -> None:
        if body.done:
            return
        with self._arrival:
            self._awaited = body
            while not body.done:
                if self._grown:
                    self._grown = False
                    self._admit_further()
                elif time.monotonic() > self._over:
                    body.give_up()
                elif not self._arrival.wait(PULSE):
                    self._watchdog.look(self.running)
                    self._idle()
            self._awaited = None

    def cancel(self, grace: float = 5.0) -> bool:
        """Give up what was not reported. False where a body blocks the loop, so that nothing on it
        can be ended any more."""
        cancelling = asyncio.run_coroutine_threadsafe(self._cancel(grace), self._background.loop)
        self._threads.shutdown(wait=False, cancel_futures=True)
        try:
            cancelling.result(grace + PULSE)
        except (TimeoutError, FutureTimeout):
            return False
        return True

    def stuck(self, hurried: bool) -> list[Body]:
        """The bodies whose threads nothing can end, after a grace period unless it is hurried."""
        if hurried:
            return [body for body in self._in_threads if body.in_thread]
        return still_in_threads(self._in_threads)

    # ---------------------------------------------------------------- any thread

    def drop(self, group: SampleGroup) -> None:
        """What of a group has not started will not, and what runs is ended."""
        with self._lock:
            dropped = [item for item in self._queue if item.group is group]
            for item in dropped:
                self._queue.remove(item)
                item.body.give_up()
                item.body = None
            self._admitted -= len(dropped)
        self._background.loop.call_soon_threadsafe(self._cancel_group, group)

    def halt(self, reason: str, grace: float | None = None) -> None:
        """No further body starts; what only waited has no body any more. What runs may end, within
        `grace` seconds if that is given: then it is cancelled, and what cannot be is left behind
        as soon as pytest comes to it."""
        if grace is not None:
            self._over = time.monotonic() + grace + PULSE
            loop = self._background.loop
            loop.call_soon_threadsafe(loop.call_later, grace, self._give_up_running)
        with self._lock:
            if self.halted is not None:
                return
            self.halted = reason
            self._admitted -= len(self._queue)
            for item in self._queue:
                item.body.give_up()
                item.body = None
            self._queue.clear()
        with self._arrival:
            self._arrival.notify()

    @property
    def _in_flight(self) -> int:
        """How many requests there may be at once; a limiter may change its mind."""
        return _most(limiter.limit for limiter in self._limiters)

    @property
    def waiting(self) -> int:
        """How many bodies are admitted and have not started."""
        return len(self._queue)

    def grown(self) -> None:
        """There is more to come than there was: look, even while a slow body is waited for."""
        with self._arrival:
            self._grown = True
            self._arrival.notify()

    def withdraw(self, item: SampleItem) -> bool:
        """Take back `item`, the last that was admitted. False where its body has started."""
        with self._lock:
            if not self._queue or self._queue[-1] is not item:
                return False
            self._queue.pop()
            self._admitted -= 1
            item.body = None
        return True

    # ---------------------------------------------------------------- the background loop

    def _start(self) -> None:
        self.window = min(self.window, max(1, WIDEST * self._in_flight))
        while len(self.running) < self.window and not self._closing:
            with self._lock:
                if not self._queue:
                    break
                item = self._queue.popleft()
            body: Body = item.body
            self._upcoming.started(item)
            self.running.add(body)
            if self._fuse is not None:
                self._fuse.started()
            body.task = self._background.loop.create_task(self._run(item, body))

    async def _run(self, item: SampleItem, body: Body) -> None:
        try:
            await body.run(self._threads)
        finally:
            if isinstance(body.exception, StopRun):
                self.halt(str(body.exception))
            self.running.discard(body)
            self.ended += 1
            self.instant += body.is_instant
            self._upcoming.ended(item)
            self._widen()
            self._start()
            if not self._queue:
                self._upcoming.drained()
            body.done = True
            if body.in_thread:
                self._in_threads.append(body)
            if self._awaited is body:
                with self._arrival:
                    self._arrival.notify()

    def _widen(self) -> None:
        """A body has just ended: were its model busy, another request would have its place."""
        if (
            self.window < WIDEST * self._in_flight
            and self._queue
            and not any(limiter.full for limiter in self._limiters)
        ):
            self.window += 1

    def _give_up_running(self) -> None:
        for body in self.running:
            body.cancel(self.halted)

    def _cancel_group(self, group: SampleGroup) -> None:
        for body in self.running:
            if body.group is group:
                body.cancel()

    async def _cancel(self, grace: float) -> None:
        self._closing = True
        with self._lock:
            self._queue.clear()
        tasks = [body.task for body in self.running if body.task is not None]
        for body in self.running:
            body.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=grace)


def _most(limits: Iterable[int]) -> int:
    return max(limits, default=1)


class InOrder:
    """The items of a session that one process runs from the first to the last."""

    def __init__(self, items: Sequence[object]) -> None:
        self._items = items
        self._next = 0

    def reached(self, item: SampleItem) -> None:
        with suppress(ValueError):  # another plugin runs it again
            self._next = self._items.index(item, self._next) + 1

    def next(self, most: int) -> Sequence[SampleItem]:
        found: list[SampleItem] = []
        while len(found) < most and self._next < len(self._items):
            item = self._items[self._next]
            if isinstance(item, SampleItem) and not is_kept(item) and not item.group.enough:
                if not item.group.ready():
                    break
                found.append(item)
            self._next += 1
        return found

    def started(self, item: SampleItem) -> None:
        """Nobody asks."""

    ended = started

    def drained(self) -> None:
        """What is left cannot start before its turn."""


def run_inline(item: SampleItem, seed: int) -> Body:
    """Run the body in this very thread, alone and without time limits: for a debugger."""
    item.body = body = Body(item.group, item.row, seed)
    loop = asyncio.new_event_loop()
    try:
        body.task = loop.create_task(body.run(None))
        with catching_logs(CaplogRouter()):
            loop.run_until_complete(body.task)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
    return body
