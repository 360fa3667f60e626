"""The model's face: what a body calls. It fills in what was not said, limits, and records."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pytest_modeleval.errors import CapabilityError, RequestError, StopRun, UsageError
from pytest_modeleval.models import letters
from pytest_modeleval.models.answer import Answer, AnyRequest
from pytest_modeleval.models.blocking import BlockingModel
from pytest_modeleval.models.call_record import recorded
from pytest_modeleval.models.layers import Layers
from pytest_modeleval.models.messages import Message, Tool
from pytest_modeleval.models.protocol import (
    Backend,
    Capabilities,
    Choice,
    Generation,
    Identity,
    LogLikelihood,
    LoglikelihoodRequest,
    Origin,
    Perplexity,
    Request,
    Sampling,
)
from pytest_modeleval.models.request_digest import request_digest
from pytest_modeleval.models.sampling import checked
from pytest_modeleval.recorder import Recorder, current, noticed
from pytest_modeleval.results.record import CallKind

if TYPE_CHECKING:
    from pytest_modeleval.otel import Telemetry

T = TypeVar("T")
Normalize = Literal["none", "tokens", "characters"]
ChooseBy = Literal["likelihood", "letters"]


class Model:
    """A model that is ready to answer. All its methods may be awaited from any event loop.

    `alias` is its name in results, `role` what it is for ("model", "judge", …). `sampling` holds
    what the alias or the command line says about decoding: it wins over what a body asks for.
    `choose_by` is how `choose` finds its choice.
    """

    def __init__(
        self,
        backend: Backend,
        layers: Layers,
        *,
        alias: str,
        loop: asyncio.AbstractEventLoop,
        role: str = "model",
        sampling: Mapping[str, Any] | None = None,
        choose_by: ChooseBy = "likelihood",
        telemetry: Telemetry | None = None,
    ) -> None:
        self.backend = backend
        self.layers = layers
        self.alias = alias
        self.role = role
        self._loop = loop
        self._said = dict(sampling or {})
        self._choose_by = choose_by
        self._telemetry = telemetry

    def __repr__(self) -> str:
        return f"<Model {self.alias}>"

    @property
    def capabilities(self) -> Capabilities:
        return self.backend.capabilities

    @property
    def identity(self) -> Identity:
        return self.backend.identity

    @property
    def settled(self) -> Mapping[str, Any]:
        """The fields of `Sampling` that a call in this body has no say in: those that its pack,
        the alias or the command line gives."""
        recorder = current.get()
        if recorder is None or self.role != "model" or not recorder.sampling:
            return self._said
        return {**recorder.sampling, **self._said}

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
        template or tools for one that cannot call them, RequestError when no reply came.
        """
        if not self.capabilities.chat:
            raise CapabilityError(
                f"{self.alias} cannot chat (it has no chat template): use model.complete(prompt), "
                "or a model that was trained for dialogue"
            )
        if tools and not self.capabilities.tools:
            raise CapabilityError(f"{self.alias} cannot call tools: use a model that can")
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

    def chat_context(self, messages: Sequence[Message]) -> str | None:
        """A dialogue as a context for `loglikelihood`: in the model's chat template, up to where
        the model's turn begins. None where it has no template, or a server keeps it."""
        render = getattr(self.backend, "chat_context", None)
        if render is None or not self.capabilities.chat:
            return None
        return str(render(messages))

    @noticed
    async def loglikelihood(
        self, context: str, continuations: Sequence[str]
    ) -> list[LogLikelihood]:
        """ln p(continuation | context) for each continuation, in their order."""
        return await self._loglikelihoods("loglikelihood", context, continuations)

    @noticed
    async def perplexity(self, text: str) -> Perplexity:
        """How well the model foretells `text`, which must fit its context. Its first token counts
        only where the model's tokenizer puts one of its own before every text."""
        words = len(text.split())
        found = LogLikelihood(0.0, 0)
        if words:
            (found,) = await self._loglikelihoods("perplexity", None, [text])
        if not found.tokens:
            raise UsageError("model.perplexity: the text is too short: it needs two tokens or more")
        size = len(text.encode("utf-8", "surrogatepass"))
        return Perplexity(found.sum, found.tokens, words, size)

    @noticed
    async def choose(
        self, context: str, choices: Sequence[str], *, normalize: Normalize = "none"
    ) -> Choice:
        """The choice that the model finds likeliest after `context`.

        `normalize` divides each log-likelihood by its number of tokens or characters, so that long
        choices are not held back. Of equal ones the first is taken.

        With --choose-by letters the model is shown the choices, each with a letter, and replies
        with one. A reply that names none, or several, chooses nothing: `index` is None.
        """
        if not choices:
            raise UsageError("model.choose: there are no choices")
        if normalize not in ("none", "tokens", "characters"):
            raise UsageError(
                f"model.choose: normalize={normalize!r} is not none, tokens or characters"
            )
        if self._choose_by == "letters":
            return await self._choose_letter(context, choices)
        answers = await self.loglikelihood(context, choices)
        scores = tuple(
            answer.sum / _length(text, answer, normalize) for text, answer in zip(choices, answers)
        )
        index = max(range(len(scores)), key=scores.__getitem__)
        return Choice(index, choices[index], scores, tuple(answers))

    async def _choose_letter(self, context: str, choices: Sequence[str]) -> Choice:
        if not (self.capabilities.chat or self.capabilities.completion):
            raise CapabilityError(
                f"{self.alias} generates no text, so it cannot reply with a letter"
            )
        recorder = current.get()
        if self.capabilities.chat:
            number, settings = self._begin(recorder, {})
            text = letters.question(context, choices, letters.CHAT)
            request = Request(settings, (Message("user", text),), origin=_origin(recorder, number))
        else:
            number, settings = self._begin(recorder, {"stop": "\n"})
            text = letters.question(context, choices, letters.COMPLETION)
            request = Request(settings, prompt=text, origin=_origin(recorder, number))
        reply = await self._generate("letters", recorder, request)
        index = letters.chosen(reply.text, len(choices))
        return Choice(index, "" if index is None else choices[index])

    async def _loglikelihoods(
        self, kind: CallKind, context: str | None, continuations: Sequence[str]
    ) -> list[LogLikelihood]:
        if not self.capabilities.loglikelihood:
            raise CapabilityError(
                f"{self.alias} does not give log-likelihoods: use a benchmark that generates, "
                "or a backend that has them (llamacpp, vllm, transformers)"
            )
        recorder = current.get()
        number = recorder.begin_call() if recorder is not None else 0
        request = LoglikelihoodRequest(context, tuple(continuations), _origin(recorder, number))
        answers: list[LogLikelihood] = await self._ask(kind, recorder, request)
        return answers

    def _begin(self, recorder: Recorder | None, asked: dict[str, Any]) -> tuple[int, Sampling]:
        number = recorder.begin_call() if recorder is not None else 0
        asked = {**asked, **self.settled}
        fields = checked(asked)
        if recorder is not None and "seed" not in fields:
            fields["seed"] = recorder.seed_of_call(number)
        return number, Sampling(**fields)

    async def _generate(
        self, kind: CallKind, recorder: Recorder | None, request: Request
    ) -> Generation:
        generation: Generation = await self._ask(kind, recorder, request)
        return generation

    async def _ask(self, kind: CallKind, recorder: Recorder | None, request: AnyRequest) -> Any:
        """What was replied. A call that failed is recorded as well: it may have cost something."""
        traced = self._telemetry and self._telemetry.call(kind, self.role, self.identity)
        with traced or nullcontext() as span:
            came = await self._came(recorder, request)
            if recorder is not None or span is not None:
                call = recorded(self.role, self.alias, kind, request, came)
                if recorder is not None:
                    number = request.origin.call if request.origin is not None else 0
                    recorder.take_call(call, number, request_digest(self.role, request))
                if span is not None:
                    span.came(call, came)
            if isinstance(came, RequestError):
                raise came
        return came.value

    async def _came(self, recorder: Recorder | None, request: AnyRequest) -> Answer | RequestError:
        """StopRun is kept as well: a body that catches it would be judged on a reply that never
        came."""
        try:
            return await self._on_loop(self.layers.first.answer(request))
        except RequestError as error:
            return error
        except StopRun as error:
            if recorder is not None:
                recorder.stopped = error
            raise

    async def _on_loop(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """A body in the main thread has a loop of its own; backends live on the background loop."""
        if asyncio.get_running_loop() is self._loop:
            return await coroutine
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self._loop))


def _origin(recorder: Recorder | None, number: int) -> Origin | None:
    if recorder is None:
        return None
    return Origin(recorder.benchmark, recorder.sample_id, recorder.epoch, number, recorder.deadline)


def _length(text: str, answer: LogLikelihood, normalize: Normalize) -> int:
    if normalize == "none":
        return 1
    if normalize not in ("tokens", "characters"):
        raise UsageError(f"model.choose: normalize={normalize!r} is not none, tokens or characters")
    return max(1, answer.tokens if normalize == "tokens" else len(text))
