"""The time left, on the arrival curves of runs of many kinds: it is near the truth, and does not
jump."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Iterator

import pytest

from pytest_modeleval.time_left import TimeLeft

Latency = Callable[[float, random.Random], float]
WINDOW = 64


def arrivals(samples: int, latency: Latency, *, window: int = WINDOW) -> list[tuple[float, float]]:
    """When each sample ends and how long it took, in the order of the ends: so many at once, the
    next one starts when one ends."""
    drawn = random.Random(7)
    running: list[tuple[float, float]] = []
    ended: list[tuple[float, float]] = []
    for number in range(samples):
        start = 0.0
        if number >= window:
            end, took = heapq.heappop(running)
            ended.append((end, took))
            start = end
        took = latency(start, drawn)
        heapq.heappush(running, (start + took, took))
    return ended + sorted(running)


def watched(
    curve: list[tuple[float, float]], *, window: int = WINDOW, every: float = 1.0
) -> Iterator[tuple[float, float]]:
    """Each second: the true time left, and what is said of it."""
    estimate = TimeLeft(0.0)
    end = curve[-1][0]
    answered, now = 0, 0.0
    while now < end - every:
        now += every
        while curve[answered][0] <= now:
            estimate.took(curve[answered][1])
            answered += 1
        left = len(curve) - answered
        estimate.update(now, answered, left, min(left, window))
        if estimate.seconds is not None:
            yield end - now, estimate.seconds


def one_in_a_hundred(now: float, drawn: random.Random) -> float:
    return 40.0 if drawn.random() < 0.01 else 2.0


def warming_up(now: float, drawn: random.Random) -> float:
    return drawn.uniform(2, 4) * (4 if now < 20 else 1)


CURVES: dict[str, list[tuple[float, float]]] = {
    "even": arrivals(4000, lambda now, drawn: 5.0),
    "spread": arrivals(4000, lambda now, drawn: drawn.uniform(1, 9)),
    "long tails": arrivals(4000, lambda now, drawn: drawn.expovariate(1 / 5)),
    "log-normal": arrivals(4000, lambda now, drawn: drawn.lognormvariate(1.2, 0.8)),
    "one in a hundred takes twenty times": arrivals(6000, one_in_a_hundred),
    "warming up": arrivals(6000, warming_up),
    "few and slow": arrivals(200, lambda now, drawn: drawn.uniform(20, 60)),
    "swift": arrivals(60_000, lambda now, drawn: drawn.uniform(0.05, 0.15)),
}


SETTLED = {"warming up": 50.0, "few and slow": 35.0}
"""Seconds after which there is something to go by: a tenth of the others."""


def settled(name: str) -> list[tuple[float, float]]:
    curve = CURVES[name]
    end = curve[-1][0]
    return [each for each in watched(curve) if each[0] < end - SETTLED.get(name, 0.1 * end)]


@pytest.mark.parametrize("name", CURVES)
def test_it_is_near_the_truth(name: str) -> None:
    """Within a factor of 1.5 until 5 % are left, then within 2.5."""
    end = CURVES[name][-1][0]
    seen = settled(name)
    assert len(seen) > 20
    for true, said in seen:
        factor = 1.5 if true > 0.05 * end else 2.5
        assert true / factor <= said <= true * factor or true < 3, f"{said:.0f} s, not {true:.0f} s"


@pytest.mark.parametrize("name", CURVES)
def test_it_does_not_jump(name: str) -> None:
    """From one second to the next it changes by a tenth at most, or by 4 s, but for the second
    that has passed."""
    said = [each for _, each in settled(name)]
    for before, after in itertools.pairwise(said):
        assert abs(after - (before - 1)) <= max(4.0, 0.1 * before), (before, after)


def test_answers_that_come_in_bursts() -> None:
    """One slow sample holds up the reports of a thousand others."""
    curve = [(30.0 + 30 * (number // 1000), 2.0) for number in range(10_000)]
    said = [each for each in watched(curve) if 40 < each[0] < 200]
    assert all(true / 2 < each < true * 2 for true, each in said)


def test_the_rate_of_late_counts_more() -> None:
    """After a minute the server becomes four times slower, and after two more that is seen."""
    curve = arrivals(4000, lambda now, drawn: drawn.uniform(1, 3) * (4 if now > 60 else 1))
    said = dict(watched(curve))
    end = curve[-1][0]
    later = [(true, each) for true, each in said.items() if 10 < true < end - 60 - 80]
    assert later
    assert all(true / 1.5 <= each <= true * 1.5 for true, each in later)


def test_a_server_that_is_away_shows() -> None:
    """While nothing is answered, the estimate goes up."""
    estimate = TimeLeft(0.0)
    for second in range(1, 61):
        estimate.update(second, 10 * second, 1000 - 10 * second, 10)
    before = estimate.seconds
    for second in range(61, 121):
        estimate.update(second, 600, 400, 0)
    assert before == pytest.approx(40, rel=0.1)
    assert estimate.seconds is not None
    assert estimate.seconds > 60


def test_nothing_is_said_before_the_first_answer() -> None:
    estimate = TimeLeft(0.0)
    estimate.update(30.0, 0, 100, 64)
    assert estimate.seconds is None
    for _ in range(64):
        estimate.took(31.0)
    estimate.update(31.0, 64, 64, 64)
    assert estimate.seconds == pytest.approx(31, rel=0.1)


def test_all_at_the_same_moment() -> None:
    estimate = TimeLeft(0.0)
    estimate.update(0.0, 5, 5, 5)
    assert estimate.seconds is None
    estimate.update(1.0, 10, 0, 0)
    assert estimate.seconds == 0
