"""Can the model add? Sums from a seeded generator, so there is no file to fetch.

pytest --model=tiny benchmarks/quickstart
"""

import random

from pytest_modeleval import benchmark
from pytest_modeleval.scorers import last_number


def sums():
    """600 different sums of numbers with one to three digits, the same on every machine."""
    rng = random.Random("quickstart")
    seen = set()
    while len(seen) < 600:
        digits = rng.choice((1, 2, 2, 2, 3))
        least, most = 10 ** (digits - 1), 10**digits - 1
        a, b = rng.randint(least, most), rng.randint(least, most)
        if (a, b) not in seen:
            seen.add((a, b))
            yield {"id": f"{a}+{b}", "input": f"{a}+{b}", "target": str(a + b), "digits": digits}


@benchmark(
    sums,
    gates=[
        "accuracy >= 0.75",
        "two-digits: accuracy[digits == 2] >= 0.95",
        "p95(latency_s) <= 5",
    ],
)
async def test_arithmetic(sample, model):
    if model.capabilities.chat:
        reply = await model.chat(f"What is {sample.input}? Reply with the number only.")
    else:  # a model that only continues a text
        reply = await model.complete(f"{sample.input}=", max_tokens=8, stop="\n")
    assert last_number(reply.text) == sample.target
