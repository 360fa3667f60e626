"""What stands in for a model in a dry run: it writes down what it is asked, and answers nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_modeleval.models.answer import Answer, AnyRequest
from pytest_modeleval.models.call_record import recorded
from pytest_modeleval.models.model import Model
from pytest_modeleval.models.prices import GpuPrice, Price
from pytest_modeleval.models.protocol import (
    Capabilities,
    Generation,
    Identity,
    LogLikelihood,
    Request,
)
from pytest_modeleval.models.token_counts import Tokenizer, expected_usage
from pytest_modeleval.recorder import Recorder
from pytest_modeleval.results.record import CallKind


class Unanswered(BaseException):
    """Ends a body at its first call. No Exception, or a body that tries again would catch it."""


class StandIn(Model):
    """Records each call with the tokens and the cost that it may come to."""

    def __init__(
        self, *arguments: Any, price: Price | None, tokenizer: Tokenizer, **named: Any
    ) -> None:
        super().__init__(*arguments, **named)
        self._price = None if isinstance(price, GpuPrice) else price  # time is not known
        self._tokenizer = tokenizer

    async def _ask(self, kind: CallKind, recorder: Recorder | None, request: AnyRequest) -> Any:
        usage = expected_usage(request, self._tokenizer)
        cost = self._price.cost(usage, 0.0) if self._price is not None else None
        if recorder is not None:
            answer = Answer(Generation("", usage=usage), None, cost=cost)
            recorder.calls.append(recorded(self.role, self.alias, kind, request, answer))
        raise Unanswered


class Nobody:
    """The backend of a stand-in. It can do everything, as far as anybody knows who may not ask."""

    concurrency = 1
    capabilities = Capabilities(
        chat=True, completion=True, loglikelihood=True, logprobs=True, tools=True, images=True
    )

    def __init__(self, backend: str, name: str) -> None:
        self.identity = Identity(backend, name)

    async def start(self) -> None: ...

    async def generate(self, request: Request) -> Generation:
        raise Unanswered

    async def loglikelihood(
        self, context: str | None, continuations: Sequence[str]
    ) -> list[LogLikelihood]:
        raise Unanswered

    async def aclose(self) -> None: ...
