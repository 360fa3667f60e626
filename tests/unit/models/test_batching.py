"""Requests gathered into batches."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest

from pytest_modeleval.models.batching import Batches

T = TypeVar("T")


class Engine:
    """Answers a number with its square, and keeps the batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.may_answer = threading.Event()
        self.may_answer.set()

    def answer(self, batch: list[int]) -> Sequence[Any]:
        self.may_answer.wait(10)
        self.batches.append(batch)
        if 13 in batch:
            raise RuntimeError("an unlucky number")
        return [each**2 if each >= 0 else ValueError(f"{each} is negative") for each in batch]


def use(engine: Engine, what: Callable[[Batches], Awaitable[T]], rows: int = 4) -> T:
    async def main() -> T:
        with ThreadPoolExecutor(1) as thread:
            batches = Batches(thread, rows, engine.answer, lambda error: LookupError(str(error)))
            try:
                return await what(batches)
            finally:
                await batches.aclose()

    return asyncio.run(main())


@pytest.mark.parametrize("in_flight", [4, 6, 8])
def test_batches_are_full_while_there_is_enough_to_ask(in_flight: int) -> None:
    """Even where no more may be asked at once than fill one batch."""
    engine = Engine()

    async def ask_all(batches: Batches) -> list[int]:
        slots = asyncio.Semaphore(in_flight)

        async def ask(number: int) -> int:
            async with slots:
                answer: int = await batches.ask(number, None)
                return answer

        return await asyncio.gather(*(ask(number) for number in range(40, 80)))

    assert use(engine, ask_all) == [number**2 for number in range(40, 80)]
    assert [len(batch) for batch in engine.batches] == [4] * 10


def test_only_those_of_one_kind_share_a_batch() -> None:
    engine = Engine()

    async def ask(batches: Batches) -> list[int]:
        return await asyncio.gather(
            *(batches.ask(each, {"even": each % 2 == 0}) for each in range(5))
        )

    assert use(engine, ask) == [0, 1, 4, 9, 16]
    assert engine.batches == [[0, 2, 4], [1, 3]]


def test_an_answer_that_is_an_exception_is_raised_for_its_request_alone() -> None:
    async def ask(batches: Batches) -> list[Any]:
        asked = (batches.ask(each, None) for each in (2, -3))
        return await asyncio.gather(*asked, return_exceptions=True)

    fine, wrong = use(Engine(), ask)

    assert fine == 4
    assert isinstance(wrong, ValueError)


def test_a_batch_that_fails_is_told_to_all_of_it_and_the_next_is_answered() -> None:
    async def ask(batches: Batches) -> list[Any]:
        asked = (batches.ask(each, None) for each in (1, 2, 3, 13, 5))
        return await asyncio.gather(*asked, return_exceptions=True)

    *failed, fine = use(Engine(), ask)

    assert [str(each) for each in failed] == ["an unlucky number"] * 4
    assert all(isinstance(each, LookupError) for each in failed)
    assert fine == 25


def test_who_no_longer_waits_is_not_asked_for() -> None:
    engine = Engine()
    engine.may_answer.clear()

    async def ask(batches: Batches) -> int:
        first = asyncio.create_task(batches.ask(1, None))
        while not batches.running:
            await asyncio.sleep(0)
        second, third = (asyncio.create_task(batches.ask(each, None)) for each in (2, 3))
        await asyncio.sleep(0)
        second.cancel()
        engine.may_answer.set()
        answer: int = await third
        await first
        return answer

    assert use(engine, ask) == 9
    assert engine.batches == [[1], [3]]
