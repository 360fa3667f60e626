"""MATH (Hendrycks et al. 2021): problems of competitions, each with its answer in a box.

Two parts: the 721 of the highest level whose answer is a whole number, and the 500 that Lightman
et al. (2023) drew from all levels.

pytest --model=openai:NAME --modeleval-data=DIR benchmarks/math
"""

from pytest_modeleval import benchmark
from pytest_modeleval.scorers import boxed, same_formula

PROMPT = """\
{problem}

Work it out step by step. End with the answer alone in \\boxed{{}}."""


async def solve(sample, model):
    reply = await model.chat(PROMPT.format(problem=sample.input), max_tokens=4096)
    return boxed(reply.text)


@benchmark("math-l5", gates=["accuracy >= 0.5"], needs=["chat"])
async def test_math_level_5(sample, model):
    answer = await solve(sample, model)
    assert answer is not None and same_formula(answer, sample.target)


@benchmark("math-500", gates=["accuracy >= 0.6"], needs=["chat"])
async def test_math_500(sample, model):
    answer = await solve(sample, model)
    assert answer is not None and same_formula(answer, sample.target)
