"""MGSM (Shi et al. 2022): 250 problems of GSM8K in eleven languages.

The instruction is in English, the problem in its language. The same problem in eleven languages
is no eleven independent questions, so a problem is a cluster.

pytest --model=openai:NAME --modeleval-data=DIR benchmarks/mgsm
"""

from pytest_modeleval import benchmark
from pytest_modeleval.scorers import last_number, stated_answer

PROMPT = """\
{problem}

Work it out step by step, in the language of the problem. End with a line "Answer: N" in English,
where N is the number alone, in digits 0-9 without separators."""


@benchmark(
    "mgsm",
    cluster="problem",
    gates=[
        "accuracy >= 0.6",
        'english: accuracy[language == "en"] >= 0.75',
        'swahili: accuracy[language == "sw"] >= 0.4',
    ],
)
async def test_mgsm(sample, model):
    reply = await model.chat(PROMPT.format(problem=sample.input))
    assert last_number(stated_answer(reply.text) or reply.text) == sample.target
