"""The one thread in which LightEval's metrics are computed: they may take long, and not all of them
are made for several threads at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")

TOGETHER = 0.005
"""Seconds, after which what is done is told before another is begun. Telling each of many quick
results by itself would take longer than computing it."""

Job = tuple["asyncio.Future[Any]", Callable[[], Any]]


async def in_metrics_thread(compute: Callable[[], T]) -> T:
    """What `compute` returns there; raises what it raises."""
    done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    _jobs().put((done, compute))
    return await done


@cache
def _jobs() -> SimpleQueue[Job]:
    jobs: SimpleQueue[Job] = SimpleQueue()
    Thread(target=_work, args=(jobs,), name="modeleval-lighteval", daemon=True).start()
    return jobs


def _work(jobs: SimpleQueue[Job]) -> None:
    while True:
        job: Job | None = jobs.get()
        told = time.monotonic()
        answers: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any, bool]]] = {}
        while job is not None:
            done, compute = job
            answers.setdefault(done.get_loop(), []).append((done, *_computed(compute)))
            job = None
            if time.monotonic() - told < TOGETHER:
                with suppress(Empty):
                    job = jobs.get_nowait()
        for loop, own in answers.items():
            with suppress(RuntimeError):  # a loop that was closed: nobody waits
                loop.call_soon_threadsafe(_tell, own)


def _computed(compute: Callable[[], Any]) -> tuple[Any, bool]:
    """A result, or an exception, and whether it is that."""
    try:
        return compute(), False
    except BaseException as error:
        return error, True


def _tell(answers: list[tuple[asyncio.Future[Any], Any, bool]]) -> None:
    for done, answer, raised in answers:
        if done.done():
            continue
        if raised:
            done.set_exception(answer)
        else:
            done.set_result(answer)
