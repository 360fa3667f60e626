"""The library `transformers` in process, with the tiny model's checkpoint."""

from __future__ import annotations

import asyncio
import math
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from pytest_modeleval.errors import ModelError, RequestError, UsageError
from pytest_modeleval.models.messages import Message
from pytest_modeleval.models.protocol import Generation, LogLikelihood, Request, Sampling
from pytest_modeleval.models.transformers import TransformersBackend
from tests.asking import ask
from tests.engines.conftest import SUMS, completion

for package in ("torch", "transformers"):
    pytest.importorskip(
        package, reason=f"needs {package}: pip install 'pytest-modeleval[transformers]'"
    )

T = TypeVar("T")
ENDLESS = {"min_new_tokens": 400}


def with_backend(
    path: Path, use: Callable[[TransformersBackend], Awaitable[T]], **arguments: Any
) -> T:
    return ask(TransformersBackend(str(path), **{"dtype": "float32", **arguments}), use)


def test_sums_are_right(tiny_checkpoint: Path) -> None:
    async def use(backend: TransformersBackend) -> list[Generation]:
        return await asyncio.gather(*(backend.generate(completion(text)) for text in SUMS))

    replies = with_backend(tiny_checkpoint, use)

    assert [reply.text for reply in replies] == ["2", "12", "42", "99", "100"]


def test_a_reply_tells_tokens_and_times(tiny_checkpoint: Path) -> None:
    reply = with_backend(
        tiny_checkpoint, lambda backend: backend.generate(completion("12+30=", logprobs=2))
    )

    assert (reply.text, reply.finish_reason) == ("42", "stop")
    assert reply.usage.prompt_tokens == len("<12+30=")
    assert reply.usage.completion_tokens == 3
    assert reply.logprobs is not None
    assert [entry.token for entry in reply.logprobs][:2] == ["4", "2"]
    assert all(len(entry.top) == 2 and entry.top[0][1] == entry.logprob for entry in reply.logprobs)
    assert reply.latency_s is not None and reply.ttft_s is not None and reply.tpot_s is not None
    assert 0 < reply.ttft_s < reply.latency_s
    assert reply.ttft_s + 2 * reply.tpot_s <= reply.latency_s


def test_each_row_of_a_batch_keeps_its_own_rules(tiny_checkpoint: Path) -> None:
    requests = [
        completion("12+30=", stop=("2",)),
        completion("12+30=", max_tokens=1),
        completion("45+54="),
        completion("3", temperature=9.0, seed=1),
        completion("3", temperature=9.0, seed=1, top_k=1),
        completion("3", temperature=9.0, seed=1, top_p=1e-6),
        completion("3"),
    ]

    async def use(backend: TransformersBackend) -> list[Generation]:
        return await asyncio.gather(*(backend.generate(request) for request in requests))

    async def alone(backend: TransformersBackend) -> list[Generation]:
        return [await backend.generate(request) for request in requests]

    stopped, cut, whole, drawn, first, most, greedy = with_backend(tiny_checkpoint, use)

    assert (stopped.text, stopped.finish_reason) == ("4", "stop")
    assert (cut.text, cut.finish_reason, cut.tpot_s) == ("4", "length", None)
    assert whole.text == "99"
    assert first.text == most.text == greedy.text
    assert drawn.text != greedy.text
    assert [reply.text for reply in with_backend(tiny_checkpoint, alone)] == [
        reply.text for reply in (stopped, cut, whole, drawn, first, most, greedy)
    ]


def test_draws_follow_the_models_probabilities(tiny_checkpoint: Path) -> None:
    digits = list("0123456789")
    count = 600

    async def use(backend: TransformersBackend) -> tuple[list[Generation], list[LogLikelihood]]:
        draws = [
            backend.generate(completion("199+199=", temperature=1.0, seed=seed, max_tokens=1))
            for seed in range(count)
        ]
        return (
            await asyncio.gather(*draws),
            await backend.loglikelihood("199+199=", digits),
        )

    draws, chances = with_backend(tiny_checkpoint, use, concurrency=200)

    for digit, chance in zip(digits, chances, strict=True):
        share = sum(draw.text == digit for draw in draws) / count
        p = math.exp(chance.sum)
        assert share == pytest.approx(p, abs=4.5 * math.sqrt(p * (1 - p) / count) + 1e-3)


def test_loglikelihoods_are_those_of_the_generated_tokens(tiny_checkpoint: Path) -> None:
    async def use(backend: TransformersBackend) -> tuple[Generation, list[LogLikelihood]]:
        reply = await backend.generate(completion("12+30=", logprobs=1, max_tokens=2))
        return reply, await backend.loglikelihood("12+30=", ["42", "43", "4", ""])

    reply, (right, wrong, short, empty) = with_backend(tiny_checkpoint, use)

    assert reply.logprobs is not None
    expected = [entry.logprob for entry in reply.logprobs]
    assert right.sum == pytest.approx(sum(expected), abs=1e-4)
    assert (right.tokens, right.is_greedy) == (2, True)
    assert short.sum == pytest.approx(expected[0], abs=1e-4)
    assert wrong.sum < right.sum and not wrong.is_greedy
    assert (empty.sum, empty.tokens) == (0.0, 0)


def test_a_prompt_that_is_too_long_is_refused_with_its_length(tiny_checkpoint: Path) -> None:
    with pytest.raises(RequestError, match=r"5001 tokens, which leaves no room for a reply"):
        with_backend(tiny_checkpoint, lambda backend: backend.generate(completion("1" * 5000)))
    with pytest.raises(RequestError, match="5001 tokens of context and 4 of continuation"):
        with_backend(tiny_checkpoint, lambda backend: backend.loglikelihood("1" * 5000, ["1234"]))


def test_a_text_that_cannot_be_encoded_fails_its_request_alone(tiny_checkpoint: Path) -> None:
    half = "\ud800"  # of a surrogate pair, which JSON may have

    async def use(backend: TransformersBackend) -> list[Any]:
        return await asyncio.gather(
            *(backend.generate(completion(text)) for text in (half, "1+1=")),
            *(backend.loglikelihood(text, ["2"]) for text in (half, "1+1=")),
            return_exceptions=True,
        )

    unlike, fine, unlikely, likely = with_backend(tiny_checkpoint, use)

    assert isinstance(unlike, RequestError) and "cannot be encoded" in str(unlike)
    assert isinstance(unlikely, RequestError) and "cannot be encoded" in str(unlikely)
    assert fine.text == "2" and likely[0].is_greedy


def test_an_unknown_parameter_fails_its_request_alone(tiny_checkpoint: Path) -> None:
    async def use(backend: TransformersBackend) -> Any:
        return await asyncio.gather(
            backend.generate(completion("1+1=", extra={"min_new_tokens": "many"})),
            backend.generate(completion("1+1=")),
            return_exceptions=True,
        )

    failed, fine = with_backend(tiny_checkpoint, use)

    assert isinstance(failed, RequestError)
    assert fine.text == "2"


def test_chat_needs_a_template(tiny_checkpoint: Path, tmp_path: Path) -> None:
    for file in tiny_checkpoint.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "chat_template.jinja").write_text(
        "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    )
    request = Request(Sampling(max_tokens=8), messages=(Message("user", "1+1="),))

    async def use(backend: TransformersBackend) -> Generation:
        assert backend.capabilities.chat
        return await backend.generate(request)

    async def look(backend: TransformersBackend) -> bool:
        return backend.capabilities.chat

    assert not with_backend(tiny_checkpoint, look)
    assert with_backend(tmp_path, use).usage.prompt_tokens == len("1+1=")


def test_cancelling_abandons_the_row(tiny_checkpoint: Path) -> None:
    async def use(backend: TransformersBackend) -> tuple[int, str]:
        long = completion("1", max_tokens=500, extra=ENDLESS)
        task = asyncio.create_task(backend.generate(long))
        while not (backend._batches and backend._batches.running):
            await asyncio.sleep(0)
        (row,) = backend._batches.running
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        reply = await backend.generate(completion("1+1="))
        return len(row.tokens), reply.text

    tokens, text = with_backend(tiny_checkpoint, use)

    assert text == "2"
    assert tokens < 400


def test_closing_ends_what_is_running_and_leaves_no_thread(tiny_checkpoint: Path) -> None:
    async def main() -> None:
        backend = TransformersBackend(str(tiny_checkpoint), concurrency=2)
        await backend.start()
        await backend.start()
        long = completion("1", max_tokens=500, extra=ENDLESS)
        tasks = [asyncio.create_task(backend.generate(long)) for _ in range(6)]
        while not (backend._batches and backend._batches.running):
            await asyncio.sleep(0)
        await backend.aclose()
        await asyncio.gather(*tasks, return_exceptions=True)
        await backend.aclose()
        with pytest.raises(RequestError, match="not loaded"):
            await backend.generate(completion("1"))

    asyncio.run(main())
    assert not [each for each in threading.enumerate() if "transformers" in each.name]


def test_the_identity_proves_the_weights(tiny_checkpoint: Path) -> None:
    async def use(backend: TransformersBackend) -> None:
        assert backend.identity.revision is not None
        assert backend.identity.revision.startswith("sha256:")
        assert backend.identity.details["dtype"] == "float32"

    with_backend(tiny_checkpoint, use)


def start(path: Path | str, **arguments: Any) -> None:
    asyncio.run(TransformersBackend(str(path), **arguments).start())


def test_a_path_that_is_no_model(
    tmp_path: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.json").write_text("{}")

    with pytest.raises(ModelError, match=r"\./nowhere does not exist"):
        start("./nowhere")
    with pytest.raises(ModelError, match="is no checkpoint"):
        start(tiny_checkpoint / "config.json")
    with pytest.raises(ModelError, match="could not be loaded"):
        start(tmp_path)


def test_an_argument_that_the_library_does_not_know(tiny_checkpoint: Path) -> None:
    with pytest.raises(UsageError, match="nosuch"):
        start(tiny_checkpoint, nosuch=5)


def test_a_missing_package(tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "pytest_modeleval.models.transformers_decoding", raising=False)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ModelError, match=r"pip install 'pytest-modeleval\[transformers\]'"):
        start(tiny_checkpoint)


def test_llama_cpp_agrees(tiny_checkpoint: Path, tiny_gguf: Path) -> None:
    """Both compute with bfloat16 weights; llama.cpp rounds activations too, hence the tolerance."""
    pytest.importorskip("xllamacpp", reason="needs xllamacpp")
    from pytest_modeleval.models.llamacpp import LlamaCppBackend

    async def ask(backend: Any) -> tuple[list[str], list[list[LogLikelihood]]]:
        await backend.start()
        try:
            replies = await asyncio.gather(*(backend.generate(completion(each)) for each in SUMS))
            scores = await asyncio.gather(
                *(backend.loglikelihood(each, ["42", "100", "9", "2"]) for each in SUMS)
            )
        finally:
            await backend.aclose()
        return [reply.text for reply in replies], scores

    texts, scores = asyncio.run(ask(TransformersBackend(str(tiny_checkpoint), dtype="float32")))
    other_texts, other_scores = asyncio.run(ask(LlamaCppBackend(str(tiny_gguf), n_ctx=512)))

    assert texts == other_texts
    for one, other in zip(scores, other_scores, strict=True):
        for mine, theirs in zip(one, other, strict=True):
            assert (mine.tokens, mine.is_greedy) == (theirs.tokens, theirs.is_greedy)
            assert mine.sum == pytest.approx(theirs.sum, rel=0.02, abs=0.02)
