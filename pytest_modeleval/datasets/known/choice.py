"""Questions with choices."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pytest_modeleval.datasets.dataset import Dataset, Record
from pytest_modeleval.datasets.files import open_file, shown
from pytest_modeleval.datasets.iterable import IterableDataset
from pytest_modeleval.datasets.registered import RegisteredDataset
from pytest_modeleval.datasets.sample import Sample


def _qasc_sample(record: Record) -> Sample:
    """The target is the letter of the right choice; facts go to the metadata."""
    return Sample(
        id=record["id"],
        input=record["question"],
        target=record["answerKey"],
        choices=tuple(record["choices"]["text"]),
        metadata={
            "labels": tuple(record["choices"]["label"]),
            "facts": (record["fact1"], record["fact2"]),
        },
    )


def _arc_sample(record: Record) -> Sample:
    """The target is the label of the right choice; labels are letters, or digits from 1."""
    return Sample(
        id=record["id"],
        input=record["question"],
        target=record["answerKey"],
        choices=tuple(record["choices"]["text"]),
        metadata={"labels": tuple(record["choices"]["label"])},
    )


def _truthfulqa_sample(record: Record) -> Sample:
    """The target is the best answer. The metadata has all true and all false ones, and the false
    ones that MC1 sets against the best."""
    one, several = record["mc1_targets"], record["mc2_targets"]
    return Sample(
        input=record["question"],
        target=_labelled(one, 1)[0],
        metadata={
            "category": record.get("category") or "",
            "true": _labelled(several, 1),
            "false": _labelled(several, 0),
        },
    )


def _labelled(answers: Record, label: int) -> tuple[str, ...]:
    pairs = zip(answers["choices"], answers["labels"])
    return tuple(text for text, each in pairs if each == label)


def _open_qasc(path: Path) -> Dataset:
    """The authors' JSON Lines nest the choices in the question; the hub's table does not."""
    lines = open_file(path)
    if path.suffix != ".jsonl":
        return lines

    def records() -> Iterator[Record]:
        for row in range(len(lines)):
            record = lines.record(row)
            choices = record["question"]["choices"]
            yield {
                **record,
                "question": record["question"]["stem"],
                "choices": {key: [choice[key] for choice in choices] for key in ("text", "label")},
            }

    return IterableDataset(records(), shown(path))


def _open_truthfulqa(path: Path) -> Dataset:
    """The authors' table has answers in one cell, parted by semicolons; the hub's has lists."""
    table = open_file(path)
    if path.suffix != ".csv":
        return table

    def records() -> Iterator[Record]:
        for row in range(len(table)):
            record = table.record(row)
            best = record["Best Answer"].strip()
            true, false = (_answers(record[f"{kind} Answers"]) for kind in ("Correct", "Incorrect"))
            yield {
                "question": record["Question"],
                "mc1_targets": _targets([best], false),
                "mc2_targets": _targets(true, false),
                "category": record["Category"],
            }

    return IterableDataset(records(), shown(path))


def _answers(cell: str) -> list[str]:
    return [answer.strip() for answer in cell.split(";") if answer.strip()]


def _targets(true: list[str], false: list[str]) -> Record:
    return {"choices": [*true, *false], "labels": [1] * len(true) + [0] * len(false)}


QASC = RegisteredDataset(
    name="qasc",
    hub="allenai/qasc",
    split="validation",
    train_split="train",
    files={
        split: (f"qasc/{file}.jsonl", f"qasc/data/{split}-00000-of-00001.parquet")
        for split, file in (("validation", "dev"), ("train", "train"))
    },
    to_sample=_qasc_sample,
    open=_open_qasc,
)

ARC_CHALLENGE = RegisteredDataset(
    name="arc-challenge",
    hub="allenai/ai2_arc",
    config="ARC-Challenge",
    split="test",
    train_split="train",
    files={
        split: (
            f"arc-challenge/{split}.jsonl",
            f"arc-challenge/ARC-Challenge/{split}-00000-of-00001.parquet",
        )
        for split in ("test", "train", "validation")
    },
    to_sample=_arc_sample,
)

TRUTHFULQA = RegisteredDataset(
    name="truthfulqa",
    hub="truthfulqa/truthful_qa",
    config="multiple_choice",
    split="validation",
    files={
        "validation": (
            "truthfulqa/TruthfulQA.csv",
            "truthfulqa/multiple_choice/validation-00000-of-00001.parquet",
        )
    },
    to_sample=_truthfulqa_sample,
    open=_open_truthfulqa,
)
