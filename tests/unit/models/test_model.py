"""The model's face over a backend that records what it is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any

import pytest

from pytest_modeleval.background import BackgroundLoop
from pytest_modeleval.errors import CapabilityError, ModelError, RequestError, UsageError
from pytest_modeleval.models.layers import Endpoint, layered
from pytest_modeleval.models.messages import ContentPart, Message, ToolCall
from pytest_modeleval.models.model import Model
from pytest_modeleval.models.protocol import (
    Capabilities,
    Generation,
    Identity,
    LogLikelihood,
    Request,
    Usage,
)
from pytest_modeleval.recorder import Recorder, current

ALL = Capabilities(chat=True, completion=True, loglikelihood=True)


class Backend:
    concurrency = 2
    identity = Identity("stub", "stub")

    def __init__(self, capabilities: Capabilities = ALL) -> None:
        self.capabilities = capabilities
        self.requests: list[Request] = []
        self.in_flight = self.peak = 0
        self.waits_for = 1
        self.trouble: Exception | None = None

    async def start(self) -> None: ...

    async def aclose(self) -> None: ...

    async def generate(self, request: Request) -> Generation:
        self.requests.append(request)
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        await asyncio.wait_for(self.others(), 10)
        self.in_flight -= 1
        if self.trouble is not None:
            raise self.trouble
        return Generation(
            "reply",
            usage=Usage(prompt_tokens=3, completion_tokens=4),
            tool_calls=(ToolCall("1", "add", "{}"),),
            latency_s=0.5,
        )

    async def others(self) -> None:
        """Stay until so many have come."""
        await asyncio.sleep(0)
        while len(self.requests) < self.waits_for:
            await asyncio.sleep(0)

    async def loglikelihood(
        self, context: str, continuations: Sequence[str]
    ) -> list[LogLikelihood]:
        return [LogLikelihood(-float(len(text)), text.count(" ") + 1) for text in continuations]


Made = Callable[..., tuple[Model, Backend]]


@pytest.fixture
def made() -> Iterator[Made]:
    background = BackgroundLoop()

    def make(
        capabilities: Capabilities = ALL, concurrency: int | None = None, **arguments: Any
    ) -> tuple[Model, Backend]:
        backend = Backend(capabilities)
        layers = layered(
            Endpoint(backend),
            alias="m",
            concurrency=concurrency,
            max_attempts=1,
            max_outage=1.0,
            cache=None,
            run_id="r",
        )
        return Model(backend, layers, alias="m", loop=background.loop, **arguments), backend

    yield make
    background.stop()


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """The record of a body that runs now."""
    recorder = Recorder("test_x.py::test_x", "q1", epoch=1, run_seed=7)
    token = current.set(recorder)
    yield recorder
    current.reset(token)


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """On a loop of its own, as a body in the main thread has."""

    async def main() -> Any:
        return await coroutine

    return asyncio.run(main())


class TestAsking:
    def test_a_string_is_one_message_of_the_user(self, made: Made) -> None:
        model, backend = made()
        assert run(model.chat("hello")).text == "reply"
        assert backend.requests[0].messages == (Message("user", "hello"),)
        assert backend.requests[0].prompt is None

    def test_a_dialogue(self, made: Made) -> None:
        model, backend = made()
        messages = [Message("system", "be brief"), Message("user", "hello")]
        run(model.chat(messages))
        assert backend.requests[0].messages == tuple(messages)

    def test_a_completion(self, made: Made) -> None:
        model, backend = made()
        run(model.complete("once"))
        assert (backend.requests[0].prompt, backend.requests[0].messages) == ("once", None)

    def test_a_plain_def_asks_without_await(self, made: Made) -> None:
        model = made()[0].blocking
        assert model.chat("a").text == model.complete("a").text == "reply"
        assert model.choose("a", ["bb", "b"]).text == "b"
        assert model.loglikelihood("a", ["bb"])[0].sum == -2.0
        assert (model.alias, model.capabilities) == ("m", ALL)

    def test_no_more_at_once_than_the_backend_wants(self, made: Made) -> None:
        model, backend = made()
        backend.waits_for = 2

        async def many() -> None:
            await asyncio.gather(*(model.chat("a") for _ in range(10)))

        run(many())
        assert (len(backend.requests), backend.peak) == (10, 2)

    def test_concurrency_wins_over_the_backend(self, made: Made) -> None:
        model, _ = made(concurrency=5)
        assert model.layers.limiter.limit == 5


class TestChoosing:
    @pytest.mark.parametrize(
        ("normalize", "scores", "text"),
        [
            ("none", (-3.0, -5.0), "yes"),
            ("tokens", (-3.0, -5 / 3), "a b c"),
            ("characters", (-1.0, -1.0), "yes"),
        ],
    )
    def test_the_likeliest(
        self, made: Made, normalize: Any, scores: tuple[float, ...], text: str
    ) -> None:
        choice = run(made()[0].choose("so", ["yes", "a b c"], normalize=normalize))
        assert (choice.scores, choice.text) == (scores, text)
        assert ["yes", "a b c"][choice.index] == text

    def test_an_empty_choice_divides_by_nothing(self, made: Made) -> None:
        choice = run(made()[0].choose("so", ["", "no"], normalize="characters"))
        assert choice.text == ""

    def test_none(self, made: Made) -> None:
        with pytest.raises(UsageError, match="there are no choices"):
            run(made()[0].choose("so", []))

    def test_an_unknown_normalisation(self, made: Made) -> None:
        with pytest.raises(UsageError, match="normalize='x' is not none, tokens or characters"):
            run(made()[0].choose("so", ["a"], normalize="x"))  # type: ignore[arg-type]


class TestRefusing:
    @pytest.mark.parametrize(
        ("ask", "sentence"),
        [
            (lambda model: model.chat("a"), r"m cannot chat .*no chat template.*model\.complete"),
            (lambda model: model.complete("a"), r"m cannot complete a text: use model\.chat"),
            (lambda model: model.loglikelihood("a", ["b"]), "m does not give log-likelihoods"),
            (lambda model: model.choose("a", ["b"]), "m does not give log-likelihoods"),
        ],
    )
    def test_what_the_model_cannot_do(
        self, made: Made, ask: Callable[[Model], Coroutine[Any, Any, Any]], sentence: str
    ) -> None:
        model, backend = made(Capabilities())
        with pytest.raises(CapabilityError, match=sentence):
            run(ask(model))
        assert not backend.requests

    def test_an_assertion_of_the_engine_is_no_wrong_answer(self, made: Made) -> None:
        model, backend = made()
        backend.trouble = AssertionError("shape mismatch")
        with pytest.raises(ModelError, match=r"m failed: AssertionError.*shape mismatch"):
            run(model.chat("a"))

    def test_an_error_of_the_backend_passes(self, made: Made) -> None:
        model, backend = made()
        backend.trouble = RequestError("gone", status=500)
        with pytest.raises(RequestError, match="gone"):
            run(model.chat("a"))
        backend.trouble = None
        assert run(model.chat("a")).text == "reply", "its place was given back"


class TestSampling:
    def test_everything_is_explicit(self, made: Made) -> None:
        model, backend = made()
        run(model.chat("a"))
        sampling = backend.requests[0].sampling
        assert (sampling.temperature, sampling.max_tokens, sampling.stop) == (0.0, 1024, ())
        assert sampling.seed is None, "outside a body there is no sample to make it from"

    def test_the_body_may_say_otherwise_and_the_alias_wins(self, made: Made) -> None:
        model, backend = made(sampling={"temperature": 0.5})
        run(model.chat("a", temperature=0.9, max_tokens=5, stop=["x"]))
        sampling = backend.requests[0].sampling
        assert (sampling.temperature, sampling.max_tokens, sampling.stop) == (0.5, 5, ("x",))

    def test_a_seed_for_each_call(self, made: Made, recorder: Recorder) -> None:
        model, backend = made()
        run(model.chat("a"))
        run(model.chat("a"))
        run(model.chat("a", seed=3))
        seeds = [request.sampling.seed for request in backend.requests]
        assert seeds == [recorder.seed_of_call(0), recorder.seed_of_call(1), 3]
        assert seeds[0] != seeds[1]

    def test_a_misspelt_parameter(self, made: Made) -> None:
        with pytest.raises(UsageError, match="unknown sampling parameter 'temprature': there are"):
            run(made()[0].chat("a", temprature=1))


class TestRecord:
    def test_a_call(self, made: Made, recorder: Recorder) -> None:
        model, backend = made(role="judge")
        parts = (ContentPart("text", text="look"), ContentPart("image", url="data:x"))
        run(model.chat([Message("user", parts)], temperature=0.25))
        (call,) = recorder.calls
        assert (call.role, call.model, call.kind, call.reply) == ("judge", "m", "chat", "reply")
        (message,) = call.messages
        assert message["role"] == "user"
        assert message["content"] == [
            {"type": "text", "text": "look"},
            {"type": "image", "url": "data:x"},
        ]
        assert call.sampling["temperature"] == 0.25
        assert (call.usage["prompt_tokens"], call.usage["completion_tokens"]) == (3, 4)
        assert call.usage["cached_tokens"] is None
        assert call.tool_calls == [{"id": "1", "name": "add", "arguments": "{}"}]
        assert backend.requests[0].origin is not None
        assert backend.requests[0].origin.sample_id == "q1"

    def test_log_likelihoods(self, made: Made, recorder: Recorder) -> None:
        run(made()[0].choose("so", ["a", "bb"]))
        (call,) = recorder.calls
        assert call.messages == [{"role": "prompt", "content": "so"}]
        assert [each["sum"] for each in call.loglikelihoods] == [-1.0, -2.0]

    def test_of_a_thread(self, made: Made, recorder: Recorder) -> None:
        made()[0].blocking.complete("once")
        assert [call.kind for call in recorder.calls] == ["complete"]

    def test_outside_a_body_there_is_none(self, made: Made) -> None:
        run(made()[0].chat("a"))

    def test_a_call_that_nobody_awaits_is_noticed(self, made: Made, recorder: Recorder) -> None:
        model, backend = made()
        run(model.chat("a"))
        model.complete("b")  # type: ignore[unused-coroutine]
        assert recorder.take_unawaited() == ["complete"]
        assert recorder.take_unawaited() == []
        assert len(backend.requests) == 1
