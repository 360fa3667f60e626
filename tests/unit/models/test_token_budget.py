"""How many tokens are worked on at once."""

from __future__ import annotations

import asyncio

from pytest_modeleval.models.token_budget import TokenBudget


def test_the_limit_holds_and_everyone_comes_through() -> None:
    in_flight, most, done = 0, 0, 0

    async def work(budget: TokenBudget, tokens: int) -> None:
        nonlocal in_flight, most, done
        async with budget.take(tokens):
            in_flight += tokens
            most = max(most, in_flight)
            await asyncio.sleep(0)
            in_flight -= tokens
            done += 1

    async def main() -> None:
        budget = TokenBudget(10)
        await asyncio.gather(*(work(budget, 1 + number % 7) for number in range(100)))

    asyncio.run(main())
    assert done == 100
    assert 7 <= most <= 10


def test_one_alone_may_exceed_it() -> None:
    async def main() -> str:
        async with TokenBudget(10).take(50):
            return "worked"

    assert asyncio.run(main()) == "worked"


def test_cancelling_one_that_waits_takes_nothing() -> None:
    async def main() -> bool:
        budget = TokenBudget(10)

        async def wait() -> None:
            async with budget.take(10):
                pass

        async with budget.take(10):
            task = asyncio.create_task(wait())
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        async with budget.take(10):
            return True

    assert asyncio.run(main())
