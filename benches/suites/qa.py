"""The benchmark that is measured: 300-token questions, the number behind the last `####`."""

import os

from pytest_modeleval import benchmark


@benchmark(os.environ["BENCH_DATA"], gates=["accuracy >= 0.5"])
async def test_qa(sample, model):
    reply = await model.chat(sample.input, max_tokens=256)
    assert reply.text.rsplit("#### ", 1)[-1] == sample.target
