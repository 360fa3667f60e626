"""How many requests an endpoint is given at once."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import deque
from time import perf_counter

from pytest_modeleval.errors import RequestError
from pytest_modeleval.models.adaptive import AdaptiveLimit
from pytest_modeleval.models.answer import Answer, AnyRequest, Layer

REFUSED = (429, 529)
"""Statuses with which a server says that it was asked too much."""


class Limiter:
    """At most `limit` requests in flight; the others wait in the order they came.

    async with limiter:
        await backend.generate(request)

    `most` is what the limit may become, where it adapts. `outside` are requests that wait for
    something else before they come here.
    """

    def __init__(self, limit: int, adaptive: AdaptiveLimit | None = None) -> None:
        self.limit = limit
        self.most = limit if adaptive is None else adaptive.most
        self.in_flight = 0
        self.outside = 0
        self._adaptive = adaptive
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._next_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        return len(self._waiting) + self.outside

    @property
    def full(self) -> bool:
        """Whether one more request would have to wait."""
        return self.in_flight + self.waiting >= self.limit

    async def __aenter__(self) -> None:
        if not self._waiting and self._has_room():
            self._take()
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._let_in()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                if turn in self._waiting:
                    self._waiting.remove(turn)
            else:
                self._leave()
            raise

    async def __aexit__(self, *error: object) -> None:
        self._leave()

    def answered(self, latency: float) -> None:
        """A request was answered; told before it leaves."""
        if self._adaptive is not None:
            self._adaptive.answered(perf_counter(), latency, busy=bool(self._waiting))
            self.limit = self._adaptive.slots

    def refused(self, sent_at: float, before: int) -> None:
        """A request was one too many; told before it leaves. Of those that are in flight so many
        were sent `before` it."""
        if self._adaptive is not None:
            self._adaptive.refused(perf_counter(), sent_at, before)
            self.limit = self._adaptive.slots

    def _has_room(self) -> bool:
        return self.in_flight < self.limit and perf_counter() >= self._next_at

    def _take(self) -> None:
        self.in_flight += 1
        if self._adaptive is not None and (distance := self._adaptive.distance):
            self._next_at = max(perf_counter(), self._next_at) + distance

    def _leave(self) -> None:
        self.in_flight -= 1
        self._let_in()

    def _let_in(self) -> None:
        """As many of those who wait as there is room for, now or after the distance."""
        while self._waiting and self.in_flight < self.limit:
            early = self._next_at - perf_counter()
            if early > 0:
                if self._timer is None:
                    self._timer = asyncio.get_running_loop().call_later(early, self._on_time)
                return
            turn = self._waiting.popleft()
            if not turn.done():
                self._take()
                turn.set_result(None)

    def _on_time(self) -> None:
        self._timer = None
        self._let_in()


class Limited:
    """Waits for a free slot before it asks."""

    def __init__(self, inner: Layer, limiter: Limiter) -> None:
        self._inner = inner
        self._limiter = limiter
        self._count = 0
        self._unanswered: list[int] = []

    async def answer(self, request: AnyRequest) -> Answer:
        asked = perf_counter()
        async with self._limiter:
            sent = perf_counter()
            self._count += 1
            number = self._count
            self._unanswered.append(number)
            try:
                answer = await self._inner.answer(request)
            except RequestError as error:
                if error.status in REFUSED:
                    self._limiter.refused(sent, bisect_left(self._unanswered, number))
                raise
            finally:
                self._unanswered.remove(number)
            self._limiter.answered(perf_counter() - sent)
        answer.queue_s += sent - asked
        return answer
