"""How a process of a run is doing, in numbers that travel and add up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Status:
    """`ended` counts the bodies that have ended, also those that are not reported yet; `instant`
    are those among them whose replies all came from the cache. `in_flight` requests are sent and
    unanswered, of `limit` that may be; `retries` were sent again so far. `away_s` is how long a
    server has been away, in seconds, 0 where none is."""

    ended: int = 0
    instant: int = 0
    running: int = 0
    in_flight: int = 0
    limit: int = 0
    retries: int = 0
    away_s: float = 0.0


def combined(parts: Iterable[Status]) -> Status:
    """All of them together."""
    parts = list(parts)
    return Status(
        ended=sum(each.ended for each in parts),
        instant=sum(each.instant for each in parts),
        running=sum(each.running for each in parts),
        in_flight=sum(each.in_flight for each in parts),
        limit=sum(each.limit for each in parts),
        retries=sum(each.retries for each in parts),
        away_s=max((each.away_s for each in parts), default=0.0),
    )
