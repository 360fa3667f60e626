"""What failed for a passing reason is asked again.

With full jitter: a pause is drawn between nothing and a bound that doubles with every attempt, so
that many requests which failed together do not come back together.
https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

from tenacity import (
    AsyncRetrying,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    stop_never,
    wait_exception,
    wait_random_exponential,
)

from pytest_modeleval.errors import RequestError
from pytest_modeleval.models.answer import Answer, AnyRequest, Layer

T = TypeVar("T")

MAX_ATTEMPTS = 10
"""How often a request is sent, unless something else is said."""

FIRST_S = 0.5
LONGEST_S = 60.0
"""Bounds of the first pause and of any, also of one that a server asks for."""


class Retrying:
    """Asks again. A pause holds no slot of the limiter, and no other request waits for it."""

    def __init__(self, inner: Layer, *, max_attempts: int = MAX_ATTEMPTS) -> None:
        self._inner = inner
        self._max_attempts = max_attempts
        self.retries = 0
        """Requests that were sent again so far."""

    async def answer(self, request: AnyRequest) -> Answer:
        """Raises RequestError, which says after how many attempts where there were several."""
        try:
            return await self._inner.answer(request)
        except RequestError as error:
            failure = error
        deadline = request.origin.deadline if request.origin is not None else None
        attempts = 1

        async def once_more() -> Answer:
            nonlocal attempts
            attempts += 1
            self.retries += 1
            return await self._inner.answer(request)

        try:
            answer = await again(
                once_more, failure, max_attempts=self._max_attempts, deadline=deadline
            )
        except RequestError as error:
            if attempts == 1:
                raise
            failed = RequestError(
                f"{error} (after {attempts} attempts)",
                status=error.status,
                retryable=error.retryable,
                retry_after=error.retry_after,
            )
            failed.attempts = attempts
            raise failed from None
        answer.attempts = attempts
        return answer


async def again(
    ask: Callable[[], Awaitable[T]],
    failure: RequestError,
    *,
    max_attempts: int = MAX_ATTEMPTS,
    deadline: float | None = None,
) -> T:
    """Ask once more after `failure`, and then for as long as it may help; the last RequestError is
    raised. No pause is begun that would end after `deadline`, a time of the monotonic clock.

    The first attempt is the caller's: the library costs 20 µs, which only failures should pay.
    """
    first = [failure]

    async def attempt() -> T:
        if first:
            raise first.pop()
        return await ask()

    retrying = AsyncRetrying(
        retry=retry_if_exception(lambda error: getattr(error, "retryable", False)),
        wait=wait_exception(_asked_for) + wait_random_exponential(FIRST_S, LONGEST_S),
        stop=stop_after_attempt(max_attempts)
        | (stop_never if deadline is None else stop_before_delay(deadline - monotonic())),
        reraise=True,
    )
    return await retrying(attempt)


def _asked_for(error: BaseException) -> float:
    """The seconds that the server wants to be left alone, as far as we follow it."""
    return min(LONGEST_S, getattr(error, "retry_after", None) or 0.0)
