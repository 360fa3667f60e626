"""Requests and tokens a minute."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from pytest_modeleval.errors import UsageError
from pytest_modeleval.models.answer import Answer, AnyRequest
from pytest_modeleval.models.limiter import Limiter
from pytest_modeleval.models.protocol import (
    Generation,
    LoglikelihoodRequest,
    Request,
    Sampling,
    Usage,
)
from pytest_modeleval.models.rates import Rated, Rates, said_rates
from pytest_modeleval.models.shared_state import SharedState


class Backend:
    def __init__(self, completion_tokens: int | None = 10) -> None:
        self.asked = 0
        self.completion_tokens = completion_tokens

    async def answer(self, request: AnyRequest) -> Answer:
        self.asked += 1
        if isinstance(request, LoglikelihoodRequest):
            return Answer([], 0.1)
        return Answer(Generation("", usage=Usage(10, self.completion_tokens)), 0.1)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses, during which the clock of the shared state goes on."""
    pauses: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await real(0)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return pauses


def state(folder: Path, slept: list[float]) -> SharedState:
    return SharedState(folder / "state.sqlite", clock=lambda: 100.0 + sum(slept))


def chat(max_tokens: int = 1000) -> Request:
    return Request(Sampling(max_tokens=max_tokens), prompt="x" * 40)  # 10 tokens


def test_requests_a_minute(tmp_path: Path, slept: list[float]) -> None:
    rated = Rated(Backend(), Rates(requests=120), state(tmp_path, slept), "e", Limiter(9))

    async def main() -> None:
        await asyncio.gather(*(rated.answer(chat()) for _ in range(12)))

    asyncio.run(main())
    assert sum(slept) == pytest.approx(5.0)
    assert slept[:2] == [0.0, 0.0]
    assert slept[2:] == pytest.approx([0.5] * 10)


def test_tokens_a_minute_by_what_replies_take(tmp_path: Path, slept: list[float]) -> None:
    rated = Rated(Backend(), Rates(tokens=600), state(tmp_path, slept), "e", Limiter(9))

    async def main() -> None:
        for _ in range(10):
            await rated.answer(chat())

    asyncio.run(main())
    assert sum(slept[1:]) == pytest.approx(9 * 20 / 10, abs=1.1)


def test_without_usage_the_guess_stands(tmp_path: Path, slept: list[float]) -> None:
    rated = Rated(Backend(None), Rates(tokens=6000), state(tmp_path, slept), "e", Limiter(9))

    async def main() -> None:
        for _ in range(3):
            await rated.answer(chat(max_tokens=90))
        await rated.answer(LoglikelihoodRequest("x" * 40, ("y",)))

    asyncio.run(main())
    assert sum(slept) == pytest.approx(2 + 0.11, abs=0.01)


def test_all_processes_share_one_endpoint(tmp_path: Path, slept: list[float]) -> None:
    one = Rated(Backend(), Rates(requests=60), state(tmp_path, slept), "e", Limiter(9))
    two = Rated(Backend(), Rates(requests=60), state(tmp_path, slept), "e", Limiter(9))
    other = Rated(Backend(), Rates(requests=60), state(tmp_path, slept), "f", Limiter(9))

    async def main() -> None:
        for rated in (one, two, one, other):
            await rated.answer(chat())

    asyncio.run(main())
    assert slept == pytest.approx([0.0, 1.0, 1.0, 0.0])


def test_who_is_given_up_while_waiting_takes_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        backend, limiter, state = Backend(), Limiter(1), SharedState(tmp_path / "s")
        rated = Rated(backend, Rates(requests=60), state, "e", limiter)
        await rated.answer(chat())
        waiting = [asyncio.create_task(rated.answer(chat())) for _ in range(50)]
        await asyncio.sleep(0.01)
        assert limiter.full
        for task in waiting[1:]:
            task.cancel()
        await asyncio.wait(waiting[1:])
        await waiting[0]
        assert state.take("rpm e", 1, per_minute=60) < 3
        assert (limiter.waiting, backend.asked) == (0, 2)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("arguments", "rates"),
    [
        ({}, None),
        ({"rpm": 500}, Rates(500, None)),
        ({"rpm": 0.5, "tpm": 100_000}, Rates(0.5, 100_000)),
    ],
)
def test_what_is_said(arguments: dict[str, Any], rates: Rates | None) -> None:
    assert said_rates(arguments, "model m") == rates


@pytest.mark.parametrize("value", [0, -1, "many", True, float("inf"), float("nan")])
def test_what_is_said_wrongly(value: Any) -> None:
    with pytest.raises(UsageError, match=r"^model m: tpm=.*: expected tokens a minute, say 500$"):
        said_rates({"tpm": value}, "model m")
