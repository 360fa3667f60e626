"""The prompts of the engine's bench: what matters is the number of tokens, not what they say."""

import json
import os

from pytest_modeleval import benchmark

with open(os.environ["BENCH_PROMPTS"], encoding="utf-8") as file:
    PROMPTS = json.load(file)


@benchmark([{"input": prompt, "target": ""} for prompt in PROMPTS])
async def test_completions(sample, model):
    reply = await model.complete(sample.input, max_tokens=64, extra={"ignore_eos": True})
    assert reply.text
