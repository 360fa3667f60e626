"""Prompts with instructions that a program can check."""

from __future__ import annotations

from pytest_modeleval.datasets.dataset import Record
from pytest_modeleval.datasets.registered import RegisteredDataset
from pytest_modeleval.datasets.sample import Sample


def _ifeval_sample(record: Record) -> Sample:
    """The metadata has the ids of the instructions, and the arguments of each."""
    arguments = [
        {name: value for name, value in each.items() if value is not None}  # the hub's have all
        for each in record["kwargs"]
    ]
    return Sample(
        id=str(record["key"]),
        input=record["prompt"],
        metadata={"instructions": tuple(record["instruction_id_list"]), "arguments": arguments},
    )


IFEVAL = RegisteredDataset(
    name="ifeval",
    hub="google/IFEval",
    split="train",
    files={"train": ("ifeval/input_data.jsonl", "ifeval/ifeval_input_data.jsonl")},
    to_sample=_ifeval_sample,
)
