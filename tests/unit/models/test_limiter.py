"""How many requests an endpoint is given at once."""

from __future__ import annotations

import asyncio
from time import perf_counter

import pytest

from pytest_modeleval.models.adaptive import AdaptiveLimit
from pytest_modeleval.models.limiter import Limiter


def test_never_more_than_the_limit_in_the_order_they_came() -> None:
    async def main() -> None:
        limiter = Limiter(3)
        order: list[int] = []
        peak = 0

        async def request(number: int) -> None:
            nonlocal peak
            async with limiter:
                order.append(number)
                peak = max(peak, limiter.in_flight)
                await asyncio.sleep(0)

        await asyncio.gather(*(request(number) for number in range(20)))
        assert order == list(range(20))
        assert peak == 3
        assert (limiter.in_flight, limiter.waiting) == (0, 0)

    asyncio.run(main())


def test_a_request_that_fails_gives_its_place_back() -> None:
    async def main() -> None:
        limiter = Limiter(1)
        with pytest.raises(ValueError, match="lost"):
            async with limiter:
                assert limiter.full
                raise ValueError("lost")
        assert not limiter.full
        async with limiter:
            assert limiter.in_flight == 1

    asyncio.run(main())


def test_a_request_that_is_given_up_while_it_waits_takes_no_place() -> None:
    async def main() -> None:
        limiter = Limiter(1)

        async def request() -> None:
            async with limiter:
                await asyncio.Event().wait()

        first, second = asyncio.create_task(request()), asyncio.create_task(request())
        await asyncio.sleep(0)
        assert (limiter.in_flight, limiter.waiting) == (1, 1)
        second.cancel()
        await asyncio.wait([second])
        assert (limiter.in_flight, limiter.waiting) == (1, 0)
        first.cancel()
        await asyncio.wait([first])
        assert (limiter.in_flight, limiter.full) == (0, False)

    asyncio.run(main())


def test_it_follows_a_limit_that_adapts() -> None:
    async def main() -> None:
        adaptive = AdaptiveLimit(8, 16)
        limiter = Limiter(8, adaptive)
        assert (limiter.limit, limiter.most) == (8, 16)
        peak = 0

        async def request() -> None:
            nonlocal peak
            async with limiter:
                peak = max(peak, limiter.in_flight)
                await asyncio.sleep(0)

        while limiter.limit > 1:
            async with limiter:
                limiter.refused(perf_counter(), 0)
        assert limiter.limit == 1
        await asyncio.gather(*(request() for _ in range(20)))
        assert peak == 1

    asyncio.run(main())


def test_below_one_requests_keep_their_distance() -> None:
    async def main() -> None:
        adaptive = AdaptiveLimit(1, 1)
        limiter = Limiter(1, adaptive)
        adaptive.answered(0.0, 0.01, busy=False)
        adaptive.answered(1.0, 0.01, busy=False)
        adaptive.refused(1.0, 0.9, 0)
        adaptive.value = 0.25
        loop = asyncio.get_running_loop()
        began = loop.time()

        async def request() -> None:
            async with limiter:
                pass

        await asyncio.gather(*(request() for _ in range(4)))
        assert loop.time() - began >= 3 * 0.04 - 0.001
        assert (limiter.in_flight, limiter.waiting) == (0, 0)

    asyncio.run(main())
