"""Tokens per second of a run with `vllm:`, over vLLM's own `LLM.generate` on the same prompts.

    python benches/engine.py --python PY [--samples 1000] [--rounds 3]

PY has vLLM, transformers and the plugin. The model is a Llama with random weights, made here.
Starting the engine is left out on both sides.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

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

ARGUMENTS = {"enforce_eager": True, "dtype": "bfloat16", "max_model_len": 512}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--samples", type=int, default=1_000)
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, prompts = folder / "model", folder / "prompts.json"
        size = [str(options.hidden), str(options.layers)]
        _run([options.python, "-c", MAKE_MODEL, str(model), str(TOKENIZER), *size])
        prompts.write_text(json.dumps(_prompts(options.samples)))
        generate = folder / "generate.py"  # vLLM's processes import the script again
        generate.write_text(GENERATE)

        def offline() -> float:
            arguments = [str(model), json.dumps(ARGUMENTS), str(prompts)]
            said = _run([options.python, str(generate), *arguments])
            return float(json.loads(said.splitlines()[-1]))

        def run() -> float:
            said = [f"--model-arg={key}={json.dumps(value)}" for key, value in ARGUMENTS.items()]
            _run(
                [
                    *(options.python, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
                    *("--rootdir", name, "--modeleval-out", f"{name}/out", f"--model=vllm:{model}"),
                    *(*said, str(SUITES / "completions.py")),
                ],
                BENCH_PROMPTS=str(prompts),
            )
            results = json.loads((folder / "out/results.json").read_text())
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
