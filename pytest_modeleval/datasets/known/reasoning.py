"""Problems to be thought through: puzzles, programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from pytest_modeleval.datasets.dataset import Dataset, Record
from pytest_modeleval.datasets.files import open_file, shown
from pytest_modeleval.datasets.iterable import IterableDataset
from pytest_modeleval.datasets.registered import RegisteredDataset
from pytest_modeleval.datasets.sample import Sample
from pytest_modeleval.errors import DatasetError


def _bbh_sample(record: Record) -> Sample:
    """The authors' examples with their reasoning are the few-shot examples; without their file,
    as on the hub, there are none."""
    description, examples = _bbh_examples(record.get("prompt", ""))
    return Sample(
        id=f"{record['task']}-{record['row']:03}",
        input=record["input"],
        target=record["target"],
        metadata={"task": record["task"], "description": description, "shots": len(examples)},
        few_shot=examples,
    )


@lru_cache(maxsize=27)
def _bbh_examples(prompt: str) -> tuple[str, tuple[Sample, ...]]:
    """The description of a task, and its examples."""
    description, *blocks = prompt.partition("-----\n")[2].strip().split("\n\nQ: ")
    pairs = (block.partition("\nA: ") for block in blocks)
    return description, tuple(Sample(input=asked, target=said) for asked, _, said in pairs)


def _open_bbh(path: Path) -> Dataset:
    """The authors' JSON, with their prompt of the task where it lies beside."""
    if path.suffix != ".json":
        return open_file(path)
    beside = path.parent / "cot-prompts" / f"{path.stem}.txt"
    try:
        examples: list[dict[str, Any]] = json.loads(path.read_bytes())["examples"]
        prompt = beside.read_text("utf-8") if beside.is_file() else ""
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise DatasetError(f"{shown(path)} is not a file of BIG-Bench Hard: {error!r}") from error

    def records() -> Iterator[Record]:
        for example in examples:
            yield {**example, "prompt": prompt}

    return IterableDataset(records(), shown(path))


def _cruxeval_sample(record: Record) -> Sample:
    """The target is the output as a Python literal; the input is in the metadata."""
    return Sample(
        id=record["id"],
        input=record["code"],
        target=record["output"],
        metadata={"arguments": record["input"]},
    )


BBH = RegisteredDataset(
    name="bbh",
    hub="SaylorTwift/bbh",
    split="test",
    files={"test": ("bbh/{part}.json", "bbh/{part}/test-00000-of-00001.parquet")},
    to_sample=_bbh_sample,
    open=_open_bbh,
    parts=(
        "boolean_expressions",
        "causal_judgement",
        "date_understanding",
        "disambiguation_qa",
        "dyck_languages",
        "formal_fallacies",
        "geometric_shapes",
        "hyperbaton",
        "logical_deduction_five_objects",
        "logical_deduction_seven_objects",
        "logical_deduction_three_objects",
        "movie_recommendation",
        "multistep_arithmetic_two",
        "navigate",
        "object_counting",
        "penguins_in_a_table",
        "reasoning_about_colored_objects",
        "ruin_names",
        "salient_translation_error_detection",
        "snarks",
        "sports_understanding",
        "temporal_sequences",
        "tracking_shuffled_objects_five_objects",
        "tracking_shuffled_objects_seven_objects",
        "tracking_shuffled_objects_three_objects",
        "web_of_lies",
        "word_sorting",
    ),
    part_field="task",
)

CRUXEVAL = RegisteredDataset(
    name="cruxeval",
    hub="cruxeval-org/cruxeval",
    split="test",
    files={"test": ("cruxeval/cruxeval.jsonl", "cruxeval/test.jsonl")},
    to_sample=_cruxeval_sample,
)
