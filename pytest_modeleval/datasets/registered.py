"""Datasets known by name: where their files lie, their place on the hub, how a record reads.

Another package adds one by returning a `RegisteredDataset` from its hook.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_modeleval.datasets.dataset import Dataset, Record, ToSample
from pytest_modeleval.datasets.files import open_file, shown
from pytest_modeleval.datasets.iterable import IterableDataset
from pytest_modeleval.datasets.sample import Sample
from pytest_modeleval.errors import DatasetError


@dataclass(frozen=True, slots=True)
class RegisteredDataset:
    """A dataset with a name.

    `files` says, by split, where its file may lie in a data folder, best first; an absolute path,
    such as one in the package that registers it, stands for itself and comes last. `hub` is its id
    on the hub, if it is there, and `config` its configuration. `split` is evaluated, `train_split`
    gives few-shot examples. `open` reads a file into records shaped like those of the hub.
    `to_sample` turns such a record into a sample.
    """

    name: str
    split: str
    files: Mapping[str, Sequence[str]]
    to_sample: ToSample
    hub: str | None = None
    config: str | None = None
    train_split: str | None = None
    open: Callable[[Path], Dataset] = open_file

    @property
    def source(self) -> str:
        """The dataset on the hub, as a benchmark would write it."""
        return f"hf:{self.hub}" + (f":{self.config}" if self.config else "")

    def places(self, split: str, folders: Sequence[Path]) -> list[Path]:
        """Every file that may hold a split, in the order of looking."""
        files = [Path(file) for file in self.files.get(split, ())]
        found = [folder / file for folder in folders for file in files if not file.is_absolute()]
        return found + [file for file in files if file.is_absolute()]


def _gsm8k_sample(record: Record) -> Sample:
    """The number after "####" is the target; the worked solution goes to the metadata."""
    solution, _, number = str(record["answer"]).rpartition("####")
    return Sample(
        input=record["question"],
        target=number.strip().replace(",", ""),
        metadata={"solution": solution.strip()},
    )


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


def _squad_sample(record: Record) -> Sample:
    """The target holds every accepted answer; the passage is in the metadata."""
    return Sample(
        id=record["id"],
        input=record["question"],
        target=tuple(record["answers"]["text"]),
        metadata={"context": record["context"], "title": record["title"]},
    )


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


def _open_squad(path: Path) -> Dataset:
    """SQuAD's own JSON nests questions in paragraphs in articles; the hub's table does not."""
    if path.suffix != ".json":
        return open_file(path)
    try:
        articles: list[dict[str, Any]] = json.loads(path.read_bytes())["data"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise DatasetError(f"{shown(path)} is not a SQuAD file: {error!r}") from error

    def records() -> Iterator[Record]:
        for article in articles:
            for paragraph in article["paragraphs"]:
                for question in paragraph["qas"]:
                    yield {
                        "id": question["id"],
                        "title": article["title"],
                        "context": paragraph["context"],
                        "question": question["question"],
                        "answers": {"text": [answer["text"] for answer in question["answers"]]},
                    }

    return IterableDataset(records(), shown(path))


GSM8K = RegisteredDataset(
    name="gsm8k",
    hub="openai/gsm8k",
    config="main",
    split="test",
    train_split="train",
    files={
        split: (f"gsm8k/{split}.jsonl", f"gsm8k/main/{split}-00000-of-00001.parquet")
        for split in ("test", "train")
    },
    to_sample=_gsm8k_sample,
)

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

SQUAD = RegisteredDataset(
    name="squad",
    hub="rajpurkar/squad",
    split="validation",
    train_split="train",
    files={
        "validation": (
            "squad/dev-v1.1.json",
            "squad/plain_text/validation-00000-of-00001.parquet",
            "squad/xquad.en.json",
            "squad-xquad/xquad.en.json",
        ),
        "train": ("squad/train-v1.1.json", "squad/plain_text/train-00000-of-00001.parquet"),
    },
    to_sample=_squad_sample,
    open=_open_squad,
)

REGISTERED = (GSM8K, QASC, SQUAD)
