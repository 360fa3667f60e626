"""Which of two endpoints is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from pytest_modeleval.errors import RequestError, StopRun
from pytest_modeleval.models import breaker
from pytest_modeleval.models.answer import Answer, AnyRequest
from pytest_modeleval.models.breaker import FAILURES, Breaking
from pytest_modeleval.models.fallback import FallingBack
from pytest_modeleval.models.protocol import Request, Sampling

REQUEST = Request(Sampling(), prompt="hi")


class Server:
    def __init__(self) -> None:
        self.down = False
        self.asked = 0

    async def answer(self, request: AnyRequest) -> Answer:
        self.asked += 1
        if self.down:
            raise RequestError("nobody listens", retryable=True)
        return Answer("yes", 0.1)


@pytest.fixture(autouse=True)
def swift(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "FIRST_S", 0.05)


def case(use: Callable[[Server, Server, FallingBack], Awaitable[None]]) -> None:
    async def main() -> None:
        first, second = Server(), Server()
        breakers = [Breaking(each, "m", max_outage=0.3) for each in (first, second)]
        await asyncio.wait_for(use(first, second, FallingBack(*breakers, "spare")), 20)

    asyncio.run(main())


async def fail(falling: FallingBack) -> None:
    """Until the breaker opens; the request that opens it is answered by the second endpoint."""
    for _ in range(FAILURES - 1):
        with pytest.raises(RequestError):
            await falling.answer(REQUEST)
    assert (await falling.answer(REQUEST)).endpoint == "spare"


def test_the_first_while_it_answers() -> None:
    async def use(first: Server, second: Server, falling: FallingBack) -> None:
        assert (await falling.answer(REQUEST)).endpoint is None
        assert (first.asked, second.asked) == (1, 0)

    case(use)


def test_the_second_while_the_first_is_away_and_the_first_when_it_is_back() -> None:
    async def use(first: Server, second: Server, falling: FallingBack) -> None:
        first.down = True
        await fail(falling)
        for _ in range(40):
            assert (await falling.answer(REQUEST)).endpoint == "spare"
            await asyncio.sleep(0.02)
        assert first.asked < FAILURES + 12, "it is only probed, and no run ends"
        first.down = False
        answers = [await falling.answer(REQUEST)]
        while answers[-1].endpoint is not None:
            await asyncio.sleep(0.02)
            answers.append(await falling.answer(REQUEST))
        assert (await falling.answer(REQUEST)).endpoint is None

    case(use)


def test_where_both_are_away_the_first_is_waited_for() -> None:
    async def use(first: Server, second: Server, falling: FallingBack) -> None:
        first.down = True
        await fail(falling)
        second.down = True
        for _ in range(FAILURES):
            with pytest.raises(RequestError):
                await falling.answer(REQUEST)
        waiting = asyncio.create_task(falling.answer(REQUEST))
        await asyncio.sleep(0.02)
        first.down = False
        assert (await waiting).endpoint is None

    case(use)


def test_where_both_stay_away_the_run_ends() -> None:
    async def use(first: Server, second: Server, falling: FallingBack) -> None:
        first.down = True
        await fail(falling)
        second.down = True
        with pytest.raises(StopRun, match="has been away"):
            while True:
                try:
                    await falling.answer(REQUEST)
                except RequestError:
                    await asyncio.sleep(0.01)

    case(use)
