"""Where the dataset of a LightEval task comes from: a data folder, else the hub."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_modeleval.datasets.dataset import Record
from pytest_modeleval.datasets.files import EXTENSIONS, open_file
from pytest_modeleval.datasets.known.choice import TRUTHFULQA
from pytest_modeleval.datasets.registered import RegisteredDataset
from pytest_modeleval.errors import DatasetError, DatasetMissing


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A split of a hub's dataset in a data folder: `read` makes of the file the hub's records."""

    split: str
    path: str
    read: Callable[[Path], Iterator[Record]]


def load_splits(task: Any, folders: Sequence[Path]) -> Any:
    """A task's `DatasetDict`, filtered as the task asks.

    A data folder is asked first: for the files that are known to hold the dataset, then for
    `<name>/<subset>/<split>` and `<name>/<split>` with any extension that is read, where <name> is
    the last part of the hub's. Raises DatasetMissing where neither it nor the hub has it.
    """
    found = {
        split: records
        for split in _splits(task)
        if (records := _local(task, split, folders)) is not None
    }
    needed = list(task.evaluation_split)
    if task.config.num_fewshots and task.fewshot_split is not None:
        needed.append(task.fewshot_split)
    if all(split in found for split in needed):
        return _dataset(task, found)
    try:
        return task.download_dataset_worker(task)
    except Exception as error:
        missing = [split for split in needed if split not in found]
        looked = ", ".join(str(each) for each in _places(task, missing[0], folders)[:4])
        name = task.dataset_path.rpartition("/")[2]
        raise DatasetMissing(
            f"LightEval task {task.full_name}: the split {missing[0]} of {_address(task)} is not "
            f"at hand: {f'there is no {looked}' if looked else 'no data folder was given'}; the "
            f"hub does not give it: {str(error).partition(chr(10))[0]}; get it with "
            f"'hf download {task.dataset_path} --repo-type dataset --local-dir DIR/{name}' and "
            "name the folder: --modeleval-data DIR"
        ) from error


def _splits(task: Any) -> list[str]:
    several = [*task.evaluation_split, *task.config.hf_avail_splits, task.fewshot_split]
    return list(dict.fromkeys(split for split in several if split))


def _address(task: Any) -> str:
    return f"{task.dataset_path}:{task.dataset_config_name}"


def _local(task: Any, split: str, folders: Sequence[Path]) -> list[Record] | None:
    for known in KNOWN.get((task.dataset_path, task.dataset_config_name), ()):
        for folder in folders:
            if known.split == split and (folder / known.path).is_file():
                return list(known.read(folder / known.path))
    for place in _places(task, split, folders):
        if place.is_file():
            data = open_file(place)
            return [data.record(row) for row in range(len(data))]
    return None


def _places(task: Any, split: str, folders: Sequence[Path]) -> list[Path]:
    name = task.dataset_path.rpartition("/")[2]
    inside = [*([name, task.dataset_config_name] if task.dataset_config_name else [name],), (name,)]
    return [
        folder.joinpath(*parts, f"{split}{extension}")
        for folder in folders
        for parts in inside
        for extension in EXTENSIONS
    ]


def _dataset(task: Any, found: Mapping[str, list[Record]]) -> Any:
    from datasets import Dataset, DatasetDict

    try:
        splits = {split: Dataset.from_list(list(map(dict, each))) for split, each in found.items()}
    except Exception as error:
        raise DatasetError(
            f"LightEval task {task.full_name}: the records of {_address(task)} in the data folder "
            f"do not go together: {type(error).__name__}: {error}"
        ) from error
    dataset = DatasetDict(splits)
    return dataset if task.dataset_filter is None else dataset.filter(task.dataset_filter)


# ---------------------------------------------------------------- files that differ from the hub


def _as_it_is(path: Path) -> Iterator[Record]:
    data = open_file(path)
    return (data.record(row) for row in range(len(data)))


def _mgsm(path: Path) -> Iterator[Record]:
    """Lines of question and number; the test split has no worked answer."""
    with path.open(encoding="utf-8", newline="") as file:
        for question, number in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            yield {
                "question": question,
                "answer": None,
                "answer_number": int(number.replace(",", "")),
                "equation_solution": None,
            }


def _of(dataset: RegisteredDataset) -> Callable[[Path], Iterator[Record]]:
    """As a registered dataset of ours reads it, whose records are shaped like those of the hub."""

    def read(path: Path) -> Iterator[Record]:
        data = dataset.open(path)
        return (data.record(row) for row in range(len(data)))

    return read


MGSM = ("bn", "de", "en", "es", "fr", "ja", "ru", "sw", "te", "th", "zh")

KNOWN: Mapping[tuple[str, str], Sequence[LocalFile]] = {
    ("openai/gsm8k", "main"): [
        LocalFile("test", "gsm8k/test.jsonl", _as_it_is),
        LocalFile("train", "gsm8k/train.jsonl", _as_it_is),
    ],
    ("google/IFEval", "default"): [LocalFile("train", "ifeval/input_data.jsonl", _as_it_is)],
    ("truthfulqa/truthful_qa", "multiple_choice"): [
        LocalFile("validation", "truthfulqa/TruthfulQA.csv", _of(TRUTHFULQA))
    ],
    **{
        ("juletxara/mgsm", language): [LocalFile("test", f"mgsm/mgsm_{language}.tsv", _mgsm)]
        for language in MGSM
    },
}
"""By the hub's name and subset: what is in a data folder under another name, or in other fields."""
