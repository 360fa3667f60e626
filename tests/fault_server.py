"""The tests' OpenAI-compatible server with faults, each drawn from a seed.

    with FaultServer(Faults(too_many=0.1, failed=0.05, reset=0.02), reply=…) as server:
        project.run(model="openai:fake", …)
        assert set(server.answered.values()) == {1}

Whether a request meets a fault depends on the seed, on what is asked and on how often that was
asked before: on nothing else, so that order does not matter.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

from aiohttp import web

from tests.fake_openai import FakeOpenAI, Fault, Said, Seen, break_off, tokens


@dataclass(frozen=True)
class Faults:
    """Shares of the requests (0 to 1) that meet a fault; all else are seconds and counts.

    `retry_after` is the header of a 429, `drip_s` how long a dripping reply takes. A `half_stream`
    is for streams alone. An outage begins when `outage_after` requests were asked, and lasts for
    `outage_s`: who is connected is cut off, and connections are refused. `at_once` and `a_second`
    are the limits that a server does not tell; above them it answers 429. Where it `queues`, what
    comes above `at_once` waits.
    """

    seed: int = 0
    too_many: float = 0.0
    retry_after: str | None = None
    failed: float = 0.0
    reset: float = 0.0
    truncated: float = 0.0
    dripping: float = 0.0
    drip_s: float = 0.2
    half_stream: float = 0.0
    without_usage: float = 0.0
    outage_after: int | None = None
    outage_s: float = 1.0
    at_once: int | None = None
    a_second: float | None = None
    queues: bool = False


SHARES = (
    "too_many",
    "failed",
    "reset",
    "truncated",
    "dripping",
    "half_stream",
    "without_usage",
)


class FaultServer(FakeOpenAI):
    """Counts, by what was asked: `asked` every request, `answered` the whole replies; `met` the
    faults, with the requests `refused` above a limit among them; `answered_at` when replies were
    sent, by the monotonic clock, and `answered_for` how many by the `max_tokens` asked for. Each
    request within the limits was `served` from a time to another."""

    def __init__(
        self, faults: Faults, reply: Callable[[dict[str, Any]], str | Said] | None = None
    ) -> None:
        super().__init__(reply)
        self.faults = faults
        self.asked: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.answered_at: list[float] = []
        self.answered_for: Counter[int] = Counter()
        self.served: list[tuple[float, float]] = []
        self.met: Counter[str] = Counter()
        self.down = False
        self._outage: asyncio.Task[None] | None = None
        self._bucket = Bucket(faults.a_second) if faults.a_second else None
        self._places: asyncio.Semaphore | None = None

    async def _answer(self, request: web.Request, seen: Seen) -> web.StreamResponse:
        if self.down:
            return await self._broken(request, "outage", Fault(reset=True))
        if seen.path == "/v1/models":
            return await super()._answer(request, seen)
        asked = what_is_asked(seen.body)
        self.asked[asked] += 1
        if self._outage is None and sum(self.asked.values()) - 1 == self.faults.outage_after:
            self._outage = asyncio.create_task(self._be_down())
            await asyncio.sleep(0)  # it is down from now on
            return await self._broken(request, "outage", Fault(reset=True))
        if not await self._enter():
            return await self._broken(request, "refused", self._too_many())
        entered = monotonic()
        try:
            seen.meets = self._draw(f"{asked}/{self.asked[asked]}")
            response = await self._meet(request, seen)
        finally:
            self._leave()
            self.served.append((entered, monotonic()))
        whole = seen.meets in ("", "dripping", "without_usage")
        if whole and request.transport is not None and not request.transport.is_closing():
            self.answered[asked] += 1
            self.answered_at.append(monotonic())
            self.answered_for[seen.body.get("max_tokens", 0)] += 1
        return response

    def _draw(self, what: str) -> str:
        number = random.Random(f"{self.faults.seed}/{what}").random()
        for name in SHARES:
            number -= getattr(self.faults, name)
            if number < 0:
                return name
        return ""

    async def _meet(self, request: web.Request, seen: Seen) -> web.StreamResponse:
        """Answer, or do in its place what `seen.meets`."""
        if seen.meets == "too_many":
            return await self._broken(request, seen.meets, self._too_many())
        if seen.meets == "failed":
            said = f"oh no, {seen.headers.get('Authorization')}"  # as careless servers do
            return await self._broken(request, seen.meets, Fault(500, said.encode()))
        if seen.meets == "reset":
            return await self._broken(request, seen.meets, Fault(reset=True))
        if seen.meets:
            self.met[seen.meets] += 1
        response = await super()._answer(request, seen)
        if isinstance(response, web.Response) and isinstance(response.body, bytes):
            if seen.meets == "truncated":
                return web.Response(
                    body=response.body[: len(response.body) // 2], content_type="application/json"
                )
            if seen.meets == "dripping":
                return await self._drip(request, response.body)
        return response

    def _say(self, seen: Seen) -> Said:
        said = super()._say(seen)
        if seen.meets == "half_stream":
            return replace(said, breaks_off=len(tokens(said.text or "")) // 2)
        if seen.meets == "without_usage":
            return replace(said, usage={})
        return said

    async def _broken(self, request: web.Request, name: str, fault: Fault) -> web.StreamResponse:
        self.met[name] += 1
        return await break_off(request, fault)

    async def _drip(self, request: web.Request, body: bytes) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        size = len(body) // 10 + 1
        for start in range(0, len(body), size):
            await response.write(body[start : start + size])
            await asyncio.sleep(self.faults.drip_s / 10)
        return response

    def _too_many(self) -> Fault:
        wait = self.faults.retry_after
        return Fault(
            429,
            b'{"error": {"message": "slow down"}}',
            headers={} if wait is None else {"Retry-After": wait},
        )

    async def _enter(self) -> bool:
        """Whether a request is within the limits; a server that queues has it wait until then."""
        if self._bucket is not None and not self._bucket.take():
            return False
        if self.faults.at_once is None:
            return True
        if self._places is None:
            self._places = asyncio.Semaphore(self.faults.at_once)
        if self._places.locked() and not self.faults.queues:
            return False
        await self._places.acquire()
        return True

    def _leave(self) -> None:
        if self._places is not None:
            self._places.release()

    async def _be_down(self) -> None:
        self.down = True
        await self._close()
        await asyncio.sleep(self.faults.outage_s)
        await self._open()
        self.down = False


class Bucket:
    """Tokens that come back at a rate, a tenth of a second's at most; every request takes one."""

    def __init__(self, a_second: float) -> None:
        self._rate = a_second
        self._most = max(1.0, a_second / 10)
        self._tokens = self._most
        self._filled = monotonic()

    def take(self) -> bool:
        now = monotonic()
        self._tokens = min(self._most, self._tokens + (now - self._filled) * self._rate)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def what_is_asked(body: dict[str, Any]) -> str:
    """The prompt, or the last message: what tells samples apart."""
    prompt = body.get("prompt") or body["messages"][-1]["content"]
    return prompt if isinstance(prompt, str) else "\0".join(map(str, prompt))
