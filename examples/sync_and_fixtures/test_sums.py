"""All of it is ordinary pytest: plain functions, parameters, fixtures, classes, marks.

pytest --model=tiny examples/sync_and_fixtures
"""

import pytest

from pytest_modeleval import benchmark
from pytest_modeleval.scorers import last_number

SUMS = [
    {"id": f"{a}+{b}", "input": f"{a}+{b}", "target": str(a + b), "a": a, "b": b}
    for a in range(12, 96, 7)
    for b in range(3, 9)
]


@pytest.fixture(scope="session")
def ask(model):
    """Set up once, before the first sample that needs it: here, how to ask this model."""
    model = model.blocking  # a plain `def` that takes `model` itself is given this face of it
    if model.capabilities.chat:
        return lambda question: model.chat(f"What is {question} Reply with the number only.")
    return lambda question: model.complete(question, max_tokens=8, stop="\n")


class TestSums:
    """Samples run side by side, so a body keeps what it finds to itself."""

    @pytest.mark.parametrize("order", ["{a}+{b}=", "{b}+{a}="], ids=["as-is", "swapped"])
    @benchmark(SUMS, gates=["accuracy >= 0.9"])
    def test_order_does_not_matter(self, sample, ask, order):
        reply = ask(order.format(**sample.metadata))
        assert last_number(reply.text) == sample.target


@benchmark(SUMS, epochs=2, timeout=60, gates=["accuracy >= 0.9"])
def test_two_epochs(sample, ask, tmp_path):
    """Each sample runs twice and its score is the mean; tmp_path is each body's own."""
    notes = tmp_path / "reply.txt"
    notes.write_text(ask("{a}+{b}=".format(**sample.metadata)).text, encoding="utf-8")
    assert last_number(notes.read_text(encoding="utf-8")) == sample.target
