"""A second endpoint of the same model, asked while the first is away."""

from __future__ import annotations

from pytest_modeleval.errors import RequestError
from pytest_modeleval.models.answer import Answer, AnyRequest
from pytest_modeleval.models.breaker import Breaking


class FallingBack:
    """Asks the first endpoint unless it is away; `name` is the second one's, for the record."""

    def __init__(self, first: Breaking, second: Breaking, name: str) -> None:
        self._first = first
        self._second = second
        self._name = name
        first.impatient = lambda: not second.away
        second.impatient = lambda: True

    async def answer(self, request: AnyRequest) -> Answer:
        """Where both are away the first is waited for."""
        if not self._first.away or self._second.away:
            try:
                return await self._first.answer(request)
            except RequestError:
                if not self._first.away or self._second.away:
                    raise
        answer = await self._second.answer(request)
        answer.endpoint = self._name
        return answer
