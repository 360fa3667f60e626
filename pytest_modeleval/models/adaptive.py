"""How many requests a server can take, found out by asking it: arithmetic alone, no waiting.

Two things speak of a limit that nobody told us.

A server that *refuses* (429). A refusal takes a tenth of the limit away. For two rounds the limit
stays there, with its requests spread over time; then it grows as TCP's CUBIC does (RFC 9438): fast
to where it was refused, slowly round it, faster beyond. So a limit is met rarely when it stands,
and found quickly when it has moved. Below one in flight requests keep a distance in time: a rate
may well be lower than one request after the other.

Refusals that go on in those two rounds have another cause: so many are usual, and only more than
that say something of the limit (a cumulative sum, Page 1954).

A server that *queues*: with more in flight it answers more slowly, and no more. So once the limit
has grown by a fifth, throughput must have grown by a tenth. If it has not, the limit falls for as
long as that costs no throughput.
"""

from __future__ import annotations

GROWTH = 4
"""How many times the limit that we start with it may become."""

DECREASE, HARD_DECREASE = 0.9, 0.7
"""What a refusal leaves of the limit: one that follows an answer, and one that follows none. But
what the server has taken is left, and where none follow at once, no more than that."""

CUBIC = 0.002
"""The limit grows by so much times the cube of the rounds; in proportion below 1 and above 20."""

ROUND = 10
"""Answers that a round takes at least."""

HOLD = 2
"""Rounds after a decrease in which the limit stays, and usual refusals are counted."""

SMOOTH, SMOOTH_USUAL = 30, 100
"""Answers over which latencies are smoothed, and requests over which usual refusals are."""

MOST_USUAL = 0.1
"""The largest share of refusals that is learnt as usual in this way."""

EXCESS = 0.05
"""The share of refusals above the usual ones that is no chance."""

STRETCH = 100
"""Answers over which throughput and the share of refusals are measured; fewer where a step of the
limit is a coarse one."""


class AdaptiveLimit:
    """At most `most`, and above nothing. A round is as many answers as requests may be in flight.

    Times are seconds of a monotonic clock.
    """

    def __init__(self, start: int, most: int) -> None:
        self.value = float(start)
        self.most = most
        self._latency: float | None = None
        self._least_latency = float("inf")
        self._refusal_s = 0.0
        self._most_usual = MOST_USUAL
        self._usual = self._usual_before = 0.0
        self._excess = 0.0
        self._decreased_at = float("-inf")
        self._answered_since = False
        self._stretch = Stretch(None)
        self._reference: Stretch | None = None
        self._overload: Stretch | None = None
        self._shrinking = False
        self._start_over(self.value, self.value)
        self._rounds = 0.0

    @property
    def slots(self) -> int:
        """How many requests may be in flight."""
        return max(1, int(self.value))

    @property
    def distance(self) -> float:
        """Seconds from one request to the next."""
        if self.value >= 1 and not self._holding:
            return 0.0
        return (self._latency or self._refusal_s) / self.value

    def answered(self, now: float, latency: float, *, busy: bool) -> None:
        """An answer came after `latency`; `busy` says that another request takes its place."""
        self._latency = _smoothed(self._latency, latency, SMOOTH)
        self._least_latency = min(self._least_latency, latency)
        self._answered_since = True
        self._learn(0.0)
        usual = self._usual + EXCESS
        self._excess = max(0.0, self._excess - usual / (1 - usual))
        self._stretch.answer(now, latency, self.value, busy=busy)
        if busy and not self._shrinking and self._excess < 1:
            self._grow()
        self._look(now)

    def refused(self, now: float, sent_at: float, before: int) -> None:
        """A request that was sent at `sent_at` was too many; so many that were sent before it are
        in flight, and taken."""
        if sent_at <= self._decreased_at:
            return  # it says nothing of what the decrease has changed
        self._refusal_s = now - sent_at
        if self._answered_since:
            self._learn(1.0)
        self._stretch.refuse(self.value)
        self._excess += 1.0
        patience = 1.0 + (80 + self.value) * self._usual
        if self._excess >= (max(3.0, patience) if self._holding else patience):
            self._decrease(now, before)

    @property
    def _holding(self) -> bool:
        return self._rounds < 0

    def _learn(self, refused: float) -> None:
        if self._holding:
            usual = _smoothed(self._usual, refused, SMOOTH_USUAL)
            self._usual = min(self._most_usual, usual)

    def _decrease(self, now: float, before: int) -> None:
        again = self._holding
        if again:  # the limit was still too high: those were not the usual ones
            self._usual = self._usual_before
        self._usual_before = self._usual
        if self._answered_since:
            self._start_over(self.value, DECREASE * (1 - self._usual) * self.value)
        else:
            value = min(self.value, float(before))
            if not (again and before):
                value = max(HARD_DECREASE * self.value, value)
            self._start_over(value, value)
        self._decreased_at = now
        self._answered_since = False
        self._reference = None
        self._shrinking = False

    def _start_over(self, top: float, value: float) -> None:
        """Stay at `value` for a while, then grow to `top`, and beyond."""
        self._set(value)
        self._top = top
        self._speed = CUBIC * max(min(1.0, top), top / 20)
        self._way = ((top - value) / self._speed) ** (1 / 3)
        self._rounds = -float(HOLD)
        self._excess = 0.0

    def _grow(self) -> None:
        self._rounds += 1 / max(ROUND, self.value)
        if not self._holding:
            self._set(self._top + self._speed * (self._rounds - self._way) ** 3)

    def _look(self, now: float) -> None:
        stretch = self._stretch
        at_once = stretch.throughput(now) * self._least_latency
        if stretch.answers < max(min(STRETCH, 20 * self.value), 4 * at_once):
            return
        stretch.ended = now
        if stretch.busy and not stretch.refused:
            self._look_at_throughput(stretch)
        self._look_at_refusals(stretch)
        self._stretch = Stretch(now)

    def _look_at_refusals(self, stretch: Stretch) -> None:
        """Where half as many in flight are refused as often, their number is not the cause."""
        before = self._overload
        if stretch.share <= MOST_USUAL:
            self._overload = None
        elif before is None or stretch.share < 0.5 * before.share:
            self._overload = stretch
        elif (
            stretch.limit <= 0.5 * before.limit
            and stretch.share > 0.8 * before.share
            and stretch.productive > 0.5 * stretch.limit
        ):
            self._usual = self._usual_before = self._most_usual = min(0.9, stretch.share)
            self._start_over(before.limit, before.limit)
            self._overload = None

    def _look_at_throughput(self, stretch: Stretch) -> None:
        reference = self._reference
        if reference is None:
            self._reference = stretch
            return
        got, before = (each.throughput(each.ended) for each in (stretch, reference))
        if self._shrinking:
            if got >= 0.95 * before:
                self._reference = stretch
                self._shrink(got)
            else:
                self._shrinking, self._reference = False, None
                self._start_over(reference.limit, reference.limit)
        elif stretch.limit >= max(1.2 * reference.limit, reference.limit + 1):
            if got >= 1.1 * before:
                self._reference = stretch
            else:
                self._shrinking = True
                self._set(reference.limit)
                self._shrink(got)

    def _shrink(self, throughput: float) -> None:
        """By a tenth; by half where twice what is answered in the least time would be in flight."""
        least = 2 * throughput * self._least_latency
        self._set(min(DECREASE * self.value, max(0.5 * self.value, least)))

    def _set(self, value: float) -> None:
        self.value = min(float(self.most), max(0.001, value))


class Stretch:
    """What requests came to, from `began` on, or from the first answer where that is None."""

    def __init__(self, began: float | None) -> None:
        self.answers = 0
        self.refused = 0
        self.busy = True
        self.ended = 0.0
        self._began = began
        self._latencies = 0.0
        self._limits = 0.0

    def answer(self, now: float, latency: float, limit: float, *, busy: bool) -> None:
        """An answer."""
        if self._began is None:
            self._began = now
        self.answers += 1
        self._latencies += latency
        self._limits += limit
        self.busy = self.busy and busy

    def refuse(self, limit: float) -> None:
        """A refusal."""
        self.refused += 1
        self._limits += limit

    @property
    def limit(self) -> float:
        """What it was, in the mean over all requests."""
        return self._limits / (self.answers + self.refused)

    @property
    def share(self) -> float:
        """Of the requests, those that were refused."""
        return self.refused / (self.answers + self.refused)

    @property
    def productive(self) -> float:
        """How many requests were in flight, in the mean, that were answered."""
        return self._latencies / max(1e-9, self.ended - (self._began or 0.0))

    def throughput(self, now: float) -> float:
        """Answers a second."""
        return self.answers / max(1e-9, now - (self._began or 0.0))


def _smoothed(before: float | None, value: float, over: int) -> float:
    return value if before is None else before + (value - before) / over
