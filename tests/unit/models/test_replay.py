"""The replay backend: a JSONL of replies, or an earlier run's folder."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from pytest_modeleval.errors import CapabilityError, ModelError, RequestError, UsageError
from pytest_modeleval.models.messages import Message, ToolCall
from pytest_modeleval.models.protocol import (
    Backend,
    Capabilities,
    Generation,
    Identity,
    LogLikelihood,
    Origin,
    Request,
    Sampling,
    Usage,
)
from pytest_modeleval.models.replay import ReplayBackend
from pytest_modeleval.results.details import DetailsWriter
from pytest_modeleval.results.record import Call, SampleResult

T = TypeVar("T")


def ask(path: Path, use: Callable[[Backend], Awaitable[T]], **arguments: Any) -> T:
    async def main() -> T:
        backend: Backend = ReplayBackend(str(path), **arguments)
        try:
            await backend.start()
            return await use(backend)
        finally:
            await backend.aclose()

    return asyncio.run(main())


def reply(
    path: Path,
    sample_id: str = "a",
    prompt: str = "?",
    *,
    epoch: int = 0,
    call: int = 0,
    chat: bool = True,
    **arguments: Any,
) -> Generation:
    origin = Origin("test_x", sample_id, epoch, call)
    said: dict[str, Any] = {"messages": (Message("user", prompt),)} if chat else {"prompt": prompt}
    request = Request(Sampling(), origin=origin, **said)
    return ask(path, lambda backend: backend.generate(request), **arguments)


def started(path: Path) -> tuple[Identity, Capabilities]:
    async def look(backend: Backend) -> tuple[Identity, Capabilities]:
        return backend.identity, backend.capabilities

    return ask(path, look)


class TestLines:
    @pytest.fixture
    def lines(self, tmp_path: Path) -> Callable[..., Path]:
        def write(*records: Any) -> Path:
            path = tmp_path / "replies.jsonl"
            texts = [each if isinstance(each, str) else json.dumps(each) for each in records]
            path.write_text("\n".join(texts), encoding="utf-8")
            return path

        return write

    @pytest.mark.parametrize("chat", [True, False])
    def test_by_id(self, lines: Callable[..., Path], chat: bool) -> None:
        path = lines({"id": "a", "reply": "A"}, "", {"id": "b", "reply": "B"})
        assert reply(path, "a", chat=chat).text == "A"
        assert reply(path, "b", chat=chat).text == "B"

    def test_a_number_as_id(self, lines: Callable[..., Path]) -> None:
        assert reply(lines({"id": 7, "reply": "A"}), "7").text == "A"

    @pytest.mark.parametrize("chat", [True, False])
    def test_by_prompt(self, lines: Callable[..., Path], chat: bool) -> None:
        path = lines({"prompt": "1+1=", "reply": "2"})
        assert reply(path, "any", "1+1=", chat=chat).text == "2"

    def test_the_benchmarks_own_line_goes_first(self, lines: Callable[..., Path]) -> None:
        path = lines(
            {"id": "a", "reply": "any"},
            {"id": "a", "benchmark": "test_x", "reply": "mine"},
            {"id": "a", "benchmark": "test_y", "reply": "other"},
        )
        assert reply(path, "a").text == "mine"

    def test_a_reply_for_each_epoch(self, lines: Callable[..., Path]) -> None:
        path = lines({"id": "a", "reply": ["one", "two"]})
        assert [reply(path, epoch=epoch).text for epoch in (0, 1)] == ["one", "two"]
        with pytest.raises(RequestError, match=r"2 replies for sample a of test_x, .* epoch 2"):
            reply(path, epoch=2)

    def test_one_reply_is_not_a_reply_for_every_epoch(self, lines: Callable[..., Path]) -> None:
        with pytest.raises(RequestError, match="1 replies for sample a"):
            reply(lines({"id": "a", "reply": "A"}), epoch=1)

    def test_a_sample_without_a_reply(self, lines: Callable[..., Path]) -> None:
        with pytest.raises(RequestError, match="no reply for sample b of test_x"):
            reply(lines({"id": "a", "reply": "A"}), "b")

    def test_a_request_of_no_sample(self, lines: Callable[..., Path]) -> None:
        path = lines({"prompt": "1+1=", "reply": "2"})
        request = Request(Sampling(), prompt="3+3=")
        with pytest.raises(RequestError, match=r"no reply for the prompt '3\+3='"):
            ask(path, lambda backend: backend.generate(request))

    @pytest.mark.parametrize("text", ["a\0b", "\ud800", "x\u2028\r\n\x1e", "y" * 10_000_000])
    def test_hostile_text_comes_through_unharmed(
        self, lines: Callable[..., Path], text: str
    ) -> None:
        path = lines({"id": "a", "reply": text}, {"id": "b", "reply": "B"})
        assert reply(path, "a").text == text
        assert reply(path, "b").text == "B"

    def test_nothing_is_invented(self, lines: Callable[..., Path]) -> None:
        generation = reply(lines({"id": "a", "reply": "A"}))
        assert generation == Generation("A", usage=Usage())

    def test_no_loglikelihoods(self, lines: Callable[..., Path]) -> None:
        path = lines({"id": "a", "reply": "A"})
        assert not started(path)[1].loglikelihood
        with pytest.raises(CapabilityError, match="replay the folder of a run"):
            ask(path, lambda backend: backend.loglikelihood("a", ["b"]))

    def test_identity_is_what_is_recorded(self, lines: Callable[..., Path]) -> None:
        first, _ = started(lines({"id": "a", "reply": "A"}))
        again, _ = started(lines({"id": "a", "reply": "A"}))
        other, _ = started(lines({"id": "a", "reply": "B"}))
        assert first.revision
        assert first == again
        assert first.revision != other.revision

    @pytest.mark.parametrize(
        ("line", "sentence"),
        [
            ('{"id": "b", "reply": "B"', r":2: not JSON"),
            ("[" * 100_000, r":2: not JSON"),
            ("7", r":2: not an object"),
            ('{"reply": "B"}', r':2: it needs an "id" or a "prompt"'),
            ('{"id": true, "reply": "B"}', r':2: it needs an "id" or a "prompt"'),
            ('{"id": "b"}', r':2: "reply" is not a text'),
            ('{"id": "b", "reply": 4}', r':2: "reply" is not a text'),
            ('{"id": "b", "reply": []}', r':2: "reply" is not a text'),
            ('{"id": "b", "reply": ["x", 4]}', r':2: "reply" is not a text'),
            ('{"id": "b", "benchmark": 1, "reply": "x"}', r':2: "benchmark" is not a text'),
            ('{"id": "a", "reply": "again"}', r":2: .*answered in line 1 already"),
        ],
    )
    def test_a_wrong_line(self, lines: Callable[..., Path], line: str, sentence: str) -> None:
        path = lines({"id": "a", "reply": "A"}, line)
        with pytest.raises(ModelError, match=rf"replies\.jsonl{sentence}"):
            started(path)

    def test_bytes_that_are_no_text(self, tmp_path: Path) -> None:
        path = tmp_path / "replies.jsonl"
        path.write_bytes(b'{"id": "a", "reply": "\xff"}\n')
        with pytest.raises(ModelError, match=r"replies\.jsonl:1: not JSON"):
            started(path)

    def test_an_empty_file(self, lines: Callable[..., Path]) -> None:
        with pytest.raises(ModelError, match=r"replies\.jsonl is empty"):
            started(lines())

    def test_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match=r"none\.jsonl does not exist: give a JSONL"):
            started(tmp_path / "none.jsonl")


def generated(
    text: str | None, prompt: str = "?", *, tool_calls: tuple[dict[str, str], ...] = ()
) -> Call:
    return Call(
        "model", "m", "chat", [{"role": "user", "content": prompt}], text, list(tool_calls)
    )  # fmt: skip


def weighed(context: str, **sums: float) -> Call:
    found = [
        {"continuation": text, "sum": value, "tokens": 1, "is_greedy": None}
        for text, value in sums.items()
    ]
    messages = [{"role": "prompt", "content": context}]
    return Call("model", "m", "loglikelihood", messages, loglikelihoods=found)


def sample(sample_id: str, *calls: Call, epoch: int = 0, model: str = "m") -> SampleResult:
    return SampleResult("test_x", model, sample_id, epoch, "right", calls=list(calls))


class TestRun:
    @pytest.fixture
    def run(self, tmp_path: Path) -> Callable[..., Path]:
        def write(*samples: SampleResult, merged: bool = True) -> Path:
            writer = DetailsWriter(tmp_path)
            for each in samples:
                writer.add([each])
            if merged:
                writer.close()
            else:
                writer.flush()
            return tmp_path

        return write

    def test_by_sample_and_epoch(self, run: Callable[..., Path]) -> None:
        path = run(
            sample("a", generated("A0")),
            sample("a", generated("A1"), epoch=1),
            sample("b", generated("B0")),
        )
        assert reply(path, "a").text == "A0"
        assert reply(path, "a", epoch=1).text == "A1"
        assert reply(path, "b", chat=False).text == "B0"

    def test_by_number_of_the_call(self, run: Callable[..., Path]) -> None:
        path = run(sample("a", generated("one"), generated("two")))
        assert [reply(path, call=call).text for call in (0, 1)] == ["one", "two"]
        with pytest.raises(RequestError, match="sample a of test_x, epoch 0, call 2"):
            reply(path, call=2)

    def test_calls_that_were_recorded_in_another_order(self, run: Callable[..., Path]) -> None:
        path = run(sample("a", generated("two", "2?"), generated("one", "1?")))
        assert reply(path, prompt="1?", call=0).text == "one"
        assert reply(path, prompt="2?", call=1).text == "two"

    def test_messages_of_several_parts(self, run: Callable[..., Path]) -> None:
        parts = [
            {"type": "text", "text": "1"},
            {"type": "image", "url": "x"},
            {"type": "text", "text": "?"},
        ]
        first = Call("model", "m", "chat", [{"role": "user", "content": parts}], "one")
        path = run(sample("a", generated("two", "2?"), first))
        assert reply(path, prompt="1?", call=0).text == "one"

    def test_another_prompt_than_was_recorded(self, run: Callable[..., Path]) -> None:
        assert reply(run(sample("a", generated("A", "old"))), prompt="new").text == "A"

    def test_tool_calls(self, run: Callable[..., Path]) -> None:
        call = {"id": "1", "name": "add", "arguments": "{}"}
        path = run(sample("a", generated("", tool_calls=(call,))))
        assert reply(path).tool_calls == (ToolCall("1", "add", "{}"),)

    def test_a_sample_without_a_reply(self, run: Callable[..., Path]) -> None:
        path = run(sample("a", generated("A")), sample("b"), sample("c", generated(None)))
        with pytest.raises(RequestError, match=r"for sample z of test_x, .* benchmarks are test_x"):
            reply(path, "z")
        with pytest.raises(RequestError, match="no reply for sample b"):
            reply(path, "b")
        with pytest.raises(RequestError, match="no reply for sample c"):
            reply(path, "c")

    def test_loglikelihoods(self, run: Callable[..., Path]) -> None:
        path = run(sample("a", weighed("2+2=", four=-1.5, five=-4.0)), sample("b", generated("B")))
        assert started(path)[1].loglikelihood
        answers = ask(path, lambda backend: backend.loglikelihood("2+2=", ["four", "five"]))
        assert answers == [LogLikelihood(-1.5, 1, None), LogLikelihood(-4.0, 1, None)]
        with pytest.raises(RequestError, match=r"no log-likelihoods .* after '2\+2='"):
            ask(path, lambda backend: backend.loglikelihood("2+2=", ["five", "four"]))

    def test_one_of_several_models(self, run: Callable[..., Path]) -> None:
        path = run(
            sample("a", generated("of m")),
            sample("a", generated("of n"), model="n"),
        )
        assert reply(path, alias="n").text == "of n"
        for alias in (None, "o"):
            with pytest.raises(ModelError, match="replies of m, n: choose one with alias="):
                reply(path, alias=alias)

    def test_several_benchmarks(self, run: Callable[..., Path]) -> None:
        other = dataclasses.replace(sample("a", generated("B")), benchmark="test_y")
        assert reply(run(sample("a", generated("A")), other)).text == "A"

    def test_the_latest_run_where_there_are_no_links(self, run: Callable[..., Path]) -> None:
        path = run(sample("a", generated("A")))
        (path.parent / "latest").write_text(path.name)
        assert reply(path.parent / "latest").text == "A"

    def test_a_run_that_was_broken_off(self, run: Callable[..., Path]) -> None:
        assert reply(run(sample("a", generated("A")), merged=False)).text == "A"

    def test_a_sample_that_is_there_twice(self, run: Callable[..., Path]) -> None:
        with pytest.raises(ModelError, match="a of test_x, epoch 0, is there twice"):
            started(run(sample("a"), sample("a")))

    def test_a_folder_that_is_no_run(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="holds no details: name the folder of a run"):
            started(tmp_path)

    @pytest.mark.parametrize("content", [b"", b"PAR1 cut"])
    def test_a_broken_file(self, run: Callable[..., Path], content: bytes) -> None:
        path = run(sample("a", generated("A")))
        (path / "details" / "test_z.parquet").write_bytes(content)
        with pytest.raises(ModelError, match=r"test_z\.parquet"):
            started(path)


class TestArguments:
    def test_a_missing_path(self) -> None:
        with pytest.raises(UsageError, match="replay:PATH"):
            ReplayBackend("")

    def test_an_unknown_argument(self) -> None:
        with pytest.raises(UsageError, match="unknown argument 'model'; there are concurrency"):
            ReplayBackend("x", model="m")
