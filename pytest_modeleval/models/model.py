"""The model's face: what a body calls. It fills in what was not said, limits, and records."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import CancelledError
from typing import Any, Literal, TypeVar

from pytest_modeleval.errors import CapabilityError, ModelError, UsageError
from pytest_modeleval.models.limiter import Limiter
from pytest_modeleval.models.messages import ContentPart, Message, Tool, ToolCall
from pytest_modeleval.models.protocol import (
    Backend,
    Capabilities,
    Choice,
    Generation,
    Identity,
    LogLikelihood,
    Origin,
    Request,
    Sampling,
)
from pytest_modeleval.models.sampling import SAMPLING_FIELDS, checked
from pytest_modeleval.recorder import Recorder, current, noticed
from pytest_modeleval.results.record import Call

T = TypeVar("T")
Normalize = Literal["none", "tokens", "characters"]


class Model:
    """A model that is ready to answer. All its methods may be awaited from any event loop.

    `alias` is its name in results, `role` what it is for ("model", "judge", …). `sampling` holds
    what the alias or the command line says about decoding: it wins over what a body asks for.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        alias: str,
        loop: asyncio.AbstractEventLoop,
        role: str = "model",
        sampling: Mapping[str, Any] | None = None,
        concurrency: int | None = None,
    ) -> None:
        self.backend = backend
        self.alias = alias
        self.role = role
        self.limiter = Limiter(concurrency or backend.concurrency)
        self._loop = loop
        self._said = dict(sampling or {})

    def __repr__(self) -> str:
        return f"<Model {self.alias}>"

    @property
    def capabilities(self) -> Capabilities:
        return self.backend.capabilities

    @property
    def identity(self) -> Identity:
        return self.backend.identity

    @property
    def blocking(self) -> BlockingModel:
        """The same model for code that does not await."""
        return BlockingModel(self, self._loop)

    @noticed
    async def chat(
        self, messages: str | Sequence[Message], *, tools: Sequence[Tool] = (), **sampling: Any
    ) -> Generation:
        """One more turn of a dialogue; a plain string is one message of the user.

        `sampling` are fields of `Sampling`. Raises CapabilityError for a model without a chat
        template, RequestError when no reply came.
        """
        if not self.capabilities.chat:
            raise CapabilityError(
                f"{self.alias} cannot chat (it has no chat template): use model.complete(prompt), "
                "or a model that was trained for dialogue"
            )
        if isinstance(messages, str):
            messages = (Message("user", messages),)
        recorder = current.get()
        number, settings = self._begin(recorder, sampling)
        request = Request(
            sampling=settings,
            messages=tuple(messages),
            tools=tuple(tools),
            origin=_origin(recorder, number),
        )
        return await self._generate("chat", recorder, request)

    @noticed
    async def complete(self, prompt: str, **sampling: Any) -> Generation:
        """The text that follows `prompt`. `sampling` are fields of `Sampling`."""
        if not self.capabilities.completion:
            raise CapabilityError(f"{self.alias} cannot complete a text: use model.chat(messages)")
        recorder = current.get()
        number, settings = self._begin(recorder, sampling)
        request = Request(sampling=settings, prompt=prompt, origin=_origin(recorder, number))
        return await self._generate("complete", recorder, request)

    @noticed
    async def loglikelihood(
        self, context: str, continuations: Sequence[str]
    ) -> list[LogLikelihood]:
        """ln p(continuation | context) for each continuation, in their order."""
        if not self.capabilities.loglikelihood:
            raise CapabilityError(
                f"{self.alias} does not give log-likelihoods: use a benchmark that generates, "
                "or a backend that has them (llamacpp, vllm, transformers)"
            )
        recorder = current.get()
        if recorder is not None:
            recorder.begin_call()
        answers: list[LogLikelihood]
        latency: float
        answers, latency = await self._on_loop(
            self._limited(self._timed_loglikelihood, context, list(continuations))
        )
        if recorder is not None:
            recorder.calls.append(
                Call(
                    role=self.role,
                    model=self.alias,
                    kind="loglikelihood",
                    messages=[{"role": "prompt", "content": context}],
                    loglikelihoods=[
                        {
                            "continuation": text,
                            "sum": answer.sum,
                            "tokens": answer.tokens,
                            "is_greedy": answer.is_greedy,
                        }
                        for text, answer in zip(continuations, answers)
                    ],
                    latency_s=latency,
                )
            )
        return answers

    async def _timed_loglikelihood(
        self, context: str, continuations: Sequence[str]
    ) -> tuple[list[LogLikelihood], float]:
        started = time.perf_counter()
        answers = await self.backend.loglikelihood(context, continuations)
        return answers, time.perf_counter() - started

    @noticed
    async def choose(
        self, context: str, choices: Sequence[str], *, normalize: Normalize = "none"
    ) -> Choice:
        """The choice that the model finds likeliest after `context`.

        `normalize` divides each log-likelihood by its number of tokens or characters, so that long
        choices are not held back. Of equal ones the first is taken.
        """
        if not choices:
            raise UsageError("model.choose: there are no choices")
        answers = await self.loglikelihood(context, choices)
        scores = tuple(
            answer.sum / _length(text, answer, normalize) for text, answer in zip(choices, answers)
        )
        index = max(range(len(scores)), key=scores.__getitem__)
        return Choice(index, choices[index], scores, tuple(answers))

    def _begin(self, recorder: Recorder | None, asked: dict[str, Any]) -> tuple[int, Sampling]:
        number = recorder.begin_call() if recorder is not None else 0
        if self._said:
            asked = {**asked, **self._said}
        fields = checked(asked)
        if recorder is not None and "seed" not in fields:
            fields["seed"] = recorder.seed_of_call(number)
        return number, Sampling(**fields)

    async def _generate(
        self, kind: Literal["chat", "complete"], recorder: Recorder | None, request: Request
    ) -> Generation:
        generation: Generation = await self._on_loop(self._limited(self.backend.generate, request))
        if recorder is not None:
            recorder.calls.append(_call(kind, self, request, generation))
        return generation

    async def _limited(self, ask: Any, *arguments: Any) -> Any:
        async with self.limiter:
            try:
                return await ask(*arguments)
            except AssertionError as error:
                # In a body an AssertionError means a wrong answer; this one is the engine's own.
                raise ModelError(f"{self.alias} failed: {error!r}") from error

    async def _on_loop(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """A body in the main thread has a loop of its own; backends live on the background loop."""
        if asyncio.get_running_loop() is self._loop:
            return await coroutine
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self._loop))


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


def _origin(recorder: Recorder | None, number: int) -> Origin | None:
    if recorder is None:
        return None
    return Origin(recorder.benchmark, recorder.sample_id, recorder.epoch, number)


def _length(text: str, answer: LogLikelihood, normalize: Normalize) -> int:
    if normalize == "none":
        return 1
    if normalize not in ("tokens", "characters"):
        raise UsageError(f"model.choose: normalize={normalize!r} is not none, tokens or characters")
    return max(1, answer.tokens if normalize == "tokens" else len(text))


def _call(
    kind: Literal["chat", "complete"], model: Model, request: Request, generation: Generation
) -> Call:
    usage, sampling = generation.usage, request.sampling
    return Call(
        role=model.role,
        model=model.alias,
        kind=kind,
        messages=_written(request),
        reply=generation.text,
        tool_calls=_tool_calls(generation.tool_calls),
        sampling={name: getattr(sampling, name) for name in SAMPLING_FIELDS},
        usage={
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "cached_tokens": usage.cached_tokens,
            "reasoning_tokens": usage.reasoning_tokens,
        },
        ttft_s=generation.ttft_s,
        tpot_s=generation.tpot_s,
        latency_s=generation.latency_s,
    )


def _written(request: Request) -> list[dict[str, Any]]:
    """The messages as the details file holds them."""
    if request.messages is None:
        return [{"role": "prompt", "content": request.prompt}]
    return [
        {
            "role": message.role,
            "content": message.content
            if isinstance(message.content, str)
            else [_part(part) for part in message.content],
            "tool_calls": _tool_calls(message.tool_calls),
            "tool_call_id": message.tool_call_id,
        }
        for message in request.messages
    ]


def _tool_calls(calls: Sequence[ToolCall]) -> list[dict[str, str]]:
    return [{"id": call.id, "name": call.name, "arguments": call.arguments} for call in calls]


def _part(part: ContentPart) -> dict[str, str]:
    return {
        name: value
        for name in ("type", "text", "url", "media_type")
        if (value := getattr(part, name)) is not None
    }
