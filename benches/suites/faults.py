"""The benchmark that is run against a server with faults."""

import os

from pytest_modeleval import benchmark


@benchmark([{"input": f"question {n}"} for n in range(int(os.environ["BENCH_SAMPLES"]))])
async def test_faults(sample, model):
    reply = await model.chat(sample.input)
    assert reply.text.startswith("yes")
