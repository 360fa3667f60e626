"""CRUXEval (Gu et al. 2024): what does this function return? 800 short programs, ten tries each.

The answer is a literal, which is compared with the recorded output. Nothing is run: neither the
program nor what the model writes.

pytest --model=openai:NAME --modeleval-data=DIR benchmarks/cruxeval
"""

from pytest_modeleval import benchmark
from pytest_modeleval.scorers import regex, same_literal

PROMPT = """\
```python
{code}
```

What does {call} return? Reply with the value alone, as a Python literal."""


def answer(text, call):
    """The reply without a code block, or an "f(…) ==", around it."""
    text = regex(text, r"(?s)```(?:python)?\n(.*?)```", index=-1) or text.strip().strip("`")
    return text.removeprefix("assert ").removeprefix(f"{call} == ")


@benchmark("cruxeval", epochs=10, gates=["pass_at_1 >= 0.3", "pass_at_5 >= 0.4"])
async def test_output(sample, model):
    call = f"f({sample.metadata['arguments']})"
    reply = await model.chat(PROMPT.format(code=sample.input, call=call), temperature=0.2)
    assert same_literal(answer(reply.text, call), sample.target)
