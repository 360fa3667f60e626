"""The thread in which LightEval's metrics are computed."""

from __future__ import annotations

import asyncio
import threading

import pytest

from pytest_modeleval.integrations.lighteval.metrics_thread import in_metrics_thread


def test_each_has_its_own_answer_and_all_come_from_one_thread() -> None:
    threads = set()

    def square(number: int) -> int:
        threads.add(threading.current_thread().name)
        if number % 10 == 3:
            raise ValueError(f"{number} is wrong")
        return number**2

    async def ask_all() -> list[int | BaseException]:
        return await asyncio.gather(
            *(in_metrics_thread(lambda n=number: square(n)) for number in range(200)),
            return_exceptions=True,
        )

    for number, answer in enumerate(asyncio.run(ask_all())):
        if number % 10 == 3:
            assert isinstance(answer, ValueError) and str(answer) == f"{number} is wrong"
        else:
            assert answer == number**2
    assert threads == {"modeleval-lighteval"}


def test_what_took_long_is_told_before_the_next_is_begun() -> None:
    came = threading.Event()

    async def ask_both() -> bool:
        long = asyncio.create_task(in_metrics_thread(lambda: threading.Event().wait(0.02)))
        next_one = asyncio.create_task(in_metrics_thread(lambda: came.wait(10)))
        await long
        came.set()
        return await next_one

    assert asyncio.run(ask_both())


def test_what_nobody_waits_for_any_more_stops_nothing() -> None:
    may_go_on = threading.Event()

    async def give_up() -> None:
        waiting = asyncio.create_task(in_metrics_thread(lambda: may_go_on.wait(10)))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    async def ask() -> str:
        may_go_on.set()
        return await in_metrics_thread(lambda: "answered")

    asyncio.run(give_up())  # its loop is closed when the answer comes
    assert asyncio.run(ask()) == "answered"
