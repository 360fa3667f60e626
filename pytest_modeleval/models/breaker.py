"""A server that fails again and again is left alone, probed, and used again when it is back.

closed ──FAILURES in a row──► open ──a pause──► half-open ──an answer──► closed
                               ▲                    │
                               └──── no answer ─────┘
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Literal

from pytest_modeleval.errors import EngineDied, RequestError, StopRun
from pytest_modeleval.models.answer import Answer, AnyRequest, Layer

State = Literal["closed", "open", "half-open"]

FAILURES = 5
"""Failures in a row after which a server is left alone."""

FIRST_S = 1.0
LONGEST_S = 5.0
"""Seconds from a failure to the next probe: the first time, and at most. They double."""

AWAY = (None, 502, 503, 504)
"""Statuses with which nobody has looked at the request: a probe that ends so costs no attempt."""


class Breaking:
    """Lets requests wait while the server is away; they lose no attempt by that.

    `alias` is the model's name in the sentence that ends a run after `max_outage` seconds.
    `impatient` says whether there is somebody else to ask: then nobody waits and no run ends.
    """

    def __init__(self, inner: Layer, alias: str, *, max_outage: float) -> None:
        self._inner = inner
        self._alias = alias
        self._max_outage = max_outage
        self.impatient: Callable[[], bool] = lambda: False
        self.state: State = "closed"
        self._failures = 0
        self._why = ""
        self._since = 0.0
        self._pause = FIRST_S
        self._due = False
        self._waiting: deque[asyncio.Future[bool]] = deque()
        self._timers: list[asyncio.TimerHandle] = []
        self._end: str | None = None

    @property
    def away(self) -> bool:
        """Whether a request that comes now would have to wait."""
        return self.state != "closed" and not self._due

    @property
    def away_s(self) -> float:
        """For how many seconds the server has been away; 0 where it is not."""
        return monotonic() - self._since if self.away else 0.0

    async def answer(self, request: AnyRequest) -> Answer:
        """Raises StopRun when the server has been away for too long."""
        while True:
            probe = self.state != "closed" and await self._wait()
            try:
                answer = await self._inner.answer(request)
            except RequestError as error:
                if not _is_failure(error):
                    self._close()
                    raise
                self._fail(error, probe)
                if not probe or error.status not in AWAY or self.impatient():
                    raise
            except BaseException:
                if probe:
                    self._probe_again(0.0)
                raise
            else:
                if self._failures:
                    self._close()
                return answer

    async def _wait(self) -> bool:
        """Until the server is back, or until it is this request's turn to probe: then True."""
        if self._end is not None:
            raise StopRun(self._end)
        if self._due:
            self._due = False
            self.state = "half-open"
            return True
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if not turn.cancelled() and turn.result():
                self._probe_again(0.0)
            raise

    def _fail(self, error: RequestError, probe: bool) -> None:
        now = monotonic()
        if not self._failures:
            self._since = now
        self._failures += 1
        self._why = str(error)
        if probe:
            self._pause = min(LONGEST_S, 2 * self._pause)
            self._probe_again(self._pause)
        elif self.state == "closed" and self._failures >= FAILURES:
            self._pause = FIRST_S
            self._later(max(0.0, self._since + self._max_outage - now), self._give_up)
            self._probe_again(self._pause)

    def _probe_again(self, pause: float) -> None:
        self.state = "open"
        self._later(pause, self._next_turn)

    def _next_turn(self) -> None:
        turn = next(self._turns(), None)
        if turn is None:
            self._due = True
        else:
            self.state = "half-open"
            turn.set_result(True)

    def _give_up(self) -> None:
        """Nobody is let through any more; where nobody waits, nobody has asked either."""
        if self._due or self.impatient():
            self._later(FIRST_S, self._give_up)
            return
        self._end = (
            f"{self._alias} has been away for {monotonic() - self._since:.0f} s, longer than "
            f"--max-outage allows: {self._why}"
        )
        for turn in self._turns():
            turn.set_exception(StopRun(self._end))

    def _close(self) -> None:
        self.state = "closed"
        self._failures = 0
        self._due = False
        self._end = None
        while self._timers:
            self._timers.pop().cancel()
        for turn in self._turns():
            turn.set_result(False)

    def _turns(self) -> Iterator[asyncio.Future[bool]]:
        """Those who wait, each for the last time; some may have been given up."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                yield turn

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        self._timers.append(asyncio.get_running_loop().call_later(seconds, what))


def _is_failure(error: RequestError) -> bool:
    """Whether the server is to blame; what it says of the request is a sign of life, and an engine
    that died has been started anew."""
    if isinstance(error, EngineDied):
        return False
    return error.retryable and (error.status is None or error.status >= 500)
