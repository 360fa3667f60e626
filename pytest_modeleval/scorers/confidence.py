"""How sure a model was: what its token probabilities say, or what it says itself."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

_STATED = re.compile(
    r"(?:confidence|certainty|probability)\W{0,20}?(?:is|of|:|=)?\W{0,5}?"
    r"(?P<number>\d{1,3}(?:\.\d+)?|\.\d+)\s*(?P<percent>%|percent\b)?",
    re.IGNORECASE,
)


def token_confidence(reply: Any) -> float | None:
    """The probability of the whole reply: the product of its tokens' probabilities, from 0 to 1.

    Args:
        reply: a Generation that was asked for with `logprobs=1`, or a Choice, whose confidence is
            its share among the choices' probabilities (softmax of their scores).

    Returns:
        None for a Generation without log-probabilities.
    """
    scores: Sequence[float] | None = getattr(reply, "scores", None)
    if scores is not None:
        highest = max(scores)
        weights = [math.exp(each - highest) for each in scores]
        share: float = weights[reply.index] / math.fsum(weights)
        return share
    if not reply.logprobs:
        return None
    return math.exp(min(0.0, math.fsum(each.logprob for each in reply.logprobs)))


def stated_confidence(text: str) -> float | None:
    """The last confidence that the reply states, from 0 to 1: "Confidence: 85 %", "probability of
    0.9", "certainty is 70 percent". None where it states none, or one beyond 100 %."""
    found = None
    for match in _STATED.finditer(text):
        value = float(match["number"])
        if match["percent"] or value > 1:
            value /= 100
        found = value if value <= 1 else None
    return found
