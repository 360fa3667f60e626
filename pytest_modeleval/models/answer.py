"""What the layers round a model pass on: a request inwards, an answer outwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from pytest_modeleval.models.protocol import Generation, LoglikelihoodRequest, Request, Usage

AnyRequest = Request | LoglikelihoodRequest


@dataclass(slots=True)
class Answer:
    """What a request brought back, and what that took.

    `value` is a Generation, or the list of LogLikelihood for a LoglikelihoodRequest. `attempts`
    counts how often the backend was asked, `queue_s` the seconds spent waiting for a free slot,
    `latency_s` the seconds from sending the request that was answered to the end of its reply, None
    where the backend cannot tell. `cost` is in US dollars, None where no price is known; a cached
    answer costs nothing, and `saved` is what it cost when it was asked for. `endpoint` is
    the fallback that answered, None for the model's own.
    """

    value: Any
    latency_s: float | None
    queue_s: float = 0.0
    attempts: int = 1
    cached: bool = False
    cost: float | None = None
    saved: float | None = None
    endpoint: str | None = None

    @property
    def usage(self) -> Usage:
        """Tokens, as far as the backend tells."""
        return self.value.usage if isinstance(self.value, Generation) else Usage()


class Layer(Protocol):
    """Answers a request, itself or by asking the next layer."""

    async def answer(self, request: AnyRequest) -> Answer:
        """Raises RequestError when no answer came, StopRun when nothing more can be asked."""
        ...
