"""A benchmark of your own: each line of questions.jsonl is a sample, and each sample a test.

Put your questions in place of these; a field besides "question" and "answer" is there to slice by.
"""

from pytest_modeleval import benchmark
from pytest_modeleval.scorers import last_number  # or exact_match, choice_letter, f1, regex, …


@benchmark(
    "questions.jsonl",  # beside this file; .csv, .parquet and "hf:org/name[split]" work as well
    gates=[  # what must hold, or the run fails
        "accuracy >= 0.6",
        'easy: accuracy[level == "easy"] >= 0.9',
        "p95(latency_s) <= 30",
    ],
)
async def test_questions(sample, model):
    if model.capabilities.chat:
        reply = await model.chat(f"{sample.input}\nEnd with the answer.")
    else:  # a model without a chat template, such as tiny, continues a text
        reply = await model.complete(sample.input, max_tokens=16)
    assert last_number(reply.text) == sample.target  # where this fails, the sample is wrong
