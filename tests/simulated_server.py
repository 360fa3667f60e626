"""Servers with limits that nobody tells, asked through the real layers, in a time that is none.

    settled = simulate(Server(at_once=5, too_many=0.02), seconds=300)
    assert settled.limit == pytest.approx(5, rel=0.1)

The event loop's clock jumps to whatever is due next, so that minutes take as long as their requests
do. All chance comes from a seed.
"""

from __future__ import annotations

import asyncio
import math
import random
import selectors
from collections import Counter
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from pytest_modeleval.errors import RequestError
from pytest_modeleval.models.adaptive import AdaptiveLimit
from pytest_modeleval.models.answer import Answer, AnyRequest
from pytest_modeleval.models.limiter import Limited, Limiter
from pytest_modeleval.models.protocol import Generation, Request, Sampling
from pytest_modeleval.models.retry import Retrying

LATENCY = 0.5
WAY = 0.005
"""Seconds of an answer, and of the way to the server and back."""

LOOK_S = 0.02
"""Seconds from one look at a client's limit to the next."""

START, MOST = 64, 256
"""What an API's limit begins with, and what it may become."""


@dataclass(frozen=True)
class Server:
    """Answers `at_once` requests at a time and `a_second`; more are refused, or wait where it
    `queues`.

    A share `too_many` is refused whatever is in flight. A refusal takes `refusal_s`, and asks for
    `retry_after` seconds. Latencies are log-normal with `spread`, and grow by a factor of
    `slower` for every request that is served beside.
    """

    at_once: float = math.inf
    a_second: float = math.inf
    queues: bool = False
    too_many: float = 0.0
    refusal_s: float = 0.0
    retry_after: float | None = None
    spread: float = 0.0
    slower: float = 0.0


@dataclass
class Settled:
    """What the second half of a simulation came to. `limits` are the time-weighted means of each
    client's limit, `rates` their answers a second, `refused` the share of what was asked. Of the
    whole: `asked` counts what was sent, `attempts` is the most that a request took, and
    `times_answered` counts requests by how often they were answered."""

    limits: list[float]
    rates: list[float]
    refused: float
    asked: int
    attempts: int
    times_answered: Counter[int]

    @property
    def limit(self) -> float:
        """Of all clients together."""
        return sum(self.limits)

    @property
    def rate(self) -> float:
        """Of all clients together."""
        return sum(self.rates)


def simulate(
    server: Server,
    *,
    seconds: float,
    clients: int = 1,
    later: Server | None = None,
    most: int = MOST,
    start: int = START,
    seed: int = 0,
) -> Settled:
    """Clients that always have something to ask, each in a process of its own, start five seconds
    apart. After a quarter of the time the server may become another, `later`."""
    random.seed(seed)
    loop = _VirtualLoop()
    try:
        with patch("pytest_modeleval.models.limiter.perf_counter", loop.time):
            run = _Simulation(server, seconds, later)
            for number in range(clients):
                limiter = Limiter(start, AdaptiveLimit(start, most))
                run.clients.append(_Client(run, limiter, 5.0 * number))
            return loop.run_until_complete(run.main())
    finally:
        loop.close()


class _Instant(selectors.SelectSelector):
    """Waits for nothing, and moves the clock on by what it was to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("nothing is left to wait for")
        self.now += max(0.0, timeout)
        return super().select(0)


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._clock = _Instant()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


class _Simulation:
    def __init__(self, server: Server, seconds: float, later: Server | None) -> None:
        self.server = server
        self.seconds = seconds
        self.clients: list[_Client] = []
        self._later = later
        self._draw = random.Random(random.random())
        self._serving = 0
        self._queue: list[asyncio.Future[None]] = []
        self._tokens, self._filled = max(1.0, server.a_second), 0.0
        self.asked = [0, 0]
        self.refused = [0, 0]

    @property
    def late(self) -> bool:
        return asyncio.get_running_loop().time() > self.seconds / 2

    async def main(self) -> Settled:
        loop = asyncio.get_running_loop()
        if self._later is not None:
            loop.call_later(self.seconds / 4, setattr, self, "server", self._later)
        await asyncio.gather(*(client.run() for client in self.clients))
        return Settled(
            limits=[client.mean_limit for client in self.clients],
            rates=[client.late_answers / (self.seconds / 2) for client in self.clients],
            refused=self.refused[1] / max(1, self.asked[1]),
            asked=sum(self.asked),
            attempts=max(client.attempts for client in self.clients),
            times_answered=Counter(
                count for client in self.clients for count in client.answered.values()
            ),
        )

    async def answer(self, request: AnyRequest) -> Answer:
        server = self.server
        await asyncio.sleep(WAY / 2)
        in_time = asyncio.get_running_loop().time() < self.seconds
        self.asked[self.late] += in_time
        if not await self._enter(server):
            self.refused[self.late] += in_time
            await asyncio.sleep(WAY / 2 + server.refusal_s)
            raise RequestError("slow down", status=429, retry_after=server.retry_after)
        slower = 1 + server.slower * self._serving
        await asyncio.sleep(LATENCY * slower * self._draw.lognormvariate(0, server.spread))
        self._leave()
        await asyncio.sleep(WAY / 2)
        return Answer(Generation("yes"), None)

    async def _enter(self, server: Server) -> bool:
        if server.a_second < math.inf:
            now = asyncio.get_running_loop().time()
            holds = max(1.0, server.a_second)
            self._tokens = min(holds, self._tokens + (now - self._filled) * server.a_second)
            self._filled = now
            if self._tokens < 1:
                return False
            self._tokens -= 1
        if self._draw.random() < server.too_many:
            return False
        if self._serving >= server.at_once:
            if not server.queues:
                return False
            turn = asyncio.get_running_loop().create_future()
            self._queue.append(turn)
            await turn
        else:
            self._serving += 1
        return True

    def _leave(self) -> None:
        if self._queue and self._serving <= self.server.at_once:
            self._queue.pop(0).set_result(None)
        else:
            self._serving -= 1


class _Client:
    def __init__(self, run: _Simulation, limiter: Limiter, start_s: float) -> None:
        self.answered: Counter[int] = Counter()
        self.late_answers = 0
        self.attempts = 0
        self._run = run
        self._limiter = limiter
        self._layer = Retrying(Limited(run, limiter))
        self._start_s = start_s
        self._limits: list[int] = []

    @property
    def mean_limit(self) -> float:
        return sum(self._limits) / len(self._limits)

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._start_s)
        tasks = []
        while loop.time() < self._run.seconds:
            while self._limiter.waiting < self._limiter.most:
                tasks.append(asyncio.create_task(self._ask(len(tasks))))
                await asyncio.sleep(0)
            await asyncio.sleep(LOOK_S)
            if self._run.late:
                self._limits.append(self._limiter.limit)
        await asyncio.gather(*tasks)

    async def _ask(self, number: int) -> None:
        try:
            answer = await self._layer.answer(Request(Sampling(), prompt=str(number)))
        except RequestError as error:
            self.attempts = max(self.attempts, error.attempts)
            self.answered[number] = 0
            return
        self.attempts = max(self.attempts, answer.attempts)
        self.answered[number] += 1
        in_time = asyncio.get_running_loop().time() < self._run.seconds
        self.late_answers += self._run.late and in_time
