"""QASC (Khot et al. 2020): questions of grade-school science, each with eight choices.

Two ways to ask the same: which choice the model finds likeliest, which suits one that only
continues a text, and which letter it names.

pytest --model=llamacpp:FILE --modeleval-data=DIR benchmarks/multiple_choice
"""

from pytest_modeleval import benchmark
from pytest_modeleval.scorers import choice_letter


@benchmark("qasc", gates=["better-than-chance: lower(accuracy) > 0.125"])
async def test_qasc_by_likelihood(sample, model):
    choice = await model.choose(
        f"Question: {sample.input}\nAnswer:",
        [f" {text}" for text in sample.choices],
        normalize="characters",  # long choices are less likely for their length alone
    )
    assert sample.metadata["labels"][choice.index] == sample.target


@benchmark("qasc", gates=["accuracy >= 0.6"])
async def test_qasc_by_letter(sample, model):
    letters = sample.metadata["labels"]
    choices = [f"({letter}) {text}" for letter, text in zip(letters, sample.choices)]
    question = "\n".join([sample.input, *choices])
    reply = await model.chat(f"{question}\n\nEnd with a line such as: Answer: (A)")
    assert choice_letter(reply.text, letters) == sample.target
