"""An engine that died is started anew once for all that wait for it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_modeleval.errors import EngineDied, RequestError, StopRun
from pytest_modeleval.models.answer import Answer, AnyRequest
from pytest_modeleval.models.breaker import FAILURES, Breaking
from pytest_modeleval.models.llamacpp import LlamaCppBackend
from pytest_modeleval.models.protocol import Generation, Identity, Request, Sampling
from pytest_modeleval.models.restarting import Restarting
from pytest_modeleval.models.vllm import VllmBackend, _Vllm

ASKED = Request(Sampling(), prompt="hi")


class Engine:
    """Answers while it is alive; a start lasts until it `may_start`."""

    def __init__(self) -> None:
        self.identity = Identity("engine", "x")
        self.alive = True
        self.may_start = asyncio.Event()
        self.may_start.set()
        self.events: list[str] = []

    async def start(self) -> None:
        self.events.append("start")
        await self.may_start.wait()
        self.alive = True

    async def aclose(self) -> None:
        self.events.append("close")

    async def answer(self, request: AnyRequest) -> Answer:
        if request.prompt == "never":  # type: ignore[union-attr]
            await asyncio.Event().wait()
        if not self.alive:
            raise EngineDied("out of luck")
        return Answer(Generation("yes"), 0.1)


def restarting(engine: Engine, said: list[str] | None = None) -> Restarting:
    return Restarting(engine, engine, "m", [].append if said is None else said.append)  # type: ignore[arg-type]


def test_a_sample_that_is_given_up_does_not_end_the_restart_of_the_others() -> None:
    async def main() -> None:
        engine, said = Engine(), list[str]()
        layer = restarting(engine, said)
        engine.alive = False
        engine.may_start.clear()
        first, second = (asyncio.create_task(layer.answer(ASKED)) for _ in range(2))
        while "start" not in engine.events:
            await asyncio.sleep(0)
        late = asyncio.create_task(layer.answer(ASKED))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait({first})
        assert first.cancelled()
        engine.may_start.set()
        with pytest.raises(EngineDied, match="was started anew"):
            await second
        assert (await late).value.text == "yes", "it had not been asked before"
        assert engine.events == ["close", "start"]
        assert said == ["the engine of m has died (out of luck): started anew, 1 of 3 times"]

    asyncio.run(main())


def test_a_request_that_is_given_up_is_given_up_in_the_engine() -> None:
    async def main() -> None:
        layer = restarting(Engine())
        asked = asyncio.create_task(layer.answer(Request(Sampling(), prompt="never")))
        await asyncio.sleep(0.001)
        before = asyncio.all_tasks()
        asked.cancel()
        await asyncio.wait(before - {asyncio.current_task()})
        assert asked.cancelled()

    asyncio.run(main())


def test_the_run_may_end_while_it_is_started() -> None:
    async def main() -> None:
        engine = Engine()
        layer = restarting(engine)
        engine.alive = False
        engine.may_start.clear()
        asked = asyncio.create_task(layer.answer(ASKED))
        while "start" not in engine.events:
            await asyncio.sleep(0)
        await layer.aclose()
        assert engine.events == ["close", "start", "close"]
        assert not engine.alive
        await asyncio.wait({asked})

    asyncio.run(main())


def test_other_errors_are_passed_on() -> None:
    async def main() -> None:
        engine = Engine()

        async def refuse(request: AnyRequest) -> Answer:
            raise RequestError("too long", status=400)

        engine.answer = refuse  # type: ignore[method-assign]
        with pytest.raises(RequestError, match="too long"):
            await restarting(engine).answer(ASKED)
        assert engine.events == []

    asyncio.run(main())


def test_a_dead_engine_that_cannot_be_closed_is_started_all_the_same() -> None:
    async def main() -> None:
        engine = Engine()
        layer = restarting(engine)
        engine.alive = False

        async def fail() -> None:
            raise OSError("no such process")

        engine.aclose = fail  # type: ignore[method-assign]
        with pytest.raises(EngineDied):
            await layer.answer(ASKED)
        assert (await layer.answer(ASKED)).value.text == "yes"
        engine.alive = False
        engine.start = fail  # type: ignore[method-assign]
        for _ in range(2):
            with pytest.raises(StopRun, match=r"\(out of luck\), and could not be started anew"):
                await layer.answer(ASKED)

    asyncio.run(main())


def test_the_breaker_does_not_take_it_for_a_server_that_is_away() -> None:
    async def main() -> None:
        engine = Engine()
        engine.alive = False
        breaker = Breaking(engine, "m", max_outage=1.0)
        for _ in range(2 * FAILURES):
            with pytest.raises(EngineDied):
                await breaker.answer(ASKED)
        assert not breaker.away

    asyncio.run(main())


class TestBackendsTell:
    def test_vllm(self) -> None:
        """By the exception of its own; it need not be installed."""

        class EngineDeadError(Exception):
            """vLLM's."""

        async def generate(*arguments: Any) -> Any:
            raise EngineDeadError("EngineCore encountered an issue")
            yield

        async def render(prompts: list[Any]) -> list[Any]:
            return prompts

        backend = VllmBackend("x")
        backend._engine = SimpleNamespace(
            generate=generate, renderer=SimpleNamespace(render_cmpl_async=render)
        )
        backend._vllm = _Vllm(
            AsyncLLM=None,
            AsyncEngineArgs=None,
            SamplingParams=dict,
            RequestOutputKind=SimpleNamespace(FINAL_ONLY=1),
            VLLMClientError=KeyError,
            EngineDeadError=EngineDeadError,
            version="0",
        )
        with pytest.raises(EngineDied, match="vllm's own log"):
            asyncio.run(backend.generate(ASKED))

    def test_llamacpp(self) -> None:
        """Its server answers no more; nothing listens at the address."""
        backend = LlamaCppBackend("x")
        backend._server = SimpleNamespace(listening_address="http://127.0.0.1:1")
        with pytest.raises(EngineDied, match="llamacpp's server does not answer"):
            backend._split("a", ["b"])
