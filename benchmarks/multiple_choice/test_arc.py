"""ARC (Clark et al. 2018), the challenge: 1172 questions of grade-school science.

pytest --model=openai:NAME --modeleval-data=DIR benchmarks/multiple_choice/test_arc.py
"""

from pytest_modeleval import benchmark
from pytest_modeleval.scorers import choice_letter


def solved(each):
    right = each.choices[each.metadata["labels"].index(each.target)]
    return f"Question: {each.input}\nAnswer: {right}"


@benchmark("arc-challenge", few_shot=25, gates=["accuracy >= 0.4"])
async def test_arc_by_likelihood(sample, model):
    examples = [solved(each) for each in sample.few_shot]
    choice = await model.choose(
        "\n\n".join([*examples, f"Question: {sample.input}\nAnswer:"]),
        [f" {text}" for text in sample.choices],
        normalize="characters",
    )
    assert sample.metadata["labels"][choice.index] == sample.target


@benchmark("arc-challenge", gates=["accuracy >= 0.6"])
async def test_arc_by_letter(sample, model):
    letters = sample.metadata["labels"]
    choices = [f"({letter}) {text}" for letter, text in zip(letters, sample.choices)]
    question = "\n".join([sample.input, *choices])
    reply = await model.chat(f"{question}\n\nEnd with a line such as: Answer: ({letters[0]})")
    assert choice_letter(reply.text, letters) == sample.target
