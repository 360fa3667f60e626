"""BIG-Bench Hard (Suzgun et al. 2022): 6511 problems of 27 tasks, with worked examples before each.

Examples and their reasoning are the authors', from cot-prompts/ of their repository in the data
folder. The hub does not have them: there the model is asked without examples (shots is 0).

pytest --model=openai:NAME --modeleval-data=DIR benchmarks/bbh
"""

from pytest_modeleval import benchmark
from pytest_modeleval.scorers import choice_letter, stated_answer

LETTERS = "ABCDEFGHIJKLMNOPQR"
WITHOUT_EXAMPLES = 'End with a sentence such as "So the answer is Yes." or "So the answer is (B)."'


def question(each):
    return f"Q: {each.input}\nA: "


@benchmark(
    "bbh",
    gates=["accuracy >= 0.6", 'object-counting: accuracy[task == "object_counting"] >= 0.6'],
)
async def test_bbh(sample, model):
    about = sample.metadata["description"] or WITHOUT_EXAMPLES
    examples = [question(each) + each.target for each in sample.few_shot]
    prompt = "\n\n".join([about, *examples, question(sample) + "Let's think step by step."])
    if model.capabilities.chat:
        reply = await model.chat(prompt)
    else:  # a model that only continues a text
        reply = await model.complete(prompt + "\n", stop="\n\nQ:")
    if sample.target.startswith("("):
        assert choice_letter(reply.text, LETTERS) == sample.target.strip("()")
    else:
        assert (stated_answer(reply.text) or "").lower() == sample.target.lower()
