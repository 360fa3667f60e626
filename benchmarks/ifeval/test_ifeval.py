"""IFEval (Zhou et al. 2023): 541 prompts with 834 instructions that a program can check.

The four accuracies of the paper: of prompts, all of whose instructions are followed, and of
instructions; strictly, and loosely (without a first or last line, without asterisks).

pytest --model=openai:NAME --modeleval-data=DIR benchmarks/ifeval
"""

from pytest_modeleval import CorpusMetric, benchmark, record_value, score
from pytest_modeleval.scorers import follows

OF_INSTRUCTIONS = CorpusMetric(
    ("instruction_strict", "instruction_loose"),
    "pytest_modeleval.scorers.instructions:instruction_accuracies",
)


@benchmark(
    "ifeval",
    corpus_metrics=[OF_INSTRUCTIONS],
    gates=["prompt_strict >= 0.6", "instruction_strict >= 0.7"],
)
async def test_ifeval(sample, model):
    reply = await model.chat(sample.input, max_tokens=2048)
    told = sample.metadata["instructions"], sample.metadata["arguments"]
    strict, loose = follows(reply.text, *told), follows(reply.text, *told, loose=True)
    record_value("instruction_strict", strict)
    record_value("instruction_loose", loose)
    score("prompt_loose", all(loose))
    assert score("prompt_strict", all(strict))
