"""The limit settles, against servers that are simulated, in a time that is none."""

from __future__ import annotations

import pytest

from tests.simulated_server import LATENCY, START, WAY, Server, Settled, simulate


def settles(at_once: int, **more: float) -> Settled:
    """Within a tenth of the limit, and nothing is lost or answered twice."""
    settled = simulate(Server(at_once=at_once, **more), seconds=300 if at_once < 8 else 80)  # type: ignore[arg-type]
    assert settled.limit == pytest.approx(at_once, rel=0.1)
    assert settled.rate > 0.9 * at_once / LATENCY
    assert set(settled.times_answered) == {1}
    return settled


@pytest.mark.parametrize("at_once", [1, 2, 3, 5, 8, 20, 50, 200])
def test_it_settles_within_a_tenth_of_a_limit(at_once: int) -> None:
    settled = settles(at_once, spread=0.2)
    assert settled.refused < 0.03, "it is met rarely"


@pytest.mark.parametrize("at_once", [1, 3, 20])
@pytest.mark.parametrize(
    "more",
    [
        {"too_many": 0.01},
        {"too_many": 0.05},
        {"refusal_s": LATENCY},
        {"retry_after": 2.0},
    ],
    ids=str,
)
def test_whatever_else_the_server_does(at_once: int, more: dict[str, float]) -> None:
    settles(at_once, spread=0.2, **more)


def test_latencies_that_differ_widely() -> None:
    settled = simulate(Server(at_once=20, spread=0.5), seconds=120)
    assert settled.limit == pytest.approx(20, rel=0.1)
    assert settled.rate > 0.9 * 20 / (LATENCY * 1.133), "the mean of a log-normal one"


@pytest.mark.parametrize("a_second", [0.5, 4, 20, 100])
def test_a_rate(a_second: float) -> None:
    """Below one request after the other, too."""
    settled = simulate(Server(a_second=a_second, spread=0.05), seconds=max(100, 400 / a_second))
    assert settled.rate > 0.9 * a_second
    if a_second > 1:
        assert settled.limit == pytest.approx(a_second * (LATENCY + WAY), rel=0.2)
    assert set(settled.times_answered) == {1}


@pytest.mark.parametrize("at_once", [8, 20])
def test_a_server_that_queues_is_not_made_slower_than_need_be(at_once: int) -> None:
    settled = simulate(Server(at_once=at_once, queues=True, spread=0.2), seconds=240)
    assert settled.rate > 0.9 * at_once / LATENCY
    assert settled.limit < 1.25 * at_once


def test_it_grows_where_that_pays() -> None:
    assert simulate(Server(), seconds=80, start=16, most=64).limit == 64


def test_it_never_grows_above_what_was_said() -> None:
    assert simulate(Server(), seconds=40, start=8, most=8).limit == 8


@pytest.mark.parametrize("share", [0.1, 0.2])
def test_refusals_that_do_not_depend_on_it_do_not_choke_the_run(share: float) -> None:
    settled = simulate(Server(too_many=share), seconds=60, most=START)
    assert settled.limit > 45


@pytest.mark.parametrize(("clients", "at_once"), [(2, 20), (4, 50)])
def test_several_share(clients: int, at_once: int) -> None:
    settled = simulate(Server(at_once=at_once, spread=0.2), seconds=100, clients=clients)
    assert settled.limit == pytest.approx(at_once, rel=0.1)
    assert settled.rate > 0.9 * at_once / LATENCY
    assert set(settled.times_answered) == {1}
    assert min(settled.rates) > 0, "not in equal parts, but each has one"


@pytest.mark.parametrize(("before", "after"), [(100, 8), (8, 50)])
def test_a_limit_that_moves_is_found_again(before: int, after: int) -> None:
    settled = simulate(Server(at_once=before), seconds=160, later=Server(at_once=after))
    assert settled.limit == pytest.approx(after, rel=0.1)


def test_a_worker_that_is_never_answered_does_not_ask_without_end() -> None:
    """Others hold all places."""
    settled = simulate(Server(at_once=0), seconds=60)
    assert settled.asked < 400
