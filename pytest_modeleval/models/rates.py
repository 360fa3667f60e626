"""Requests and tokens a minute, as the user says them, for all processes of the run together."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_modeleval.errors import UsageError
from pytest_modeleval.models.answer import Answer, AnyRequest, Layer
from pytest_modeleval.models.limiter import Limiter
from pytest_modeleval.models.protocol import Request
from pytest_modeleval.models.shared_state import SharedState
from pytest_modeleval.models.token_counts import rough_count, texts

RATE_ARGUMENTS = ("rpm", "tpm")
"""Arguments of a model that are no backend's."""

SMOOTH = 30
"""Replies over which their length is smoothed."""


@dataclass(frozen=True, slots=True)
class Rates:
    """What a model may be asked in a minute; None for no limit."""

    requests: float | None = None
    tokens: float | None = None


def said_rates(arguments: Mapping[str, Any], place: str) -> Rates | None:
    """The limits that a model's arguments name; None where they name none.

    `place` is where they were said. Raises UsageError that names it and the field.
    """
    for name in RATE_ARGUMENTS:
        value = arguments.get(name)
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if value is not None and not (number and 0 < value < float("inf")):
            what = "requests" if name == "rpm" else "tokens"
            raise UsageError(f"{place}: {name}={value!r:.60}: expected {what} a minute, say 500")
    requests, tokens = (arguments.get(name) for name in RATE_ARGUMENTS)
    return None if requests is None and tokens is None else Rates(requests, tokens)


class Rated:
    """Lets requests through at the rates, in the order they came.

    What a reply will take is not known before: it is guessed from the ones before it, and put
    right when it is there. One request of each process at a time waits for its turn, so that what
    is given up has taken nothing.
    """

    def __init__(
        self, inner: Layer, rates: Rates, state: SharedState, endpoint: str, limiter: Limiter
    ) -> None:
        self._inner = inner
        self._rates = rates
        self._state = state
        self._endpoint = endpoint
        self._limiter = limiter
        self._turn = asyncio.Lock()
        self._reply_tokens: float | None = None

    async def answer(self, request: AnyRequest) -> Answer:
        tokens = self._guess(request)
        self._limiter.outside += 1
        try:
            async with self._turn:
                await asyncio.sleep(self._take(1.0, tokens))
        finally:
            self._limiter.outside -= 1
        answer = await self._inner.answer(request)
        self._put_right(answer, tokens)
        return answer

    def _take(self, requests: float, tokens: float) -> float:
        """Seconds to wait."""
        waits = [0.0]
        if self._rates.requests is not None and requests:
            name = f"rpm {self._endpoint}"
            waits.append(self._state.take(name, requests, per_minute=self._rates.requests))
        if self._rates.tokens is not None:
            name = f"tpm {self._endpoint}"
            waits.append(self._state.take(name, tokens, per_minute=self._rates.tokens))
        return max(waits)

    def _guess(self, request: AnyRequest) -> float:
        prompt = float(sum(map(rough_count, texts(request))))
        if not isinstance(request, Request):
            return prompt
        most = float(request.sampling.max_tokens)
        return prompt + (most if self._reply_tokens is None else min(most, self._reply_tokens))

    def _put_right(self, answer: Answer, guessed: float) -> None:
        usage = answer.usage
        if self._rates.tokens is None or usage.completion_tokens is None:
            return
        before, new = self._reply_tokens, usage.completion_tokens
        self._reply_tokens = new if before is None else before + (new - before) / SMOOTH
        self._take(0.0, (usage.prompt_tokens or 0) + new - guessed)
