"""Classification of one's own texts: a .csv file, and a letter for an answer.

pytest --model=replay:examples/classify/replies.jsonl examples/classify
"""

from pytest_modeleval import Sample, benchmark
from pytest_modeleval.scorers import choice_letter

KINDS = {
    "A": "billing",
    "B": "delivery",
    "C": "fault",
    "D": "other",
}


def ticket(record):
    """One row of the file as a sample; the columns that are metadata can be sliced by."""
    letters = {kind: letter for letter, kind in KINDS.items()}
    return Sample(
        id=record["id"],
        input=record["text"],
        target=letters[record["kind"]],
        metadata={"kind": record["kind"], "language": record["language"]},
    )


@benchmark(
    "tickets.csv",
    sample=ticket,
    gates=["accuracy >= 0.8", 'german: accuracy[language == "de"] >= 0.7'],
)
async def test_tickets(sample, model):
    kinds = "\n".join(f"({letter}) {kind}" for letter, kind in KINDS.items())
    reply = await model.chat(
        f"A customer writes: {sample.input}\n\nWhat is it about?\n{kinds}\nReply with one letter.",
        max_tokens=200,
    )
    assert choice_letter(reply.text, KINDS) == sample.target
