"""Questions on a passage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_modeleval.datasets.dataset import Dataset, Record
from pytest_modeleval.datasets.files import open_file, shown
from pytest_modeleval.datasets.iterable import IterableDataset
from pytest_modeleval.datasets.registered import RegisteredDataset
from pytest_modeleval.datasets.sample import Sample
from pytest_modeleval.errors import DatasetError


def _squad_sample(record: Record) -> Sample:
    """The target holds every accepted answer; the passage is in the metadata."""
    return Sample(
        id=record["id"],
        input=record["question"],
        target=tuple(record["answers"]["text"]),
        metadata={"context": record["context"], "title": record["title"]},
    )


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
