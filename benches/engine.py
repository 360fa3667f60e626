"""Tokens per second of a run with `vllm:`, over vLLM's own `LLM.generate` on the same prompts.

    python benches/engine.py --python PY [--samples 1000] [--rounds 3]          # on the CPU
    python benches/engine.py --python PY --gpu [--samples 5000] [--rounds 3]    # 1.3e9 parameters
    python benches/engine.py --python PY --gpu --share                          # two workers on it

PY has vLLM, transformers and the plugin. The model is a Llama with random weights, made here.
Starting the engine is left out on both sides. `--share` is a check and no measurement: two workers
of pytest-xdist with less than half of one GPU's memory each must start, each on that GPU, and
answer every prompt.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from harness import SUITES, alternating, table

TOKENIZER = Path(__file__).parent.parent / "examples/tiny_model/checkpoint"

ENVIRONMENT = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "TORCH_COMPILE_DISABLE": "1",
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
}

MAKE_MODEL = """
import sys, torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM
folder, tokenizer, hidden, layers = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
torch.manual_seed(0)
tokens = AutoTokenizer.from_pretrained(tokenizer)
config = LlamaConfig(
    vocab_size=len(tokens), hidden_size=hidden, num_hidden_layers=layers,
    intermediate_size=3 * hidden, num_attention_heads=hidden // 64,
    num_key_value_heads=hidden // 64, max_position_embeddings=512,
    bos_token_id=tokens.bos_token_id, eos_token_id=tokens.eos_token_id,
)
LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
tokens.save_pretrained(folder)
"""

GENERATE = """
import json, sys, time
if __name__ == "__main__":
    from vllm import LLM, SamplingParams
    model, arguments, prompts = sys.argv[1], json.loads(sys.argv[2]), json.load(open(sys.argv[3]))
    engine = LLM(model, max_num_seqs=256, **arguments)
    sampling = SamplingParams(temperature=0.0, max_tokens=64, ignore_eos=True)
    started = time.perf_counter()
    outputs = engine.generate(prompts, sampling, use_tqdm=False)
    seconds = time.perf_counter() - started
    tokens = sum(len(output.outputs[0].token_ids) for output in outputs)
    print(json.dumps(tokens / seconds))
"""

ON_CPU = {"enforce_eager": True, "dtype": "bfloat16", "max_model_len": 512}
ON_GPU = {"dtype": "bfloat16", "max_model_len": 512}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--gpu", action="store_true", help="a model of 1.3e9 parameters on a GPU")
    parser.add_argument("--share", action="store_true", help="two workers on one GPU, as a check")
    parser.add_argument("--samples", type=int)
    parser.add_argument("--hidden", type=int)
    parser.add_argument("--layers", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if options.gpu and not _has_gpu():
        raise SystemExit("skipped: nvidia-smi lists no GPU on this machine; leave out --gpu")
    arguments = ON_GPU if options.gpu else ON_CPU
    options.samples = options.samples or (5_000 if options.gpu else 1_000)
    options.hidden = options.hidden or (2048 if options.gpu else 512)
    options.layers = options.layers or (24 if options.gpu else 6)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, prompts = folder / "model", folder / "prompts.json"
        size = [str(options.hidden), str(options.layers)]
        _run([options.python, "-c", MAKE_MODEL, str(model), str(TOKENIZER), *size])
        prompts.write_text(json.dumps(_prompts(options.samples)))
        if options.share:
            print(_share(options.python, folder, arguments, options.samples))
            return
        generate = folder / "generate.py"  # vLLM's processes import the script again
        generate.write_text(GENERATE)

        def offline() -> float:
            said = _run(
                [options.python, str(generate), str(model), json.dumps(arguments), str(prompts)]
            )
            return float(json.loads(said.splitlines()[-1]))

        def run() -> float:
            results = _evaluate(options.python, folder, arguments)
            return float(results["benchmarks"][0]["timing"]["tokens_per_s"])

        medians, values = alternating(
            options.rounds, {"LLM.generate": offline, "pytest-modeleval": run}
        )
    rows = [
        [
            each,
            f"{value:.0f}",
            f"{min(values[each]):.0f}-{max(values[each]):.0f}",
            f"{value / medians['LLM.generate']:.2f}",
        ]
        for each, value in medians.items()
    ]
    print(table(["", "tokens/s", "range", "of LLM.generate"], rows))


def _evaluate(
    python: str, folder: Path, arguments: dict[str, Any], *more: str, **environment: str
) -> Any:
    """The results of a run of ours over the prompts."""
    said = [f"--model-arg={key}={json.dumps(value)}" for key, value in arguments.items()]
    _run(
        [
            *(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder)),
            *("--modeleval-out", f"{folder}/out", "--modeleval-cache=off"),
            *(f"--model=vllm:{folder}/model", *said, *more, str(SUITES / "completions.py")),
        ],
        BENCH_PROMPTS=f"{folder}/prompts.json",
        **environment,
    )
    return json.loads((folder / "out/results.json").read_text())


def _share(python: str, folder: Path, arguments: dict[str, Any], count: int) -> str:
    arguments = {**arguments, "gpu_memory_utilization": 0.4}
    results = _evaluate(python, folder, arguments, "-n2", CUDA_VISIBLE_DEVICES="0,0")
    pinned, samples = results["environment"]["gpus"], results["benchmarks"][0]["samples"]
    if pinned != {"gw0": "0", "gw1": "0"} or samples["right"] != count:
        raise SystemExit(f"two workers do not share a GPU: {pinned}, {samples}")
    return f"two workers on GPU 0, {count} prompts answered"


def _has_gpu() -> bool:
    program = shutil.which("nvidia-smi")
    if program is None:
        return False
    listed = subprocess.run([program, "--list-gpus"], capture_output=True, text=True)
    return listed.returncode == 0 and "GPU 0" in listed.stdout


def _prompts(count: int) -> list[str]:
    chance = random.Random(0)
    return [
        "+".join(str(chance.randrange(1000)) for _ in range(chance.randrange(4, 24))) + "="
        for _ in range(count)
    ]


def _run(command: list[str], **environment: str) -> str:
    done = subprocess.run(
        command,
        env={**os.environ, **ENVIRONMENT, **environment},
        cwd=tempfile.gettempdir(),
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise SystemExit(f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}\n{command} failed")
    return done.stdout


if __name__ == "__main__":
    main()
