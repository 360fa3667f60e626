"""IFEval (Zhou et al. 2023): 541 prompts with 834 instructions that a program can check.

The four accuracies of the paper: of prompts, all of whose instructions are followed, and of
instructions; strictly, and loosely (without a first or last line, without asterisks).

pytest --model=openai:NAME --modeleval-data=DIR benchmarks/ifeval
"""

from pytest_modeleval import benchmark, score
from pytest_modeleval.scorers import follows

# A score is a mean over prompts; divided by this, it is the paper's share of all instructions.
INSTRUCTIONS_PER_PROMPT = 834 / 541


@benchmark("ifeval", gates=["prompt_strict >= 0.6", "instruction_strict >= 0.7"])
async def test_ifeval(sample, model):
    reply = await model.chat(sample.input, max_tokens=2048)
    told = sample.metadata["instructions"], sample.metadata["arguments"]
    strict, loose = follows(reply.text, *told), follows(reply.text, *told, loose=True)
    score("prompt_loose", all(loose))
    score("instruction_strict", sum(strict) / INSTRUCTIONS_PER_PROMPT)
    score("instruction_loose", sum(loose) / INSTRUCTIONS_PER_PROMPT)
    assert score("prompt_strict", all(strict))
