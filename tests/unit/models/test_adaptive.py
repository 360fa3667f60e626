"""The limit settles, against servers that are simulated, in a time that is none."""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from pytest_modeleval.models.adaptive import AdaptiveLimit

LATENCY = 0.05
REFUSAL = 0.002


@dataclass
class Server:
    """Answers `at_once` requests at a time and `a_second`; more are refused, or wait where it
    `queues`. A `share` is refused whatever is in flight."""

    at_once: float = math.inf
    a_second: float = math.inf
    queues: bool = False
    share: float = 0.0
    spread: float = 0.05


class Client:
    """Sends whatever the limit allows; the second half of the time is what counts."""

    def __init__(self, start: int, most: int) -> None:
        self.limit = AdaptiveLimit(start, most)
        self.in_flight = self.answered = self.refused = 0
        self.next_at = 0.0
        self.limits: list[float] = []
        self.waits = False


def simulate(server: Server, seconds: float, *clients: Client, later: Server | None = None) -> None:
    """The clients start one after the other, five seconds apart. At half-time the server may
    become another."""
    draw = random.Random(7)
    events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
    numbers = itertools.count()
    queue: deque[tuple[Client, float]] = deque()
    serving, tokens, filled = 0, 1.0, 0.0

    def at(time: float, what: Callable[..., None], *arguments: Any) -> None:
        heapq.heappush(events, (time, next(numbers), what, arguments))

    def send(now: float, client: Client) -> None:
        client.waits = False
        while client.in_flight < client.limit.slots and not client.waits:
            if now < client.next_at - 1e-9:
                client.waits = True
                at(client.next_at, send, client)
                return
            client.in_flight += 1
            client.next_at = now + client.limit.distance
            at(now + 0.0005, arrive, client, now)

    def arrive(now: float, client: Client, sent: float) -> None:
        nonlocal server, serving, tokens, filled
        if later is not None and now > seconds / 2:
            server = later
        if server.a_second < math.inf:
            most = max(1.0, server.a_second / 10)
            tokens, filled = min(most, tokens + (now - filled) * server.a_second), now
        if tokens < 1 or draw.random() < server.share:
            at(now + REFUSAL, refuse, client, sent)
        elif serving < server.at_once:
            tokens -= server.a_second < math.inf
            serve(now, client, sent)
        elif server.queues:
            queue.append((client, sent))
        else:
            at(now + REFUSAL, refuse, client, sent)

    def serve(now: float, client: Client, sent: float) -> None:
        nonlocal serving
        serving += 1
        at(now + LATENCY * draw.lognormvariate(0, server.spread), answer, client, sent)

    def refuse(now: float, client: Client, sent: float) -> None:
        client.in_flight -= 1
        client.refused += 1
        client.limit.refused(now, sent, client.in_flight)
        send(now, client)

    def answer(now: float, client: Client, sent: float) -> None:
        nonlocal serving
        serving -= 1
        if queue:
            serve(now, *queue.popleft())
        client.in_flight -= 1
        if now > seconds / 2:
            client.answered += 1
            client.limits.append(client.limit.value)
        client.limit.answered(now, now - sent, busy=True)
        send(now, client)

    for number, client in enumerate(clients):
        client.waits = True
        at(5.0 * number, send, client)
    while events and events[0][0] < seconds:
        now, _, what, arguments = heapq.heappop(events)
        what(now, *arguments)


def rate(client: Client, seconds: float) -> float:
    return client.answered / (seconds / 2)


@pytest.mark.parametrize(
    ("server", "limit"),
    [
        (Server(at_once=3), 3),
        (Server(at_once=10), 10),
        (Server(at_once=40), 40),
        (Server(at_once=200), 200),
        (Server(at_once=10, spread=0.5), 10),
        (Server(a_second=50), 2.5),
        (Server(a_second=200), 10),
        (Server(a_second=1000), 50),
    ],
)
def test_it_settles_within_a_tenth_of_a_limit(server: Server, limit: float) -> None:
    client = Client(64, 256)
    simulate(server, 60, client)
    mean = sum(client.limits) / len(client.limits)
    assert mean == pytest.approx(limit, rel=0.12)
    most = min(server.a_second, server.at_once / LATENCY)
    assert rate(client, 60) > 0.85 * most
    assert client.refused < 500 + 0.01 * 60 * most


def test_a_rate_below_one_request_after_the_other() -> None:
    client = Client(64, 256)
    simulate(Server(a_second=2), 300, client)
    assert rate(client, 300) > 0.85 * 2
    assert client.refused < 800


@pytest.mark.parametrize("at_once", [16, 40, 150])
def test_a_server_that_queues_is_not_made_slower_than_need_be(at_once: int) -> None:
    client = Client(64, 256)
    simulate(Server(at_once=at_once, queues=True), 60, client)
    assert rate(client, 60) > 0.9 * at_once / LATENCY
    assert sum(client.limits) / len(client.limits) < 1.25 * at_once


def test_it_grows_where_that_pays() -> None:
    client = Client(16, 64)
    simulate(Server(), 30, client)
    assert client.limit.value == 64


def test_it_never_grows_above_what_was_said() -> None:
    client = Client(8, 8)
    simulate(Server(), 20, client)
    assert max(client.limits) == 8


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_refusals_that_do_not_depend_on_it_do_not_choke_the_run(share: float) -> None:
    client = Client(64, 64)
    simulate(Server(share=share), 60, client)
    assert sum(client.limits) / len(client.limits) > 25


def test_two_share() -> None:
    server = Server(at_once=20, spread=0.3)
    clients = Client(64, 256), Client(64, 256)
    simulate(server, 120, *clients)
    rates = [rate(client, 120) for client in clients]
    assert sum(rates) > 0.85 * 20 / LATENCY
    assert min(rates) > 0.6 * max(rates)


@pytest.mark.parametrize(("before", "after"), [(100, 8), (8, 100)])
def test_a_limit_that_moves_is_found_again(before: int, after: int) -> None:
    client = Client(64, 256)
    simulate(Server(at_once=before), 40, client, later=Server(at_once=after))
    assert client.limit.value == pytest.approx(after, rel=0.15)
