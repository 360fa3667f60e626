"""What a run may spend and has spent, and the layers that keep account of it.

Two layers, since a request may be sent several times: `Budgeted` is asked once for each request and
adds up what all its attempts cost, `Priced` sees each attempt, right before the backend does.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any

from pytest_modeleval.errors import RequestError, StopRun
from pytest_modeleval.models.answer import Answer, AnyRequest, Layer
from pytest_modeleval.models.prices import Price
from pytest_modeleval.models.protocol import Usage
from pytest_modeleval.models.shared_state import SharedState
from pytest_modeleval.models.token_counts import estimated_usage
from pytest_modeleval.results.cost import dollars


class Budget:
    """The limits of a run, and what all its processes have spent of them.

    `max_cost` is in US dollars, `max_tokens` counts those of prompts and replies. Without limits
    nothing is counted and no file is opened.
    """

    def __init__(
        self,
        state: SharedState | None = None,
        *,
        max_cost: float | None = None,
        max_tokens: int | None = None,
    ) -> None:
        self._state = None if max_cost is None and max_tokens is None else state
        self._max_cost = max_cost
        self._max_tokens = max_tokens

    @property
    def limited(self) -> bool:
        return self._state is not None

    def check(self) -> None:
        """Raises StopRun when the budget is spent."""
        if self._state is None:
            return
        spent = self._state.totals()
        cost, tokens = spent.get("cost", 0.0), spent.get("tokens", 0.0)
        if self._max_cost is not None and cost >= self._max_cost:
            raise StopRun(
                f"the budget is spent: {dollars(cost)} of --max-cost {self._max_cost:g}, "
                "so nothing more is asked"
            )
        if self._max_tokens is not None and tokens >= self._max_tokens:
            raise StopRun(
                f"the budget is spent: {tokens:,.0f} tokens of --max-tokens "
                f"{self._max_tokens:,}, so nothing more is asked"
            )

    def spend(self, cost: float | None, usage: Usage) -> None:
        """Count what an attempt took."""
        if self._state is not None:
            tokens = (usage.prompt_tokens or 0) + (usage.completion_tokens or 0)
            self._state.add({"cost": cost or 0.0, "tokens": tokens})


NO_LIMITS = Budget()

Bill = list[tuple[float | None, Usage]]

_bill: ContextVar[Bill | None] = ContextVar("modeleval_bill", default=None)
"""What each attempt of the request that is being answered has cost."""


class Budgeted:
    """Asks nothing once the budget is spent; an answer costs what all its attempts did."""

    def __init__(self, inner: Layer, budget: Budget) -> None:
        self._inner = inner
        self._budget = budget

    async def answer(self, request: AnyRequest) -> Answer:
        self._budget.check()
        bill: Bill = []
        before = _bill.set(bill)
        try:
            answer = await self._inner.answer(request)
        except RequestError as error:
            error.cost, error.usage = _sum(bill)
            raise
        finally:
            _bill.reset(before)
        if answer.cost is not None:
            answer.cost, _ = _sum(bill)
        return answer


def _sum(bill: Bill) -> tuple[float | None, Usage]:
    """All that is known; None where nothing is."""

    def total(values: Iterable[Any]) -> Any:
        known = [value for value in values if value is not None]
        return sum(known) if known else None

    usages = [usage for _, usage in bill]
    fields = (field.name for field in dataclasses.fields(Usage))
    return (
        total(cost for cost, _ in bill),
        Usage(*(total(getattr(usage, name) for usage in usages) for name in fields)),
    )


class Priced:
    """Prices each attempt. What waited for a slot while the budget was spent is not sent."""

    def __init__(self, inner: Layer, budget: Budget, price: Price | None) -> None:
        self._inner = inner
        self._budget = budget
        self._price = price
        self._busy = BusyTime()

    async def answer(self, request: AnyRequest) -> Answer:
        self._budget.check()
        mark = self._busy.begin()
        answer, usage = None, Usage()
        try:
            answer = await self._inner.answer(request)
            usage = answer.usage
        except RequestError as error:
            usage = error.usage or usage
            raise
        finally:  # also where nobody waits for the answer any more
            self._account(request, answer, usage, self._busy.end(mark))
        return answer

    def _account(
        self, request: AnyRequest, answer: Answer | None, usage: Usage, busy_s: float
    ) -> None:
        cost = self._cost(usage, busy_s)
        if (bill := _bill.get()) is not None:
            bill.append((cost, usage))
        if answer is not None:
            answer.cost = cost
            if self._budget.limited:  # what nobody counted is spent all the same
                usage = estimated_usage(request, answer.value, usage)
        self._budget.spend(self._cost(usage, busy_s) if cost is None else cost, usage)

    def _cost(self, usage: Usage, busy_s: float) -> float | None:
        return self._price.cost(usage, busy_s) if self._price is not None else None


class BusyTime:
    """Divides the time in which a model has requests in flight among them: while there are n, each
    takes the n-th part of it. So the parts add up to the time that the model was busy."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._in_flight = 0
        self._each = 0.0
        self._at = 0.0

    def begin(self) -> float:
        """A request starts; give `end` what this returns."""
        self._advance()
        self._in_flight += 1
        return self._each

    def end(self, mark: float) -> float:
        """A request ends: its part, in seconds."""
        self._advance()
        self._in_flight -= 1
        return self._each - mark

    def _advance(self) -> None:
        now = self._clock()
        if self._in_flight:
            self._each += (now - self._at) / self._in_flight
        self._at = now
