"""vLLM in process, with the tiny model's checkpoint. One engine serves all tests: it starts slowly.

Without a GPU these run on a CPU build of vLLM.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pytest_modeleval.background import BackgroundLoop
from pytest_modeleval.errors import ModelError, RequestError, UsageError
from pytest_modeleval.models.messages import Message
from pytest_modeleval.models.protocol import Generation, Request, Sampling
from pytest_modeleval.models.vllm import VllmBackend
from tests.engines.conftest import SUMS, completion

pytest.importorskip("vllm", reason="needs vllm: pip install 'pytest-modeleval[vllm]'")

SMALL = {"enforce_eager": True, "dtype": "float32", "max_model_len": 256}


@pytest.fixture(scope="module", autouse=True)
def quiet_cpu() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
        patch.setenv("VLLM_LOGGING_LEVEL", "ERROR")
        patch.setenv("TORCH_COMPILE_DISABLE", "1")
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield


@pytest.fixture(scope="module")
def loop() -> Iterator[BackgroundLoop]:
    background = BackgroundLoop()
    yield background
    background.stop()


@pytest.fixture(scope="module")
def backend(
    tiny_checkpoint: Path, loop: BackgroundLoop, quiet_cpu: None, tmp_path_factory: Any
) -> Iterator[VllmBackend]:
    """A model that chats by saying nothing but the user's text."""
    template = tmp_path_factory.mktemp("chat") / "checkpoint"
    template.mkdir()
    for file in tiny_checkpoint.iterdir():
        (template / file.name).write_bytes(file.read_bytes())
    (template / "chat_template.jinja").write_text(
        "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    )
    engine = VllmBackend(str(template), concurrency=32, **SMALL)
    loop.run(engine.start())
    yield engine
    loop.run(engine.aclose())


def test_sums_are_right(backend: VllmBackend, loop: BackgroundLoop) -> None:
    async def use() -> list[Generation]:
        return await asyncio.gather(*(backend.generate(completion(text)) for text in SUMS))

    assert [reply.text for reply in loop.run(use())] == ["2", "12", "42", "99", "100"]


def test_a_reply_tells_tokens_and_times(backend: VllmBackend, loop: BackgroundLoop) -> None:
    reply = loop.run(backend.generate(completion("12+30=", logprobs=2)))

    assert (reply.text, reply.finish_reason) == ("42", "stop")
    assert reply.usage.prompt_tokens == len("<12+30=")
    assert reply.usage.completion_tokens == 3
    assert reply.logprobs is not None
    assert [entry.token for entry in reply.logprobs][:2] == ["4", "2"]
    assert all(len(entry.top) == 2 and entry.top[0][1] == entry.logprob for entry in reply.logprobs)
    assert reply.latency_s is not None and reply.ttft_s is not None and reply.tpot_s is not None
    assert 0 < reply.ttft_s < reply.latency_s
    assert 0 < reply.tpot_s < reply.latency_s


def test_a_reply_ends_at_a_stop_string_or_at_max_tokens(
    backend: VllmBackend, loop: BackgroundLoop
) -> None:
    stopped = loop.run(backend.generate(completion("12+30=", stop=("2",))))
    cut = loop.run(backend.generate(completion("12+30=", max_tokens=1)))

    assert (stopped.text, stopped.finish_reason) == ("4", "stop")
    assert (cut.text, cut.finish_reason, cut.tpot_s) == ("4", "length", None)


def test_a_seed_makes_sampling_repeatable(backend: VllmBackend, loop: BackgroundLoop) -> None:
    def draw(seed: int) -> str:
        request = completion("3", temperature=2.0, seed=seed, extra={"ignore_eos": True})
        return loop.run(backend.generate(request)).text

    assert draw(1) == draw(1)
    assert draw(2**64 - 1) == draw(2**64 - 1)
    assert len({draw(seed) for seed in range(5)}) > 1


def test_loglikelihoods_are_those_of_the_generated_tokens(
    backend: VllmBackend, loop: BackgroundLoop
) -> None:
    reply = loop.run(backend.generate(completion("12+30=", logprobs=1, max_tokens=2)))
    right, wrong, short, empty = loop.run(backend.loglikelihood("12+30=", ["42", "43", "4", ""]))

    assert reply.logprobs is not None
    expected = [entry.logprob for entry in reply.logprobs]
    assert right.sum == pytest.approx(sum(expected), abs=1e-3)
    assert (right.tokens, right.is_greedy) == (2, True)
    assert short.sum == pytest.approx(expected[0], abs=1e-3)
    assert wrong.sum < right.sum and not wrong.is_greedy
    assert (empty.sum, empty.tokens) == (0.0, 0)


def test_many_loglikelihoods_at_once(backend: VllmBackend, loop: BackgroundLoop) -> None:
    async def use() -> list[Any]:
        return await asyncio.gather(
            *(backend.loglikelihood(f"{n}+{n}=", list("0123456789")) for n in range(50))
        )

    for answers in loop.run(use()):
        assert sum(math.exp(answer.sum) for answer in answers) == pytest.approx(1, abs=1e-2)


def test_llama_cpp_agrees(backend: VllmBackend, loop: BackgroundLoop, tiny_gguf: Path) -> None:
    """The same bfloat16 weights; llama.cpp rounds activations too, hence the tolerance."""
    pytest.importorskip("xllamacpp", reason="needs xllamacpp")
    from pytest_modeleval.models.llamacpp import LlamaCppBackend

    async def ask(engine: Any) -> tuple[list[str], list[list[Any]]]:
        replies = await asyncio.gather(*(engine.generate(completion(each)) for each in SUMS))
        scores = await asyncio.gather(
            *(engine.loglikelihood(each, ["42", "100", "9", "2"]) for each in SUMS)
        )
        return [reply.text for reply in replies], scores

    other = LlamaCppBackend(str(tiny_gguf), n_ctx=512)
    loop.run(other.start())
    other_texts, other_scores = loop.run(ask(other))
    loop.run(other.aclose())
    texts, scores = loop.run(ask(backend))

    assert texts == other_texts
    for one, two in zip(scores, other_scores, strict=True):
        for mine, theirs in zip(one, two, strict=True):
            assert (mine.tokens, mine.is_greedy) == (theirs.tokens, theirs.is_greedy)
            assert mine.sum == pytest.approx(theirs.sum, rel=0.02, abs=0.02)


def test_a_prompt_that_is_too_long_is_refused_with_its_length(
    backend: VllmBackend, loop: BackgroundLoop
) -> None:
    with pytest.raises(RequestError, match=r"maximum context length is 256 .* 2\d\d input tokens"):
        loop.run(backend.generate(completion("1" * 600)))
    with pytest.raises(RequestError, match="maximum context length is 256"):
        loop.run(backend.loglikelihood("1" * 254, ["1234"]))


def test_an_unknown_sampling_parameter_is_refused(
    backend: VllmBackend, loop: BackgroundLoop
) -> None:
    with pytest.raises(RequestError, match="tmperature"):
        loop.run(backend.generate(completion("1", extra={"tmperature": 3})))


def test_a_chat_goes_through_the_template(backend: VllmBackend, loop: BackgroundLoop) -> None:
    request = Request(Sampling(max_tokens=8), messages=(Message("user", "1+1="),))

    assert backend.capabilities.chat
    reply = loop.run(backend.generate(request))
    assert reply.usage.prompt_tokens == len("1+1=")


def test_cancelling_aborts_the_request(backend: VllmBackend, loop: BackgroundLoop) -> None:
    async def use() -> int:
        long = completion("1", max_tokens=240, extra={"ignore_eos": True})
        tasks = [asyncio.create_task(backend.generate(long)) for _ in range(8)]
        while backend._engine.get_num_unfinished_requests() < 8:
            await asyncio.sleep(0.001)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert all(task.cancelled() for task in tasks)
        return int(backend._engine.get_num_unfinished_requests())

    assert loop.run(use()) == 0


def test_the_identity_proves_the_weights(backend: VllmBackend) -> None:
    identity = backend.identity
    assert identity.revision is not None and identity.revision.startswith("sha256:")
    assert identity.backend_version
    assert identity.details["dtype"] == "float32"


def start(path: Path | str, **arguments: Any) -> None:
    asyncio.run(VllmBackend(str(path), **arguments).start())


def test_a_path_that_is_no_model(tmp_path: Path, tiny_checkpoint: Path) -> None:
    (tmp_path / "config.json").write_text("{}")

    with pytest.raises(ModelError, match=r"\./nowhere does not exist"):
        start("./nowhere")
    with pytest.raises(
        ModelError, match=r"is no checkpoint: expected a folder with a config\.json"
    ):
        start(tiny_checkpoint / "config.json")
    with pytest.raises(ModelError, match="vllm: "):
        start(tmp_path, **SMALL)
    with pytest.raises(ModelError, match="vllm: nobody/nothing: "):
        start("nobody/nothing", **SMALL)


def test_an_argument_that_the_engine_does_not_know(tiny_checkpoint: Path) -> None:
    with pytest.raises(UsageError, match="unknown argument 'max_modl_len': did you mean max_model"):
        start(tiny_checkpoint, max_modl_len=5)
    with pytest.raises(ModelError, match="vllm: "):
        start(tiny_checkpoint, max_model_len="many")


def test_a_missing_package(tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "vllm"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(ModelError, match=r"pip install 'pytest-modeleval\[vllm\]'"):
        start(tiny_checkpoint)


ONE_TEST = """
import asyncio
import os
from pathlib import Path
from pytest_modeleval.models.protocol import Request, Sampling
from pytest_modeleval.models.vllm import VllmBackend

LONG = Request(Sampling(max_tokens=240, extra={{"ignore_eos": True}}), prompt="1")

def descendants():
    children = {{}}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().rpartition(")")
            command = (stat.parent / "cmdline").read_text()
        except OSError:
            continue
        state, parent = rest.split()[:2]
        if state != "Z" and "resource_tracker" not in command:
            children.setdefault(int(parent), []).append(int(stat.parent.name))
    found, new = [], [os.getpid()]
    while new:
        new = [child for parent in new for child in children.get(parent, ())]
        found += new
    return found

async def main():
    backend = VllmBackend({path!r}, **{arguments!r})
    await backend.start()
    await backend.start()
    running = asyncio.create_task(backend.generate(LONG))
    reply = await backend.generate(Request(Sampling(max_tokens=8), prompt="12+30="))
    engine = descendants()
    await backend.aclose()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return reply.text, engine

def test_one():
    text, engine = asyncio.run(main())
    assert text == "42"
    assert engine
    assert not [pid for pid in engine if Path(f"/proc/{{pid}}").exists()]
"""


@pytest.mark.parametrize(
    "command", [[sys.executable, "-m", "pytest"], [str(Path(sys.executable).with_name("pytest"))]]
)
def test_it_starts_under_pytest_and_ends_without_leaving_a_process(
    command: list[str], tiny_checkpoint: Path, tmp_path: Path
) -> None:
    file = tmp_path / "test_one.py"
    file.write_text(ONE_TEST.format(path=str(tiny_checkpoint), arguments=SMALL))

    result = subprocess.run(
        [*command, "-q", "-p", "no:cacheprovider", str(file)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert result.returncode == 0, result.stdout + result.stderr


ENDLESS = """
import asyncio
from pathlib import Path
from pytest_modeleval import benchmark

@benchmark([{"id": "one", "input": "1+1="}])
async def test_one(sample, model):
    await model.complete(sample.input, max_tokens=8)
    Path("answered").touch()
    await asyncio.Event().wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux ties processes together")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_its_processes_end_with_the_one_that_is_killed(
    how: signal.Signals, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    (tmp_path / "test_one.py").write_text(ENDLESS)
    arguments = [f"--model-arg={name}={json.dumps(value)}" for name, value in SMALL.items()]
    owner = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_one.py",
         f"--model=vllm:{tiny_checkpoint}", *arguments],
        cwd=tmp_path, start_new_session=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until(lambda: (tmp_path / "answered").exists() or owner.poll() is not None)
        assert len(of_session(owner.pid)) > 2
        owner.send_signal(how)
        assert owner.wait() == -how
        until(lambda: not of_session(owner.pid))
    finally:
        for pid in of_session(owner.pid):
            os.kill(pid, signal.SIGKILL)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def of_session(leader: int) -> list[int]:
    """The processes of a session that live."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, _, session = stat.read_text().rpartition(")")[2].split()[:4]
            if int(session) == leader and state != "Z":
                found.append(int(stat.parent.name))
    return found
