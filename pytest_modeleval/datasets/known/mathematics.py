"""Problems whose answer is a number or a formula."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from pytest_modeleval.datasets.dataset import Dataset, Record
from pytest_modeleval.datasets.files import open_file, shown
from pytest_modeleval.datasets.iterable import IterableDataset
from pytest_modeleval.datasets.registered import RegisteredDataset
from pytest_modeleval.datasets.sample import Sample
from pytest_modeleval.errors import DatasetError
from pytest_modeleval.scorers.numbers import number


def _gsm8k_sample(record: Record) -> Sample:
    """The number after "####" is the target; the worked solution goes to the metadata."""
    solution, _, number = str(record["answer"]).rpartition("####")
    return Sample(
        input=record["question"],
        target=number.strip().replace(",", ""),
        metadata={"solution": solution.strip()},
    )


def _gsm_hard_sample(record: Record) -> Sample:
    """The target is a number in canonical form; the program that computes it is left out."""
    return Sample(input=record["input"], target=number(record["target"]))


def _math_sample(record: Record) -> Sample:
    """The target is the answer as LaTeX; a worked solution is left out."""
    kept = ("level", "subject")
    return Sample(
        input=record["problem"],
        target=str(record["answer"]),
        metadata={field: record[field] for field in kept if field in record},
    )


def _mgsm_sample(record: Record) -> Sample:
    """A row is the same problem in each language: the metadata has both."""
    language, problem = record["language"], record["row"]
    return Sample(
        id=f"{language}-{problem:03}",
        input=record["question"],
        target=number(record["answer_number"]),
        metadata={"language": language, "problem": problem},
    )


def _open_mgsm(path: Path) -> Dataset:
    """The authors' tables have neither names of columns nor quoting."""
    if path.suffix != ".tsv":
        return open_file(path)

    def records() -> Iterator[Record]:
        with path.open(encoding="utf-8", newline="") as file:
            for line, row in enumerate(csv.reader(file, "excel-tab", quoting=csv.QUOTE_NONE), 1):
                if len(row) != 2:
                    raise DatasetError(
                        f"{shown(path)} line {line}: expected a question, a tab and its answer, "
                        f"found {len(row)} columns"
                    )
                yield {"question": row[0], "answer_number": row[1]}

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

GSM_HARD = RegisteredDataset(
    name="gsm-hard",
    hub="reasoning-machines/gsm-hard",
    split="train",
    files={"train": ("gsm-hard/gsmhardv2.jsonl", "mathword/gsmhardv2.jsonl")},
    to_sample=_gsm_hard_sample,
)

MATH_L5 = RegisteredDataset(
    name="math-l5",
    hub="AI-MO/aimo-validation-math-level-5",
    split="train",
    files={"train": ("math-l5/questions.jsonl", "math-l5/data/train-00000-of-00001.parquet")},
    to_sample=_math_sample,
)

MATH_500 = RegisteredDataset(
    name="math-500",
    hub="HuggingFaceH4/MATH-500",
    split="test",
    files={"test": ("math-500/test.jsonl",)},
    to_sample=_math_sample,
)

MGSM = RegisteredDataset(
    name="mgsm",
    hub="jbross-ibm-research/mgsm",  # juletxara/mgsm with tables for its loading script
    split="test",
    files={"test": ("mgsm/mgsm_{part}.tsv", "mgsm/{part}/test-00000-of-00001.parquet")},
    to_sample=_mgsm_sample,
    open=_open_mgsm,
    parts=("bn", "de", "en", "es", "fr", "ja", "ru", "sw", "te", "th", "zh"),
    part_field="language",
)
