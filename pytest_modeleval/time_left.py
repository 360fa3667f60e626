"""How long a run still takes: an estimate that settles.

What is left is answered at the rate of late, but for the last samples, which all run already: they
take as long as the slowest of them.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

MEMORY = 1 / 3
"""The rate is of this share of the time so far, fading."""

LEAST_MEMORY = 6
"""It is at least so many times what a sample takes: answers come in waves."""

SETTLING = 1 / 10
"""A new estimate takes the place of the one before over this share of the time so far, or of the
time left if that is less."""

DURATIONS = 500
"""So many of the last samples say how long one takes."""


class TimeLeft:
    """Tell it what has been answered, by `update`; ask it for `seconds`.

    Samples that took no time, as their replies were in the cache or their results were kept, are to
    be counted neither as answered nor as left. Times are seconds of a clock that only goes on;
    `began` is when the first sample started.
    """

    def __init__(self, began: float) -> None:
        self._now = began
        self._began = began
        self._answered = 0
        self._recent = 0.0
        self._seconds = 0.0
        self._durations: deque[float] = deque(maxlen=DURATIONS)
        self._all_started: float | None = None
        self._ends: float | None = None

    def took(self, duration: float) -> None:
        """One more sample is known to have taken so long."""
        self._durations.append(duration)

    def update(self, now: float, answered: int, left: int, running: int) -> None:
        """So many have been answered since the beginning, so many have not, and of those so many
        run now."""
        passed = max(0.0, now - self._now)
        memory = max(1.0, LEAST_MEMORY * self._mean, MEMORY * (now - self._began))
        fading = math.exp(-passed / memory)
        # As if the answers had come evenly: some of them are a while ago.
        share = memory / passed * (1 - fading) if passed else 1.0
        self._recent = self._recent * fading + max(0, answered - self._answered) * share
        self._seconds = self._seconds * fading + passed * share
        self._answered = max(answered, self._answered)
        self._now = now
        if left > running:
            self._all_started = None
        elif self._all_started is None:
            self._all_started = now
        estimate = self._estimate(left, running)
        if estimate is None:
            return
        if self._ends is None:
            self._ends = now + estimate
        settling = max(1.0, SETTLING * min(estimate, now - self._began))
        self._ends += (now + estimate - self._ends) * (1 - math.exp(-passed / settling))

    @property
    def seconds(self) -> float | None:
        """None until something has been answered."""
        return None if self._ends is None else max(0.0, self._ends - self._now)

    @property
    def rate(self) -> float:
        """Answers a second, of late; 0 while there are none."""
        return self._recent / self._seconds if self._seconds else 0.0

    @property
    def _mean(self) -> float:
        return sum(self._durations) / len(self._durations) if self._durations else 0.0

    def _estimate(self, left: int, running: int) -> float | None:
        rate = self.rate
        if not rate:
            return None
        if not left or not self._durations:
            return left / rate
        age = 0.0 if self._all_started is None else self._now - self._all_started
        last = _last_of(self._durations, running, age)
        return left / rate if last is None else (left - running) / rate + last


def _last_of(durations: Iterable[float], count: int, age: float) -> float | None:
    """When the last of `count` samples ends that run side by side, `age` seconds after none has
    followed them; None where all should have ended by now.

    Of those that run at some moment, a share proportional to E[max(duration - r, 0)] still runs r
    seconds later (the residual life of renewal theory); the last one is where that is 1 of
    count + 1.
    """
    rest = sorted((duration - age for duration in durations if duration > age), reverse=True)
    if not rest:
        return None
    share = sum(rest) / (count + 1)
    longer = 0.0
    for number, each in enumerate(rest, 1):
        longer += each
        shorter = rest[number] if number < len(rest) else 0.0
        if longer - number * shorter >= share:
            return (longer - share) / number
    return 0.0
