"""The documents of a LightEval task as a dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import Any

from pytest_modeleval.datasets.dataset import Dataset, Record
from pytest_modeleval.datasets.iterable import fingerprint
from pytest_modeleval.datasets.sample import Sample
from pytest_modeleval.datasets.sample_ids import row_width
from pytest_modeleval.errors import DatasetError
from pytest_modeleval.integrations.lighteval.library import seeded
from pytest_modeleval.integrations.lighteval.local_datasets import load_splits
from pytest_modeleval.results.baseline import LIGHTEVAL_TASK


class Documents(Dataset):
    """A task's documents in the order in which LightEval asks them: shuffled, with its seed, so
    that the first N are those that its own `--max-samples N` takes.

    A sample's id is its document's row in the dataset's split. Raises DatasetMissing where the
    task's dataset is not at hand, DatasetError where the task cannot make documents of it.
    """

    def __init__(self, task: Any, folders: Sequence[Path]) -> None:
        self.name = task.full_name
        self.to_sample = self._sample
        if task.dataset is None:
            task.dataset = load_splits(task, folders)
        split_of = _noting_splits(task)
        try:
            with seeded():
                docs = task.get_docs()
        except Exception as error:
            raise DatasetError(
                f"LightEval task {task.full_name} cannot make documents of {task.dataset_path}: "
                f"{type(error).__name__}: {error}"
            ) from error
        width = row_width(1 + max(int(doc.id) for doc in docs))
        several = len(task.evaluation_split) > 1
        self._ids = [
            f"{split_of[id(doc)]}-{int(doc.id):0{width}}" if several else f"{int(doc.id):0{width}}"
            for doc in docs
        ]
        self._docs = docs
        self.by_id = dict(zip(self._ids, docs))

    def __len__(self) -> int:
        return len(self._docs)

    def record(self, row: int) -> Record:
        """The document and its id."""
        return {"id": self._ids[row], "doc": self._docs[row]}

    def where(self, row: int) -> str:
        """Task and document."""
        return f"LightEval task {self.name}, document {self._ids[row]}"

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the documents with their few-shot examples, in their order."""
        return fingerprint(map(_plain, self._docs))

    def _sample(self, record: Record) -> Sample:
        doc = record["doc"]
        return Sample(
            id=record["id"],
            input=doc.query,
            target=target_of(doc),
            choices=tuple(map(str, doc.choices or ())),
            metadata={LIGHTEVAL_TASK: self.name},
            few_shot=tuple(
                Sample(input=shot.query, target=target_of(shot)) for shot in doc.fewshot_samples
            ),
        )


def target_of(doc: Any) -> Any:
    """The document's golden answers: a text where there is one; None without any."""
    try:
        golds = [str(gold).strip() for gold in doc.get_golds()]
    except (IndexError, TypeError):
        return None
    return golds[0] if len(golds) == 1 else tuple(golds) or None


def _noting_splits(task: Any) -> Mapping[int, str]:
    """The split of each document that is evaluated, by the document's identity: the document itself
    knows only its row in it."""
    of_splits = task._get_docs_from_split
    noted: dict[int, str] = {}

    def one_by_one(splits: Sequence[str], few_shots: bool = False) -> list[Any]:
        found = []
        for split in splits:
            docs = of_splits([split], few_shots)
            if not few_shots:
                noted.update({id(doc): split for doc in docs})
            found += docs
        return found

    task._get_docs_from_split = one_by_one
    return noted


def _plain(doc: Any) -> Mapping[str, Any]:
    known = {
        each.name: getattr(doc, each.name)
        for each in fields(doc)
        if each.name not in ("fewshot_samples", "sampling_methods", "images")
    }
    known["fewshot_samples"] = [(shot.query, shot.get_golds()) for shot in doc.fewshot_samples]
    return known
