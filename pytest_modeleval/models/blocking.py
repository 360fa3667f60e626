"""The model's face for code that does not await."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_modeleval.models.messages import Message, Tool
from pytest_modeleval.models.protocol import (
    Capabilities,
    Choice,
    Generation,
    Identity,
    LogLikelihood,
    Perplexity,
)
from pytest_modeleval.recorder import current

if TYPE_CHECKING:
    from pytest_modeleval.models.model import Model, Normalize

T = TypeVar("T")


class BlockingModel:
    """The model for a body that is a plain `def`: the same calls, without await."""

    def __init__(self, model: Model, loop: asyncio.AbstractEventLoop) -> None:
        self._model = model
        self._loop = loop

    def __repr__(self) -> str:
        return repr(self._model)

    @property
    def alias(self) -> str:
        return self._model.alias

    @property
    def capabilities(self) -> Capabilities:
        return self._model.capabilities

    @property
    def identity(self) -> Identity:
        return self._model.identity

    def chat(
        self, messages: str | Sequence[Message], *, tools: Sequence[Tool] = (), **sampling: Any
    ) -> Generation:
        """As `Model.chat`."""
        return self._wait(self._model.chat(messages, tools=tools, **sampling))

    def complete(self, prompt: str, **sampling: Any) -> Generation:
        """As `Model.complete`."""
        return self._wait(self._model.complete(prompt, **sampling))

    def loglikelihood(self, context: str, continuations: Sequence[str]) -> list[LogLikelihood]:
        """As `Model.loglikelihood`."""
        return self._wait(self._model.loglikelihood(context, continuations))

    def perplexity(self, text: str) -> Perplexity:
        """As `Model.perplexity`."""
        return self._wait(self._model.perplexity(text))

    def choose(
        self, context: str, choices: Sequence[str], *, normalize: Normalize = "none"
    ) -> Choice:
        """As `Model.choose`."""
        return self._wait(self._model.choose(context, choices, normalize=normalize))

    def _wait(self, answer: Coroutine[Any, Any, T]) -> T:
        # The task starts in a copy of this thread's context, so the recorder goes along.
        future = asyncio.run_coroutine_threadsafe(answer, self._loop)
        recorder = current.get()
        if recorder is None:
            return future.result()
        recorder.waiting = future
        if recorder.abandoned:
            future.cancel()
        try:
            return future.result()
        except CancelledError:
            # asyncio's is no Exception, so that a body which tries again does not catch it.
            raise asyncio.CancelledError from None
        finally:
            recorder.waiting = None
