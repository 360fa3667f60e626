"""What a request passes on its way to the backend, always in this order:

    cache → budget → retry → fallback → breaker → rate → limiter → price → restart → backend

A layer does one thing and knows only the next one. So every attempt of a retry passes the breaker
and the limiter and is paid for, a backoff holds no slot, and a cached reply costs nothing of all
that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from pytest_modeleval.errors import ModelError, RequestError
from pytest_modeleval.models.adaptive import GROWTH, AdaptiveLimit
from pytest_modeleval.models.answer import Answer, AnyRequest, Layer
from pytest_modeleval.models.breaker import Breaking
from pytest_modeleval.models.budget import NO_LIMITS, Budget, Budgeted, Priced
from pytest_modeleval.models.cache import Cached
from pytest_modeleval.models.fallback import FallingBack
from pytest_modeleval.models.limiter import Limited, Limiter
from pytest_modeleval.models.prices import Price
from pytest_modeleval.models.protocol import Backend, Request
from pytest_modeleval.models.rates import Rated, Rates
from pytest_modeleval.models.request_key import RequestKeys
from pytest_modeleval.models.response_cache import ResponseCache
from pytest_modeleval.models.restarting import Restarting
from pytest_modeleval.models.retry import Retrying
from pytest_modeleval.models.shared_state import SharedState


@dataclass(frozen=True, slots=True)
class Layers:
    """All layers round one backend: `first` is asked, lookahead looks at the limiter, the terminal
    at all of them."""

    first: Layer
    retrying: Retrying
    breaker: Breaking
    limiter: Limiter
    restarting: Restarting | None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A backend that has started, what it costs and what it may be asked. `warn` is for one that
    is an engine of this process: it is told when that died and was started anew."""

    backend: Backend
    price: Price | None = None
    rates: Rates | None = None
    adapts: bool = False
    warn: Callable[[str], None] | None = None

    @property
    def name(self) -> str:
        """Whatever their alias, models of one name share limits at one server."""
        identity = self.backend.identity
        return f"{identity.backend}:{identity.name} {identity.details.get('base_url', '')}".strip()


def layered(
    endpoint: Endpoint,
    *,
    alias: str,
    concurrency: int | None,
    max_attempts: int,
    max_outage: float,
    request_timeout: float | None = None,
    cache: ResponseCache | None,
    run_id: str,
    fallback: Endpoint | None = None,
    state: SharedState | None = None,
    budget: Budget = NO_LIMITS,
) -> Layers:
    """Put every layer round a backend that has started, and round its fallback."""

    def reached(endpoint: Endpoint) -> tuple[Breaking, Limiter, Restarting | None]:
        limit = concurrency or endpoint.backend.concurrency
        most = concurrency or GROWTH * limit
        limiter = Limiter(limit, AdaptiveLimit(limit, most) if endpoint.adapts else None)
        last: Layer = Last(endpoint.backend, alias, request_timeout)
        restarting = None
        if endpoint.warn is not None:
            last = restarting = Restarting(last, endpoint.backend, alias, endpoint.warn)
        inner: Layer = Limited(Priced(last, budget, endpoint.price), limiter)
        if endpoint.rates is not None and state is not None:
            inner = Rated(inner, endpoint.rates, state, endpoint.name, limiter)
        return Breaking(inner, alias, max_outage=max_outage), limiter, restarting

    breaker, limiter, restarting = reached(endpoint)
    asked: Layer = breaker
    if fallback is not None:
        asked = FallingBack(breaker, reached(fallback)[0], fallback.name)
    retrying = Retrying(asked, max_attempts=max_attempts)
    first: Layer = Budgeted(retrying, budget)
    if cache is not None:
        first = Cached(first, cache, RequestKeys(endpoint.backend.identity, run_id))
    return Layers(first, retrying, breaker, limiter, restarting)


class Last:
    """Asks the backend, and waits no longer than `timeout` seconds for it."""

    def __init__(self, backend: Backend, alias: str, timeout: float | None = None) -> None:
        self._backend = backend
        self._alias = alias
        self._timeout = timeout

    async def answer(self, request: AnyRequest) -> Answer:
        if self._timeout is None:
            return await self._ask(request)
        try:
            return await asyncio.wait_for(self._ask(request), self._timeout)
        except asyncio.TimeoutError:
            raise RequestError(
                f"{self._alias} did not finish its reply within {self._timeout:g} s: raise "
                "--request-timeout, or lower --concurrency",
                retryable=True,
            ) from None

    async def _ask(self, request: AnyRequest) -> Answer:
        try:
            if isinstance(request, Request):
                generation = await self._backend.generate(request)
                return Answer(generation, generation.latency_s)
            started = time.perf_counter()
            value = await self._backend.loglikelihood(request.context, request.continuations)
            return Answer(value, time.perf_counter() - started)
        except AssertionError as error:
            # In a body an AssertionError means a wrong answer; this one is the engine's own.
            raise ModelError(f"{self._alias} failed: {error!r}") from error
