"""GSM8K (Cobbe et al. 2021): 1319 word problems of grade school, each with a number for an answer.

pytest --model=openai:NAME --modeleval-data=DIR benchmarks/gsm8k
"""

from pytest_modeleval import benchmark
from pytest_modeleval.scorers import last_number

PROMPT = """\
{question}

Work it out step by step. End with a line that holds the answer alone, as one number."""


@benchmark("gsm8k", gates=["accuracy >= 0.75", "p95(latency_s) <= 30"])
async def test_gsm8k(sample, model):
    reply = await model.chat(PROMPT.format(question=sample.input))
    assert last_number(reply.text) == sample.target
