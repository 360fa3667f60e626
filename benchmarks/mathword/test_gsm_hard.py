"""GSM-Hard (Gao et al. 2022): the problems of GSM8K with numbers that nobody has at hand.

pytest --model=openai:NAME --modeleval-data=DIR benchmarks/mathword
"""

from pytest_modeleval import benchmark
from pytest_modeleval.scorers import last_number

PROMPT = """\
{question}

Work it out step by step. End with a line that holds the answer alone, as one number."""


@benchmark("gsm-hard", gates=["accuracy >= 0.5"])
async def test_gsm_hard(sample, model):
    reply = await model.chat(PROMPT.format(question=sample.input))
    assert last_number(reply.text) == sample.target
