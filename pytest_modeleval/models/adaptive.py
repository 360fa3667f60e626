"""How many requests a server can take, found out by asking it: arithmetic alone, no waiting.

Two things speak of a limit that nobody told us.

A server that *refuses* (429): additive increase, multiplicative decrease, as TCP does it. A refusal
takes a tenth away, though nothing of what is being answered. Increase is slow at first and doubles
every ten rounds without a refusal, so that a limit is met rarely when it stands, and found quickly
when it has moved. Below four in flight the limit is a fraction, and requests keep a distance in
time: a rate may well be lower than one request after the other. Refusals that do not become fewer
with fewer requests in flight say nothing of a limit, and are let be.

A server that *queues*: with more in flight it answers more slowly, and no more. So once the limit
has grown by a fifth, throughput must have grown by a tenth. If it has not, the limit falls for as
long as that costs no throughput.
"""

from __future__ import annotations

from math import ceil

GROWTH = 4
"""How many times the limit that we start with it may become."""

DECREASE, HARD_DECREASE = 0.9, 0.7
"""What a refusal leaves of the limit: one that follows an answer, and one that follows another. But
what is being answered is left."""

STEP = 0.005
"""The share by which the limit grows in a round, right after a refusal."""

DOUBLING = 10
"""Rounds after which the step has doubled."""

PACED = 4
"""Below so many in flight requests keep a distance in time."""

SMOOTH = 30
"""Answers over which latencies and the gaps between answers are smoothed."""


FLOOD = 16
"""Refusals that, with no more answers than refusals, speak of a limit far below: what else is in
flight is then taken for all that the server holds."""

STRETCH = 100
"""Answers and refusals, at least, over which throughput and the share of refusals are measured."""

MANY = 0.03
"""The share of refusals that is more than what finding the limit out costs."""

PATIENCE = 16
"""Stretches for which refusals are let be that do not depend on what is in flight."""


class AdaptiveLimit:
    """At most `most`, and above nothing. A round is as many answers as requests may be in flight.

    Times are seconds of a monotonic clock.
    """

    def __init__(self, start: int, most: int) -> None:
        self.value = float(start)
        self.most = most
        self._latency: float | None = None
        self._gap: float | None = None
        self._last_answer: float | None = None
        self._rounds = 0.0
        self._decreased_at = float("-inf")
        self._answered_since = False
        self._refused = False
        self._stretch = Stretch(self.value, None)
        self._productive = 0.0
        self._reference: Stretch | None = None
        self._shrinking = False
        self._overload: Stretch | None = None
        self._ignoring = 0

    @property
    def slots(self) -> int:
        """How many requests may be in flight."""
        return max(1, ceil(self.value) if self.value < PACED else int(self.value))

    @property
    def distance(self) -> float:
        """Seconds from one request to the next."""
        if not self._refused or self.value >= PACED or self._latency is None:
            return 0.0
        return self._latency / self.value

    def answered(self, now: float, latency: float, *, busy: bool) -> None:
        """An answer came after `latency`; `busy` says that another request takes its place."""
        self._latency = _smoothed(self._latency, latency)
        if self._last_answer is not None:
            self._gap = _smoothed(self._gap, now - self._last_answer)
        self._last_answer = now
        self._answered_since = True
        self._stretch.add(now, latency, busy=busy)
        if busy and not self._shrinking and not self._ignoring:
            self._grow()
        self._look(now)

    def refused(self, now: float, sent_at: float, in_flight: int) -> None:
        """A request that was sent at `sent_at` was too many, beside `in_flight` others."""
        self._refused = True
        self._stretch.refused += 1
        if not self._ignoring:
            self._decrease(now, sent_at, in_flight)
        self._look(now)

    def _decrease(self, now: float, sent_at: float, in_flight: int) -> None:
        self._rounds = 0.0
        self._reference = None
        self._shrinking = False
        flood = self._stretch.refused >= FLOOD and self._stretch.share > 0.5
        if flood:
            self._set(min(self.value, in_flight + 1.0))
        if sent_at <= self._decreased_at or (self._latency is None and not flood):
            return  # of the same burst, or too early to tell
        less = self.value * (DECREASE if self._answered_since else HARD_DECREASE)
        least = max(DECREASE * self._being_answered(now), self._productive / 2)
        self._set(max(less, min(self.value, least)))
        self._decreased_at = now
        self._answered_since = False

    def _being_answered(self, now: float) -> float:
        """As many are in flight as are answered in the time that one takes (Little's law)."""
        if self._latency is None or self._gap is None or self._last_answer is None:
            return 1.0
        since = now - self._last_answer
        self._gap = max(self._gap, _smoothed(self._gap, since))
        return self._latency / max(self._gap, since)

    def _grow(self) -> None:
        self._rounds += 1 / max(1.0, self.value)
        share = STEP * 2 ** min(30.0, self._rounds / DOUBLING)
        self._set(self.value + min(1.0, share * min(1.0, self.value)))

    def _look(self, now: float) -> None:
        stretch = self._stretch
        if stretch.answers + stretch.refused < max(STRETCH, 4 * self.value):
            return
        stretch.ended = now
        self._look_at_refusals(stretch)
        if stretch.busy and not stretch.refused:
            self._look_at_throughput(stretch)
        self._productive = stretch.productive
        self._stretch = Stretch(self.value, now)

    def _look_at_refusals(self, stretch: Stretch) -> None:
        before = self._overload
        if self._ignoring:
            self._ignoring -= 1
            if before is None or stretch.share > 2 * before.share:
                self._ignoring = 0
        elif stretch.share < MANY:
            self._overload = None
        elif before is None or stretch.share < before.share / 2:
            self._overload = stretch
        elif stretch.limit <= 0.8 * before.limit and stretch.productive > stretch.limit / 2:
            self._set(before.limit)
            self._ignoring = PATIENCE

    def _look_at_throughput(self, stretch: Stretch) -> None:
        reference = self._reference
        if reference is None:
            self._reference = stretch
        elif self._shrinking:
            if stretch.throughput >= 0.95 * reference.throughput:
                self._reference = stretch
                self._set(self.value * DECREASE)
            else:
                self._set(reference.limit)
                self._shrinking, self._reference, self._rounds = False, None, 0.0
        elif stretch.limit >= 1.2 * reference.limit:
            if stretch.throughput >= 1.1 * reference.throughput:
                self._reference = stretch
            else:
                self._shrinking = True
                self._set(reference.limit * DECREASE)

    def _set(self, value: float) -> None:
        self.value = min(float(self.most), max(0.001, value))


class Stretch:
    """What a number of requests came to; `limit` is what it was when they began."""

    def __init__(self, limit: float, began: float | None) -> None:
        self.limit = limit
        self.answers = 0
        self.refused = 0
        self.busy = True
        self.ended = 0.0
        self._began = began
        self._latencies = 0.0

    def add(self, now: float, latency: float, *, busy: bool) -> None:
        """An answer."""
        if self._began is None:
            self._began = now
        self.answers += 1
        self._latencies += latency
        self.busy = self.busy and busy

    @property
    def share(self) -> float:
        """Of the requests, those that were refused."""
        return self.refused / (self.answers + self.refused)

    @property
    def throughput(self) -> float:
        """Answers a second."""
        return self.answers / max(1e-9, self.ended - (self._began or 0.0))

    @property
    def productive(self) -> float:
        """How many requests were in flight, in the mean, that were answered."""
        return self._latencies / max(1e-9, self.ended - (self._began or 0.0))


def _smoothed(before: float | None, value: float) -> float:
    return value if before is None else before + (value - before) / SMOOTH
