"""Requests gathered into batches, which one thread answers one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

TURNS = 3
"""Of the event loop: so many pass until those who have their answer made room for others, and these
have asked. They belong in the next batch."""


@dataclass(eq=False)
class _Waiting:
    request: Any
    kind: object
    done: asyncio.Future[Any]


class Batches:
    """What waits is taken together, the longest waiting first; what comes meanwhile waits.

    Args:
        rows: Requests of a batch, at most.
        answer: Called in the thread with the requests of a batch; its answers, in their order. One
            that is an exception is raised.
        failure: What those who wait are told where `answer` raises.
    """

    def __init__(
        self,
        thread: Executor,
        rows: int,
        answer: Callable[[list[Any]], Sequence[Any]],
        failure: Callable[[Exception], Exception],
    ) -> None:
        self._thread = thread
        self._rows = rows
        self._answer = answer
        self._failure = failure
        self._waiting: list[_Waiting] = []
        self._worker: asyncio.Task[None] | None = None
        self.running: list[Any] = []

    async def ask(self, request: Any, kind: object) -> Any:
        """The answer to a request; only those of one kind share a batch."""
        job = _Waiting(request, kind, asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await job.done

    async def aclose(self) -> None:
        """Answer nobody any more; what runs is waited for."""
        for job in self._waiting:
            job.done.cancel()
        if self._worker is not None:
            await asyncio.gather(self._worker, return_exceptions=True)

    async def _work(self) -> None:
        """Batch after batch, until nobody waits."""
        while batch := await self._next_batch():
            self.running = [job.request for job in batch]
            try:
                answers: Sequence[Any] = await asyncio.get_running_loop().run_in_executor(
                    self._thread, self._answer, self.running
                )
            except Exception as error:
                answers = [self._failure(error)] * len(batch)
            for job, answer in zip(batch, answers, strict=True):
                if job.done.done():
                    continue
                if isinstance(answer, Exception):
                    job.done.set_exception(answer)
                else:
                    job.done.set_result(answer)
            self.running = []

    async def _next_batch(self) -> list[_Waiting]:
        for _ in range(TURNS):
            if len(self._waiting) < self._rows:
                await asyncio.sleep(0)
        self._waiting = [job for job in self._waiting if not job.done.done()]
        if not self._waiting:
            return []
        kind = self._waiting[0].kind
        batch = [job for job in self._waiting if job.kind == kind][: self._rows]
        taken = set(map(id, batch))
        self._waiting = [job for job in self._waiting if id(job) not in taken]
        return batch
