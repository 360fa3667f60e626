"""`echo:` answers with what it was asked. For tests: no model, no network, no chance."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import perf_counter
from typing import Any

from pytest_modeleval.models.arguments import Arguments
from pytest_modeleval.models.messages import last_user_text
from pytest_modeleval.models.protocol import (
    Capabilities,
    Generation,
    Identity,
    LogLikelihood,
    Request,
)


class EchoBackend:
    """The reply is the text of the last message of the user, or the prompt of a completion.

    It reads no tokens, so it reports no usage. A log-likelihood is minus the number of characters
    of the continuation, each character one token: the shortest choice is the likeliest.

    Arguments: `latency` (seconds to wait before each answer, 0), `concurrency` (64).
    """

    def __init__(self, name: str = "", **arguments: Any) -> None:
        taken = Arguments("echo", arguments)
        self.concurrency = taken.count("concurrency", 64)
        self._latency = taken.seconds("latency", 0.0)
        taken.finish()
        self.identity = Identity(backend="echo", name=name or "echo", revision="1")
        self.capabilities = Capabilities(
            chat=True, completion=True, loglikelihood=True, tools=True, images=True
        )

    async def start(self) -> None:
        """Nothing to load."""

    async def generate(self, request: Request) -> Generation:
        began = perf_counter()
        await asyncio.sleep(self._latency)
        text = request.prompt if request.messages is None else last_user_text(request.messages)
        return Generation(text or "", finish_reason="stop", latency_s=perf_counter() - began)

    async def loglikelihood(
        self, context: str | None, continuations: Sequence[str]
    ) -> list[LogLikelihood]:
        await asyncio.sleep(self._latency)
        return [LogLikelihood(-float(len(text)), len(text)) for text in continuations]

    async def aclose(self) -> None:
        """Nothing to give back."""
