"""The layer that answers from the cache, or asks and keeps the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_modeleval.errors import RequestError, StopRun
from pytest_modeleval.models.answer import Answer, AnyRequest
from pytest_modeleval.models.cache import Cached
from pytest_modeleval.models.protocol import (
    Generation,
    Identity,
    LogLikelihood,
    LoglikelihoodRequest,
    Origin,
    Request,
    Sampling,
)
from pytest_modeleval.models.request_key import RequestKeys
from pytest_modeleval.models.response_cache import ResponseCache


class Inner:
    """What is asked; it gives or raises what stands in `gives`, one after the other."""

    def __init__(self) -> None:
        self.gives: list[Any] = []
        self.asked = 0

    async def answer(self, request: AnyRequest) -> Answer:
        self.asked += 1
        given = self.gives.pop(0)
        if isinstance(given, BaseException):
            raise given
        return Answer(given, 0.1)


class Run:
    """A process of its own: it opens the file, asks once, and closes it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.inner = Inner()
        self.told: list[str] = []

    def ask(self, request: AnyRequest, *gives: Any, times: int = 1) -> Any:
        self.inner.gives = list(gives)
        cache = ResponseCache(self.file, mode="on", limit=1 << 30, warn=self.told.append)
        cache.open()
        layer = Cached(self.inner, cache, RequestKeys(Identity("b", "m", "r"), "run"))
        try:
            for _ in range(times):
                answer = asyncio.run(layer.answer(request))
            return answer.value
        finally:
            cache.close()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    yield Run(tmp_path / "cache.sqlite")


def request(call: int = 0, **sampling: Any) -> Request:
    return Request(Sampling(**sampling), prompt="?", origin=Origin("b", "s", 0, call))


GOOD = Generation("42", "stop")


def test_a_good_answer_is_asked_for_once(run: Run) -> None:
    assert run.ask(request(), GOOD) == GOOD
    assert run.ask(request()) == GOOD
    assert run.inner.asked == 1


def test_log_likelihoods_are_asked_for_once(run: Run) -> None:
    asked = LoglikelihoodRequest("c", (" a", " b"), Origin("b", "s"))
    given = [LogLikelihood(-1.0, 1, True), LogLikelihood(-2.0, 2)]
    assert run.ask(asked, given) == given
    assert run.ask(asked) == given
    assert run.inner.asked == 1


def test_two_calls_of_a_body_are_two_draws(run: Run) -> None:
    one, two = Generation("heads", "stop"), Generation("tails", "stop")
    assert run.ask(request(0, temperature=1.0, seed=5), one) == one
    assert run.ask(request(1, temperature=1.0, seed=5), two) == two
    assert run.ask(request(0, temperature=1.0, seed=5)) == one
    assert run.ask(request(1, temperature=1.0, seed=5)) == two


@pytest.mark.parametrize("bad", [Generation("", "stop"), Generation("cut off", None)])
def test_what_is_not_whole_is_asked_for_again(run: Run, bad: Generation) -> None:
    assert run.ask(request(), bad) == bad
    assert run.ask(request(), GOOD) == GOOD
    assert run.ask(request()) == GOOD


@pytest.mark.parametrize("error", [RequestError("no"), StopRun("no"), asyncio.CancelledError()])
def test_an_error_is_passed_on_and_not_kept(run: Run, error: BaseException) -> None:
    with pytest.raises(type(error)):
        run.ask(request(), error)
    assert run.ask(request(), GOOD) == GOOD


def test_a_call_from_outside_of_a_sample_is_not_kept(run: Run) -> None:
    outside = Request(Sampling(), prompt="?")
    assert run.ask(outside, GOOD, GOOD, times=2) == GOOD
    assert run.inner.asked == 2
    assert run.told == []


def test_what_json_cannot_say_is_asked_and_told_once(run: Run) -> None:
    assert run.ask(request(extra={"x": object()}), GOOD, GOOD, times=2) == GOOD
    assert run.inner.asked == 2
    assert run.told == ["some replies of b:m are not cached: object has no form in JSON"]
