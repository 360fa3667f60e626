"""When a server is left alone, and how it is found out that it is back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from pytest_modeleval.errors import RequestError, StopRun
from pytest_modeleval.models import breaker
from pytest_modeleval.models.answer import Answer, AnyRequest
from pytest_modeleval.models.breaker import FAILURES, Breaking
from pytest_modeleval.models.protocol import Request, Sampling

REFUSED = RequestError("nobody listens", retryable=True)


def request(name: str) -> Request:
    return Request(Sampling(), prompt=name)


class Server:
    """Fails with `error`, where it is set; notes who asked."""

    def __init__(self) -> None:
        self.error: RequestError | None = REFUSED
        self.asked: list[str | None] = []
        self.hold: asyncio.Event | None = None

    async def answer(self, request: AnyRequest) -> Answer:
        assert isinstance(request, Request)
        self.asked.append(request.prompt)
        if self.hold is not None:
            await self.hold.wait()
        if self.error is not None:
            raise self.error
        return Answer("yes", 0.1)


@pytest.fixture(autouse=True)
def swift(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "FIRST_S", 0.02)


def case(use: Callable[[Server, Breaking], Awaitable[None]], *, max_outage: float = 10.0) -> None:
    async def main() -> None:
        server = Server()
        await asyncio.wait_for(use(server, Breaking(server, "m", max_outage=max_outage)), 20)

    asyncio.run(main())


async def fail(breaking: Breaking, times: int = FAILURES) -> None:
    for number in range(times):
        with pytest.raises(RequestError):
            await breaking.answer(request(f"failure {number}"))


def test_failures_in_a_row_open_it() -> None:
    async def use(server: Server, breaking: Breaking) -> None:
        await fail(breaking, FAILURES - 1)
        server.error = None
        await breaking.answer(request("well"))
        server.error = RequestError("oh no", status=500)
        await fail(breaking, FAILURES - 1)
        assert (breaking.state, breaking.away) == ("closed", False)
        await fail(breaking, 1)
        assert (breaking.state, breaking.away) == ("open", True)

    case(use)


@pytest.mark.parametrize(
    "error",
    [
        RequestError("slow down", status=429),
        RequestError("too long", status=400),
        RequestError("cut off", status=200, retryable=True),
        RequestError("abandoned"),
    ],
)
def test_what_is_said_of_a_request_is_a_sign_of_life(error: RequestError) -> None:
    async def use(server: Server, breaking: Breaking) -> None:
        await fail(breaking, FAILURES - 1)
        server.error = error
        await fail(breaking, 2 * FAILURES)
        assert breaking.state == "closed"

    case(use)


def test_single_requests_probe_in_turn_and_lose_no_attempt() -> None:
    async def use(server: Server, breaking: Breaking) -> None:
        await fail(breaking)
        server.asked.clear()
        waiting = [asyncio.create_task(breaking.answer(request(name))) for name in "abc"]
        while len(server.asked) < 4:
            await asyncio.sleep(0.001)
        assert server.asked[:4] == ["a", "b", "c", "a"]
        server.error = None
        answers = await asyncio.gather(*waiting)
        assert [answer.value for answer in answers] == ["yes"] * 3
        assert breaking.state == "closed"

    case(use)


def test_one_probe_at_a_time() -> None:
    async def use(server: Server, breaking: Breaking) -> None:
        await fail(breaking)
        server.asked.clear()
        server.hold = asyncio.Event()
        waiting = [asyncio.create_task(breaking.answer(request(name))) for name in "abc"]
        while not server.asked:
            await asyncio.sleep(0.001)
        assert breaking.state == "half-open"
        await asyncio.sleep(0.1)
        assert len(server.asked) == 1
        server.error = None
        server.hold.set()
        await asyncio.gather(*waiting)

    case(use)


def test_a_probe_that_is_given_up_leaves_its_place_to_the_next() -> None:
    async def use(server: Server, breaking: Breaking) -> None:
        await fail(breaking)
        server.asked.clear()
        server.hold = asyncio.Event()
        waiting = [asyncio.create_task(breaking.answer(request(name))) for name in "ab"]
        while not server.asked:
            await asyncio.sleep(0.001)
        assert server.asked == ["a"]
        waiting[0].cancel()
        while len(server.asked) < 2:
            await asyncio.sleep(0.001)
        server.error = None
        server.hold.set()
        assert (await waiting[1]).value == "yes"

    case(use)


def test_a_turn_that_comes_too_late_goes_to_the_next() -> None:
    async def use(server: Server, breaking: Breaking) -> None:
        await fail(breaking)
        server.error = None
        waiting = [asyncio.create_task(breaking.answer(request(name))) for name in "ab"]
        await asyncio.sleep(0)
        breaking._next_turn()
        waiting[0].cancel()
        assert (await waiting[1]).value == "yes"

    case(use)


def test_who_is_given_up_while_waiting_is_not_asked_to_probe() -> None:
    async def use(server: Server, breaking: Breaking) -> None:
        await fail(breaking)
        server.asked.clear()
        waiting = [asyncio.create_task(breaking.answer(request(name))) for name in "ab"]
        await asyncio.sleep(0)
        waiting[0].cancel()
        server.error = None
        assert (await waiting[1]).value == "yes"
        assert server.asked == ["b"]

    case(use)


def test_a_request_that_alone_makes_the_server_fail_loses_its_attempts() -> None:
    async def use(server: Server, breaking: Breaking) -> None:
        server.error = RequestError("oh no", status=500)
        await fail(breaking, FAILURES + 3)
        assert len(server.asked) == FAILURES + 3

    case(use)


def test_a_server_that_stays_away_ends_the_run() -> None:
    async def use(server: Server, breaking: Breaking) -> None:
        await fail(breaking)
        waiting = [asyncio.create_task(breaking.answer(request(name))) for name in "abc"]
        sentence = r"^m has been away for \d+ s, longer than --max-outage allows: nobody listens$"
        for task in waiting:
            with pytest.raises(StopRun, match=sentence):
                await task
        asked = len(server.asked)
        with pytest.raises(StopRun):
            await breaking.answer(request("later"))
        await asyncio.sleep(0.1)
        assert len(server.asked) == asked

    case(use, max_outage=0.2)
