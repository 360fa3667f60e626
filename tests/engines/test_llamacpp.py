"""llama.cpp in process, with the model that ships."""

from __future__ import annotations

import asyncio
import math
import re
import shutil
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from pytest_modeleval.errors import ModelError, RequestError, UsageError
from pytest_modeleval.models.llamacpp import SHORT, LlamaCppBackend
from pytest_modeleval.models.messages import Message, Tool
from pytest_modeleval.models.protocol import Generation, Request, Sampling
from tests.asking import ask
from tests.engines.conftest import SUMS, completion

pytest.importorskip("xllamacpp", reason="needs xllamacpp: pip install 'pytest-modeleval[local]'")

T = TypeVar("T")


def with_backend(path: Path, use: Callable[[LlamaCppBackend], Awaitable[T]], **arguments: Any) -> T:
    return ask(LlamaCppBackend(str(path), **{"n_ctx": 512, **arguments}), use)


def test_sums_are_right(tiny_gguf: Path) -> None:
    async def use(backend: LlamaCppBackend) -> list[Generation]:
        return await asyncio.gather(*(backend.generate(completion(text)) for text in SUMS))

    replies = with_backend(tiny_gguf, use)

    assert [reply.text.strip() for reply in replies] == ["2", "12", "42", "99", "100"]


@pytest.mark.parametrize("max_tokens", [SHORT, SHORT + 1], ids=["whole", "streamed"])
def test_a_reply_tells_tokens_and_times(tiny_gguf: Path, max_tokens: int) -> None:
    reply = with_backend(
        tiny_gguf,
        lambda backend: backend.generate(completion("12+30=", max_tokens=max_tokens, logprobs=2)),
    )

    assert reply.finish_reason == "stop"
    assert reply.text.strip() == "42"
    assert reply.usage.prompt_tokens == len("<12+30=")  # and the token that begins a text
    assert reply.usage.completion_tokens == 3
    assert reply.usage.cached_tokens == 0
    assert reply.logprobs is not None
    assert "".join(entry.token for entry in reply.logprobs).strip() == "42"
    assert all(len(entry.top) == 2 and entry.top[0][1] >= entry.logprob for entry in reply.logprobs)
    assert reply.latency_s is not None and reply.ttft_s is not None and reply.tpot_s is not None
    assert 0 < reply.ttft_s < reply.latency_s
    assert reply.ttft_s + 2 * reply.tpot_s == pytest.approx(reply.latency_s)


def test_whole_and_streamed_replies_are_the_same(tiny_gguf: Path) -> None:
    async def use(backend: LlamaCppBackend) -> list[Generation]:
        return [
            await backend.generate(completion("12+30=", max_tokens=n, logprobs=1, stop=("\n",)))
            for n in (SHORT, SHORT + 1)
        ]

    whole, streamed = with_backend(tiny_gguf, use)

    assert (whole.text, whole.logprobs, whole.usage) == (
        streamed.text,
        streamed.logprobs,
        streamed.usage,
    )


def test_greedy_replies_do_not_depend_on_the_rest_of_the_batch(tiny_gguf: Path) -> None:
    prompts = [f"{a}+{b}=" for a in range(10) for b in range(90, 100)]

    async def alone(backend: LlamaCppBackend) -> list[str]:
        return [(await backend.generate(completion(text))).text for text in prompts]

    async def together(backend: LlamaCppBackend) -> list[str]:
        replies = await asyncio.gather(*(backend.generate(completion(text)) for text in prompts))
        return [reply.text for reply in replies]

    assert with_backend(tiny_gguf, alone) == with_backend(tiny_gguf, together)


def test_a_reply_ends_at_a_stop_string_or_at_max_tokens(tiny_gguf: Path) -> None:
    async def use(backend: LlamaCppBackend) -> tuple[Generation, Generation]:
        return (
            await backend.generate(completion("12+30=", stop=("2",))),
            await backend.generate(completion("12+30=", max_tokens=1)),
        )

    stopped, cut = with_backend(tiny_gguf, use)

    assert (stopped.text.strip(), stopped.finish_reason) == ("4", "stop")
    assert (cut.text, cut.finish_reason) == ("4", "length")
    assert cut.tpot_s is None


def test_a_seed_makes_sampling_repeatable(tiny_gguf: Path) -> None:
    def draw(seed: int) -> Request:
        return completion("3", temperature=2.0, seed=seed)

    async def use(backend: LlamaCppBackend) -> list[str]:
        seeds = [1, 1, 2, 3, 2**32 + 1, 2**64 - 1]
        return [(await backend.generate(draw(seed))).text for seed in seeds]

    first, again, *others = with_backend(tiny_gguf, use)

    assert first == again
    assert len({first, *others}) > 1


def test_loglikelihoods_are_those_of_the_generated_tokens(tiny_gguf: Path) -> None:
    async def use(backend: LlamaCppBackend) -> tuple[Generation, list[Any]]:
        reply = await backend.generate(completion("12+30=", logprobs=1, max_tokens=2))
        return reply, await backend.loglikelihood("12+30=", ["42", "43", "4", ""])

    reply, (right, wrong, short, empty) = with_backend(tiny_gguf, use)

    assert reply.logprobs is not None
    expected = [entry.logprob for entry in reply.logprobs]
    assert right.sum == pytest.approx(sum(expected), abs=1e-3)
    assert (right.tokens, right.is_greedy) == (2, True)
    assert short.sum == pytest.approx(expected[0], abs=1e-3)
    assert wrong.sum < right.sum and not wrong.is_greedy
    assert (empty.sum, empty.tokens) == (0.0, 0)


def test_the_next_tokens_probabilities_add_up_to_one(tiny_gguf: Path) -> None:
    digits = list("0123456789")

    answers = with_backend(tiny_gguf, lambda backend: backend.loglikelihood("12+30=", digits))

    assert sum(math.exp(answer.sum) for answer in answers) == pytest.approx(1, abs=1e-2)


def test_a_prompt_that_is_too_long_is_refused_with_its_length(tiny_gguf: Path) -> None:
    for max_tokens in (SHORT, SHORT + 1):
        request = completion("1" * 600, max_tokens=max_tokens)

        async def use(backend: LlamaCppBackend, request: Request = request) -> Generation:
            return await backend.generate(request)

        with pytest.raises(RequestError, match=r"601 tokens, more than the 512"):
            with_backend(tiny_gguf, use)
    with pytest.raises(RequestError, match=r"510 tokens of context and 4 of continuation"):
        with_backend(tiny_gguf, lambda backend: backend.loglikelihood("1" * 509, ["1234"]))


def test_text_that_is_no_unicode_is_refused(tiny_gguf: Path) -> None:
    with pytest.raises(RequestError, match="could not be read"):
        with_backend(tiny_gguf, lambda backend: backend.generate(completion("1\ud800")))


def test_chat_needs_a_template(tiny_gguf: Path) -> None:
    template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    request = Request(
        Sampling(max_tokens=SHORT + 1, logprobs=1), messages=(Message("user", "12+30="),)
    )

    async def use(backend: LlamaCppBackend) -> Generation:
        assert backend.capabilities.chat
        return await backend.generate(request)

    async def look(backend: LlamaCppBackend) -> bool:
        return backend.capabilities.chat

    assert not with_backend(tiny_gguf, look)
    reply = with_backend(tiny_gguf, use, chat_template=template)
    assert reply.text.strip() == "42"
    assert reply.logprobs and reply.usage.completion_tokens == 3


def test_tools_reach_the_template(tiny_gguf: Path) -> None:
    template = (
        "{% for t in tools %}{{ t['function']['name'] }}{% endfor %}{{ messages[0]['content'] }}"
    )
    request = Request(
        Sampling(max_tokens=4),
        messages=(Message("user", "1+1="),),
        tools=(Tool("search", "Looks something up."),),
    )

    reply = with_backend(
        tiny_gguf, lambda backend: backend.generate(request), chat_template=template
    )

    assert reply.usage.prompt_tokens is not None
    assert reply.usage.prompt_tokens >= len("search1+1=")


def test_cancelling_abandons_the_request(tiny_gguf: Path) -> None:
    times = 10
    long = completion("1", max_tokens=10**6, extra={"ignore_eos": True})

    async def use(backend: LlamaCppBackend) -> tuple[int, str]:
        whole = (await backend.generate(long)).usage.completion_tokens
        for _ in range(times):
            task = asyncio.create_task(backend.generate(long))
            await asyncio.sleep(0)
            while backend._pool is not None and backend._pool._work_queue.qsize():
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert (await backend.generate(completion("1+1="))).text == "2"
        assert whole is not None
        return whole, backend._server.handle_metrics()

    whole, metrics = with_backend(tiny_gguf, use, concurrency=1, n_ctx=2048, endpoint_metrics=True)

    total = re.search(r"^llamacpp:tokens_predicted_total (\d+)", metrics, re.MULTILINE)
    assert total is not None
    assert int(total[1]) < (1 + times / 2) * whole


def test_closing_ends_what_is_running_and_leaves_no_thread(
    tiny_gguf: Path, children: Callable[[], set[int]]
) -> None:
    def engine_threads() -> int:
        return len(list(Path("/proc/self/task").iterdir())) - threading.active_count()

    async def main() -> None:
        first = LlamaCppBackend(str(tiny_gguf), n_ctx=512)
        await first.start()
        await first.aclose()
        before = engine_threads()  # what the library itself keeps is there by now
        backend = LlamaCppBackend(str(tiny_gguf), n_ctx=512)
        await backend.start()
        await backend.start()
        assert engine_threads() > before
        tasks = [
            asyncio.create_task(backend.generate(completion("1", max_tokens=500)))
            for _ in range(20)
        ]
        await asyncio.sleep(0)
        await backend.aclose()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert all(task.done() for task in tasks)
        deadline = time.monotonic() + 5
        while engine_threads() > before and time.monotonic() < deadline:
            await asyncio.sleep(0.01)  # a thread is told to be gone a moment before it is
        assert engine_threads() <= before
        await backend.aclose()
        with pytest.raises(RequestError, match="not loaded"):
            await backend.generate(completion("1"))

    processes = children()
    asyncio.run(main())
    assert children() == processes
    assert not [each for each in threading.enumerate() if "llamacpp" in each.name]


def test_it_is_loaded_once_its_loop_has_answered(
    tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """llama.cpp never ends where it is told to before its loop has begun."""
    xllamacpp = pytest.importorskip("xllamacpp")
    answered = []

    class Server(xllamacpp.Server):  # type: ignore[misc, name-defined]
        def handle_completions(self, *arguments: Any) -> Any:
            found = super().handle_completions(*arguments)
            answered.append(found["choices"])
            return found

    async def use(backend: LlamaCppBackend) -> int:
        return len(answered)

    monkeypatch.setattr(xllamacpp, "Server", Server)
    assert with_backend(tiny_gguf, use) == 1


def test_the_identity_proves_the_weights(tiny_gguf: Path, tmp_path: Path) -> None:
    async def use(backend: LlamaCppBackend) -> str | None:
        assert backend.identity.backend_version
        return backend.identity.revision

    copy = tmp_path / "tiny.gguf"
    shutil.copy(tiny_gguf, copy)
    assert with_backend(tiny_gguf, use) == with_backend(copy, use)
    content = bytearray(copy.read_bytes())
    content[-1] ^= 1
    copy.write_bytes(content)
    assert with_backend(tiny_gguf, use) != with_backend(copy, use)


def start(path: Path | str, **arguments: Any) -> None:
    asyncio.run(LlamaCppBackend(str(path), **arguments).start())


def test_a_path_that_is_no_model(tiny_gguf: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "cut.gguf").write_bytes(tiny_gguf.read_bytes()[:4000])

    with pytest.raises(ModelError, match=r"nowhere\.gguf cannot be read \(No such file"):
        start("nowhere.gguf")
    with pytest.raises(ModelError, match="cannot be read"):
        start(tmp_path)
    with pytest.raises(ModelError, match=r"notes\.txt is no GGUF file"):
        start(tmp_path / "notes.txt")
    with pytest.raises(ModelError, match=r"cut\.gguf could not be loaded"):
        start(tmp_path / "cut.gguf")


def test_an_argument_that_the_engine_does_not_know(tiny_gguf: Path) -> None:
    with pytest.raises(UsageError, match="unknown argument 'n_bacth': did you mean n_batch"):
        start(tiny_gguf, n_bacth=5)
    with pytest.raises(UsageError, match="unknown argument 'zzz': known ones are concurrency"):
        start(tiny_gguf, zzz=5)
    with pytest.raises(UsageError, match="n_batch='many' is of the wrong kind"):
        start(tiny_gguf, n_batch="many")


def test_a_missing_package(tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(ModelError, match=r"pip install 'pytest-modeleval\[local\]'"):
        start(tiny_gguf)
