"""SQuAD 1.1 (Rajpurkar et al. 2016): questions whose answers stand in a passage.

A sample is right where its answer matches exactly; F1 tells how much of it was found. Questions
on one passage are not independent, so they form a cluster.

pytest --model=openai:NAME --modeleval-data=DIR benchmarks/squad
"""

from pytest_modeleval import benchmark, score
from pytest_modeleval.scorers import exact_match, f1

PROMPT = """\
{passage}

Question: {question}
Reply with the answer alone, copied from the passage, as few words as possible."""


@benchmark("squad", cluster="context", gates=["exact_match >= 0.6", "f1 >= 0.75"])
async def test_squad(sample, model):
    prompt = PROMPT.format(passage=sample.metadata["context"], question=sample.input)
    reply = await model.chat(prompt, max_tokens=64)
    score("f1", f1(reply.text, sample.target))
    assert score("exact_match", exact_match(reply.text, sample.target, normalize="squad"))
