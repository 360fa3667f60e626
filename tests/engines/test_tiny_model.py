"""The model that ships: every engine reads it alike, and it is as good as its README says."""

from __future__ import annotations

import itertools
import json
import math
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "tiny_model"
CHECKPOINT = EXAMPLE / "checkpoint"
GGUF = ROOT / "pytest_modeleval" / "tiny" / "tiny.gguf"

LONGEST = 8  # tokens: more than any of the answers and its end
# Nats. llama.cpp keeps its cache of keys and values in float16, the other two compute in float32:
# measured 0.012 between them, and 0.00001 between the two.
TOLERANCE = 0.03
# Some replies hang by less than that, so on another processor they may fall the other way.
CLOSE_CALLS = 4

HOSTILE = [
    "",
    " ",
    "  a  b ",
    "a\n\nb\n",
    "a\tb\r\n",
    "é",
    "éé漢 x",
    "\x00a",
    "▁",
    "<eos>",
    "x<bos>y",
    "< eos>",
    "1" * 300,
    "".join(map(chr, range(32, 127))),
]


class Reply(NamedTuple):
    """A greedy reply: its text, the log-probability of each of its tokens, how it ended."""

    text: str
    logprobs: list[float]
    finish_reason: str


def load(name: str) -> ModuleType:
    """A module of the example, which is not a package."""
    spec = spec_from_file_location(f"tiny_model_{name}", EXAMPLE / f"{name}.py")
    assert spec and spec.loader
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


arithmetic = load("arithmetic")
PROMPTS = [p.prompt for n in (1, 2, 3, 4) for p in arithmetic.evaluation_problems(n, 50)]


# -- the three engines ---------------------------------------------------------------------


class LlamaCpp:
    """The packaged GGUF file in llama.cpp."""

    def __init__(self) -> None:
        xllamacpp = pytest.importorskip(
            "xllamacpp", reason="llama.cpp (xllamacpp) is not installed"
        )
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(GGUF)
        parameters.n_parallel = 4
        parameters.n_ctx = 4 * 512
        parameters.cache_prompt = False
        parameters.verbosity = -1
        # Threads that wait for each other, each on a core that another run of the tests has taken,
        # compute next to nothing.
        parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
        self._server = xllamacpp.Server(parameters)

    def complete(self, prompts: list[str]) -> list[Reply]:
        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(self._complete, prompts))

    def tokenize(self, text: str) -> list[int]:
        request = urllib.request.Request(
            self._server.listening_address + "/tokenize",
            json.dumps({"content": text, "add_special": True}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            tokens: list[int] = json.load(response)["tokens"]
        return tokens

    def _complete(self, prompt: str) -> Reply:
        body = {"prompt": prompt, "max_tokens": LONGEST, "temperature": 0, "logprobs": 1}
        reply = self._server.handle_completions(body)
        (choice,) = reply["choices"]
        logprobs = [token["logprob"] for token in choice["logprobs"]["content"]]
        return Reply(choice["text"], logprobs, choice["finish_reason"])


@pytest.fixture(scope="module")
def llamacpp() -> LlamaCpp:
    return LlamaCpp()


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    return transformers.AutoTokenizer.from_pretrained(CHECKPOINT)


@pytest.fixture(scope="module")
def llamacpp_replies(llamacpp: LlamaCpp) -> list[Reply]:
    return llamacpp.complete(PROMPTS)


@pytest.fixture(scope="module")
def transformers_replies(tokenizer: Any) -> list[Reply]:
    """The checkpoint in transformers, one prompt at a time: the plainest way, for reference."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    transformers = pytest.importorskip("transformers")
    model = transformers.AutoModelForCausalLM.from_pretrained(CHECKPOINT, dtype=torch.float32)

    def complete(prompt: str) -> Reply:
        inputs = tokenizer(prompt, return_tensors="pt")
        output = model.generate(
            **inputs,
            max_new_tokens=LONGEST,
            do_sample=False,
            output_logits=True,
            return_dict_in_generate=True,
        )
        tokens = output.sequences[0, inputs["input_ids"].shape[1] :]
        logprobs = [
            logits[0].log_softmax(-1)[token].item()
            for logits, token in zip(output.logits, tokens, strict=True)
        ]
        ended = tokens[-1] == tokenizer.eos_token_id
        text = tokenizer.decode(tokens, skip_special_tokens=True)
        return Reply(text, logprobs, "stop" if ended else "length")

    return [complete(prompt) for prompt in PROMPTS]


VLLM_SCRIPT = """
import json, sys
from vllm import LLM, SamplingParams

if __name__ == "__main__":
    task = json.load(sys.stdin)
    llm = LLM(
        task["checkpoint"], dtype="float32", max_model_len=512, enforce_eager=True,
        gpu_memory_utilization=0.3,
    )
    greedy = SamplingParams(temperature=0, max_tokens=task["longest"], logprobs=0)
    replies = []
    for output in llm.generate(task["prompts"], greedy, use_tqdm=False):
        (reply,) = output.outputs
        chosen = [step[token].logprob for token, step in zip(reply.token_ids, reply.logprobs)]
        replies.append((reply.text, chosen, reply.finish_reason))
    with open(sys.argv[1], "w") as out:
        json.dump(replies, out)
"""


@pytest.fixture(scope="module")
def vllm_replies(tmp_path_factory: pytest.TempPathFactory) -> list[Reply]:
    """The checkpoint in vLLM, in a process of its own: it wants to be imported first and alone."""
    if not find_spec("vllm"):
        pytest.skip("vLLM is not installed")
    folder = tmp_path_factory.mktemp("vllm")
    script, out = folder / "complete.py", folder / "replies.json"
    script.write_text(VLLM_SCRIPT, encoding="utf-8")
    task = {"checkpoint": str(CHECKPOINT), "prompts": PROMPTS, "longest": LONGEST}
    settings = {
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "TORCH_COMPILE_DISABLE": "1",
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
    }
    done = subprocess.run(
        [sys.executable, str(script), str(out)],
        input=json.dumps(task),
        env=os.environ | settings,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return [Reply(*reply) for reply in json.loads(out.read_text(encoding="utf-8"))]


# -- they agree ----------------------------------------------------------------------------

ENGINES = ["transformers", "llamacpp", "vllm"]


@pytest.mark.parametrize(("one", "other"), [*itertools.combinations(ENGINES, 2)])
def test_engines_agree_on_greedy_replies_and_their_probabilities(
    one: str, other: str, request: pytest.FixtureRequest
) -> None:
    ones = request.getfixturevalue(f"{one}_replies")
    others = request.getfixturevalue(f"{other}_replies")
    for prompt, a, b in zip(PROMPTS, ones, others, strict=True):
        # Up to where they part, and there too: a token is a character, and the last one is the end.
        alike = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(a.text, b.text))
        tokens = len(list(alike)) + 1
        assert a.logprobs[:tokens] == pytest.approx(b.logprobs[:tokens], abs=TOLERANCE), prompt
        assert a.finish_reason == b.finish_reason, prompt
    differ = [p for p, a, b in zip(PROMPTS, ones, others, strict=True) if a.text != b.text]
    assert len(differ) <= CLOSE_CALLS, differ


@pytest.mark.parametrize("text", HOSTILE + PROMPTS[::20])
def test_llamacpp_and_transformers_agree_token_for_token(
    text: str, llamacpp: LlamaCpp, tokenizer: Any
) -> None:
    assert llamacpp.tokenize(text) == tokenizer.encode(text)


def test_gguf_file_holds_the_weights_of_the_checkpoint() -> None:
    gguf = pytest.importorskip("gguf", reason="gguf is not installed")
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    checkpoint = load("convert_to_gguf").read_weights(CHECKPOINT)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 2)
    packaged = {t.name: t for t in gguf.GGUFReader(GGUF).tensors}
    assert len(packaged) == len(checkpoint) == 20
    for name, expected in checkpoint.items():
        tensor = packaged[names.get_name(name, try_suffixes=(".weight",))]
        found = gguf.dequantize(tensor.data, tensor.tensor_type)
        if "q_proj" in name or "k_proj" in name:
            # llama.cpp wants the two halves of each head interleaved: take them apart.
            found = found.reshape(2, 16, 2, 64).transpose(0, 2, 1, 3).reshape(64, 64)
        # Only a number too small to matter has bits in bf16 that float16 has not.
        assert abs(found - expected).max() <= 2**-24, name


# -- and it is what the README says --------------------------------------------------------


def readme_accuracies() -> Iterator[tuple[int, float]]:
    """Digits and exact match, from the README's table."""
    text = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    for digits, accuracy in re.findall(r"^\| (\d) digits? \| ([\d.]+) \|", text, re.MULTILINE):
        yield int(digits), float(accuracy)


def test_readme_tells_the_accuracy_of_four_lengths() -> None:
    assert [digits for digits, _ in readme_accuracies()] == [1, 2, 3, 4]


@pytest.mark.parametrize(("digits", "expected"), [*readme_accuracies()])
def test_accuracy_is_what_the_readme_says(digits: int, expected: float, llamacpp: LlamaCpp) -> None:
    problems = arithmetic.evaluation_problems(digits)
    replies = llamacpp.complete([p.prompt for p in problems])
    right = sum(r.text == p.answer for p, r in zip(problems, replies, strict=True))
    # The same problems as the README's: only rounding may turn a reply.
    assert right / len(problems) == pytest.approx(expected, abs=0.01)


def test_it_ends_its_answer_by_itself(llamacpp_replies: list[Reply]) -> None:
    assert {r.finish_reason for r in llamacpp_replies} == {"stop"}


def test_it_is_sure_where_it_is_right(llamacpp_replies: list[Reply]) -> None:
    sure = [math.exp(sum(r.logprobs)) for r in llamacpp_replies]
    two_digits, four_digits = sure[50:100], sure[150:200]
    assert min(two_digits) > 0.5
    assert max(four_digits) < 0.9


def test_it_has_no_chat_template(tokenizer: Any) -> None:
    gguf = pytest.importorskip("gguf", reason="gguf is not installed")
    assert tokenizer.chat_template is None
    assert gguf.GGUFReader(GGUF).get_field("tokenizer.chat_template") is None
