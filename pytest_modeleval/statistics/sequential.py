"""Looking after every sample without fooling oneself: tests by betting.

A bettor stakes a part of his wealth on each next sample, at odds that are fair if the hypothesis
holds. Then his wealth exceeds 1 / alpha at any time with probability alpha at most (Ville 1939), so
it may be looked at after every sample and the run stopped as soon as it does (Waudby-Smith and
Ramdas 2024, "Estimating means of bounded random variables by betting", 4; without replacement:
their 5.2). He plays several stakes side by side with equal parts of his money, which is as safe as
one, and about as good as the best of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

STAKES = (0.015, 0.03, 0.06, 0.1, 0.16, 0.25, 0.4)
"""Parts of the wealth at risk on one sample."""

ROUNDING = 1e-9

Decision = Literal["above", "below"]


class Wealth:
    """What the bets against one hypothesis have brought; it starts with 1."""

    def __init__(self) -> None:
        self._parts = [1.0] * len(STAKES)
        self._scale = 0.0

    def bet(self, gain: float, worst: float) -> None:
        """A sample came: `gain` in the bettor's favour, who could have lost `worst` at most."""
        share = gain / worst
        self._parts = [part * (1 + stake * share) for part, stake in zip(self._parts, STAKES)]
        highest = max(self._parts)
        if not 1e-100 < highest < 1e100:  # before it leaves what a float can hold
            self._scale += math.log(highest)
            self._parts = [part / highest for part in self._parts]

    @property
    def log(self) -> float:
        """The natural logarithm of the wealth."""
        return self._scale + math.log(sum(self._parts) / len(self._parts))


class FiniteMean:
    """Is the mean of `n` values in [0, 1], drawn one by one without replacement, at least
    `threshold`? Decided as soon as the odds allow, and for certain with the last value at latest.

    Says "above" wrongly with probability `beta` at most, "below" with `alpha`.
    """

    def __init__(
        self, n: int, threshold: float, *, alpha: float = 0.05, beta: float = 0.05
    ) -> None:
        self._n = n
        self._alpha = alpha
        self._above = _WithoutReplacement(n, threshold, beta)
        self._below = _WithoutReplacement(n, 1 - threshold, alpha, strictly=True)
        self.decision: Decision | None = None

    @property
    def certain(self) -> bool:
        """Whether the rest could not have turned it."""
        return self._above.certain if self.decision == "above" else self._below.certain

    def add(self, value: float, highest: float | None = None) -> Decision | None:
        """Take the next value; one that is not known lies between `value` and `highest`. What was
        decided stays decided."""
        if self.decision is None:
            highest = value if highest is None else highest
            above = self._above.add(value)
            below = self._below.add(1 - highest)
            self.decision = "above" if above else "below" if below else None
        return self.decision

    def interval(self, low: Sequence[float], high: Sequence[float]) -> tuple[float, float]:
        """The confidence sequence of the mean after these values, each end at alpha: by bisection,
        the thresholds that the values have not ruled out."""
        return (
            self._lowest(low),
            1 - self._lowest([1 - each for each in high]),
        )

    def _lowest(self, values: Sequence[float]) -> float:
        low, high = 0.0, 1.0
        for _ in range(20):
            middle = (low + high) / 2
            test = _WithoutReplacement(self._n, middle, self._alpha)
            if any(test.add(each) for each in values):
                low = middle
            else:
                high = middle
        return low


class _WithoutReplacement:
    """Bets that the mean of all values is at least a threshold, or strictly above it."""

    def __init__(self, n: int, threshold: float, error: float, *, strictly: bool = False) -> None:
        self._left = n
        self._needed = n * threshold
        self._wealth = Wealth()
        self._enough = -math.log(error)
        self._slack = -ROUNDING if strictly else ROUNDING
        self.certain = False

    def add(self, value: float) -> bool:
        """Whether it is above now."""
        # The mean of what is left, were the whole mean exactly the threshold.
        mean = self._needed / self._left
        if 0 < mean < 1:
            self._wealth.bet(value - mean, mean)
        self._left -= 1
        self._needed -= value
        self.certain = self._needed <= self._slack
        return self.certain or self._wealth.log >= self._enough


class PairedDrop:
    """Has the mean of paired differences in [-1, 1] dropped by more than `margin`, on what the
    samples were drawn from?

    "below": the drop is shown, wrongly with probability `alpha` at most. "above": a drop beyond the
    margin is excluded, wrongly with probability `beta` at most.
    """

    def __init__(self, margin: float, *, alpha: float = 0.05, beta: float = 0.05) -> None:
        self._margin = margin
        self._alpha = alpha
        self._above = Wealth()
        self._below = Wealth()
        self._sure_above = -math.log(beta)
        self._sure_below = -math.log(alpha)
        self._most_above = self._most_below = 0.0
        self.decision: Decision | None = None

    def add(self, difference: float, highest: float | None = None) -> Decision | None:
        """Take the next difference, the run's score minus the baseline's; one that is not known
        lies between `difference` and `highest`."""
        if self.decision is not None:
            return self.decision
        highest = difference if highest is None else highest
        self._above.bet(difference + self._margin, 1 - self._margin)
        self._below.bet(-highest - self._margin, 1 + self._margin)
        self._most_above = max(self._most_above, self._above.log)
        self._most_below = max(self._most_below, self._below.log)
        if self._below.log >= self._sure_below:
            self.decision = "below"
        elif self._above.log >= self._sure_above:
            self.decision = "above"
        return self.decision

    @property
    def p_below(self) -> float:
        """The p-value of "it has not dropped by more", valid at any time: one over the most that
        the bets have brought."""
        return math.exp(-self._most_below)

    @property
    def p_above(self) -> float:
        """The p-value of "it has dropped by the margin or more"."""
        return math.exp(-self._most_above)

    def interval(self, differences: Sequence[float]) -> tuple[float, float]:
        """The confidence sequence of the mean after these differences, each end at alpha."""
        return (
            -self._highest([-each for each in differences]),
            self._highest(differences),
        )

    def _highest(self, differences: Sequence[float]) -> float:
        """The highest mean that the bets on something lower have not ruled out."""
        low, high = -1.0, 1.0
        for _ in range(20):
            middle = (low + high) / 2
            wealth = Wealth()
            for each in differences:
                wealth.bet(middle - each, 1 - middle if middle < 1 else 1e-9)
                if wealth.log >= self._sure_below:
                    high = middle
                    break
            else:
                low = middle
        return high
