"""What is asked again, how often, and after which pauses."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import pytest

from pytest_modeleval.errors import RequestError, StopRun
from pytest_modeleval.models import retry
from pytest_modeleval.models.answer import Answer, AnyRequest
from pytest_modeleval.models.protocol import LoglikelihoodRequest, Origin, Request, Sampling
from pytest_modeleval.models.retry import Retrying

REQUEST = Request(Sampling(), prompt="hi")


class Failing:
    """Fails with each of the errors, one after the other, and then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.asked = 0

    async def answer(self, request: AnyRequest) -> Answer:
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)
        return Answer("yes", 0.1)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses, which take no time."""
    pauses: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await real(0)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return pauses


def ask(inner: Failing, request: AnyRequest = REQUEST, **options: Any) -> Answer:
    return asyncio.run(Retrying(inner, **options).answer(request))


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
def test_what_may_pass_is_asked_again(slept: list[float], status: int) -> None:
    inner = Failing(RequestError("busy", status=status))
    answer = ask(inner)
    assert (answer.value, answer.attempts, inner.asked) == ("yes", 2, 2)
    assert len(slept) == 1


@pytest.mark.parametrize("status", [None, 200, 301, 400, 401, 403, 404, 413, 422])
def test_what_cannot_succeed_is_not(slept: list[float], status: int | None) -> None:
    inner = Failing(RequestError("no", status=status))
    with pytest.raises(RequestError, match=r"^no$"):
        ask(inner)
    assert (inner.asked, slept) == (1, [])


def test_who_raises_knows_better_than_the_status(slept: list[float]) -> None:
    assert ask(Failing(RequestError("cut off", status=200, retryable=True))).attempts == 2
    with pytest.raises(RequestError):
        ask(Failing(RequestError("spent", status=429, retryable=False)))


@pytest.mark.parametrize("error", [StopRun("the key is wrong"), ValueError("a bug")])
def test_nothing_else_is_tried_again(error: Exception) -> None:
    inner = Failing(RequestError("busy", status=503), error)
    with pytest.raises(type(error)):
        ask(inner)
    assert inner.asked == 2


def test_the_last_error_says_how_often_it_was_tried(slept: list[float]) -> None:
    inner = Failing(*(RequestError(f"busy {n}", status=503) for n in range(9)))
    with pytest.raises(RequestError, match=r"^busy 3 \(after 4 attempts\)$") as caught:
        ask(inner, max_attempts=4)
    assert (inner.asked, caught.value.status) == (4, 503)
    with pytest.raises(RequestError, match=r"^busy 4$"):
        ask(inner, max_attempts=1)


def test_pauses_are_drawn_below_a_bound_that_doubles(slept: list[float]) -> None:
    random.seed(0)
    for _ in range(200):
        ask(Failing(*(RequestError("busy", status=503) for _ in range(9))))
    for number in range(9):
        drawn = slept[number::9]
        bound = min(60.0, 0.5 * 2**number)
        assert 0 <= min(drawn) < bound / 10
        assert bound * 9 / 10 < max(drawn) <= bound


def test_the_server_says_how_long_to_wait(slept: list[float]) -> None:
    ask(Failing(RequestError("busy", status=429, retry_after=7.0)))
    assert 7.0 <= slept[0] <= 7.5
    ask(Failing(RequestError("busy", status=429, retry_after=86400.0)))
    assert 60.0 <= slept[1] <= 60.5


def test_no_pause_is_begun_that_would_end_after_the_samples_time(slept: list[float]) -> None:
    inner = Failing(RequestError("busy", status=429, retry_after=7.0))
    late = Request(Sampling(), prompt="hi", origin=Origin("b", "s", deadline=time.monotonic() + 5))
    with pytest.raises(RequestError, match=r"^busy$"):
        ask(inner, late)
    assert slept == []
    inner.errors = [RequestError("busy", status=429, retry_after=7.0)]
    soon = LoglikelihoodRequest("a", ("b",), Origin("b", "s", deadline=time.monotonic() + 50))
    assert ask(inner, soon).attempts == 2


def test_a_long_wait_holds_up_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_S", 0.0)

    async def main() -> None:
        inner = Failing(RequestError("busy", status=429, retry_after=50.0))
        retrying = Retrying(inner)
        long = asyncio.create_task(retrying.answer(REQUEST))
        await asyncio.sleep(0)
        answers = await asyncio.gather(*(retrying.answer(REQUEST) for _ in range(9)))
        assert [each.attempts for each in answers] == [1] * 9
        assert not long.done()
        long.cancel()

    asyncio.run(main())


def test_giving_up_a_request_ends_its_pause() -> None:
    async def main() -> None:
        inner = Failing(RequestError("busy", status=429, retry_after=50.0))
        task = asyncio.create_task(Retrying(inner).answer(REQUEST))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert inner.asked == 1

    asyncio.run(main())


def test_retries_are_counted(slept: list[float]) -> None:
    retrying = Retrying(Failing(*(RequestError("busy", status=503) for _ in range(3))))
    asyncio.run(retrying.answer(REQUEST))
    assert retrying.retries == 3
