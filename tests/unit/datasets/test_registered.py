"""Datasets known by name, in data folders and from the real files."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from pytest_modeleval.datasets.few_shot import FewShot
from pytest_modeleval.datasets.known import REGISTERED
from pytest_modeleval.datasets.registered import RegisteredDataset
from pytest_modeleval.datasets.sample import Sample
from pytest_modeleval.datasets.source import open_dataset, open_samples
from pytest_modeleval.errors import DatasetError

GSM8K = [
    {"question": "3 * 6?", "answer": "3 * 6 = <<3*6=18>>18\n#### 18"},
    {"question": "Half of 2,400?", "answer": "#### 1,200"},
]
QASC_LINE = {
    "id": "3NGI",
    "question": {
        "stem": "What?",
        "choices": [{"text": "sand", "label": "A"}, {"text": "wind", "label": "B"}],
    },
    "answerKey": "B",
    "fact1": "one",
    "fact2": "two",
}
QASC_ROW = {
    **QASC_LINE,
    "question": "What?",
    "choices": {"text": ["sand", "wind"], "label": ["A", "B"]},
}
SQUAD_ROW = {
    "id": "56be",
    "title": "Rhine",
    "context": "It is long.",
    "question": "How is it?",
    "answers": {"text": ["long", "very long"], "answer_start": [6, 6]},
}
SQUAD_FILE = {
    "version": "1.1",
    "data": [
        {
            "title": "Rhine",
            "paragraphs": [
                {
                    "context": "It is long.",
                    "qas": [
                        {
                            "id": "56be",
                            "question": "How is it?",
                            "answers": [
                                {"text": "long", "answer_start": 6},
                                {"text": "very long", "answer_start": 6},
                            ],
                        }
                    ],
                }
            ],
        }
    ],
}


def put(path: Path, *records) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        parquet.write_table(pyarrow.Table.from_pylist(list(records)), path)
    else:
        path.write_text("".join(json.dumps(record) + "\n" for record in records))


@pytest.mark.parametrize("file", ["test.jsonl", "main/test-00000-of-00001.parquet"])
def test_gsm8k(tmp_path, file):
    put(tmp_path / "gsm8k" / file, *GSM8K)
    samples = open_samples("gsm8k", folders=[tmp_path])
    assert [samples.sample(index) for index in range(2)] == [
        Sample("gsm8k-0000", "3 * 6?", "18", metadata={"solution": "3 * 6 = <<3*6=18>>18"}),
        Sample("gsm8k-0001", "Half of 2,400?", "1200", metadata={"solution": ""}),
    ]


@pytest.mark.parametrize(
    ("file", "record"),
    [("dev.jsonl", QASC_LINE), ("data/validation-00000-of-00001.parquet", QASC_ROW)],
)
def test_qasc(tmp_path, file, record):
    put(tmp_path / "qasc" / file, record)
    assert open_samples("qasc", folders=[tmp_path]).sample(0) == Sample(
        "3NGI",
        "What?",
        "B",
        ("sand", "wind"),
        {"labels": ("A", "B"), "facts": ("one", "two")},
    )


@pytest.mark.parametrize(
    ("file", "record"),
    [
        ("squad/dev-v1.1.json", SQUAD_FILE),
        ("squad/xquad.en.json", SQUAD_FILE),
        ("squad-xquad/xquad.en.json", SQUAD_FILE),
        ("squad/plain_text/validation-00000-of-00001.parquet", SQUAD_ROW),
    ],
)
def test_squad(tmp_path, file, record):
    put(tmp_path / file, record)
    assert open_samples("squad", folders=[tmp_path]).sample(0) == Sample(
        "56be",
        "How is it?",
        ("long", "very long"),
        metadata={"context": "It is long.", "title": "Rhine"},
    )


def test_the_first_folder_that_has_it_counts(tmp_path):
    put(tmp_path / "b" / "gsm8k" / "test.jsonl", *GSM8K)
    put(tmp_path / "c" / "gsm8k" / "test.jsonl", GSM8K[0])
    folders = [tmp_path / name for name in "abc"]
    assert len(open_dataset("gsm8k", folders=folders)) == 2


def test_a_hub_address_of_a_registered_dataset_is_that_dataset(tmp_path):
    put(tmp_path / "gsm8k" / "test.jsonl", *GSM8K)
    put(tmp_path / "gsm8k" / "train.jsonl", GSM8K[0])
    samples = open_samples("hf:openai/gsm8k:main[test]", folders=[tmp_path])
    assert (samples.id(1), samples.sample(1).target) == ("gsm8k-0001", "1200")
    for source in ("hf:openai/gsm8k:main[train]", "gsm8k[train]"):
        assert open_samples(source, folders=[tmp_path]).id(0) == "gsm8k-train-0000"


def test_an_empty_file_is_not_taken_for_a_missing_one(tmp_path):
    put(tmp_path / "gsm8k" / "test.jsonl")
    with pytest.raises(DatasetError, match=r"^dataset gsm8k is empty: it has no samples$"):
        open_samples("gsm8k", folders=[tmp_path])


def test_few_shot_examples_come_from_the_train_split(tmp_path):
    put(tmp_path / "gsm8k" / "test.jsonl", *GSM8K)
    put(tmp_path / "gsm8k" / "train.jsonl", {"question": "1 + 1?", "answer": "#### 2"})
    samples = open_samples("gsm8k", folders=[tmp_path], few_shot=1)
    examples = [sample.few_shot for sample in map(samples.sample, range(2))]
    assert examples == [(Sample("gsm8k-train-0000", "1 + 1?", "2", metadata={"solution": ""}),)] * 2


def test_without_a_train_split_examples_come_from_the_dataset_itself(tmp_path):
    put(tmp_path / "gsm8k" / "test.jsonl", *GSM8K)
    samples = open_samples("gsm8k", folders=[tmp_path], few_shot=1)
    assert [samples.sample(index).few_shot[0].id for index in (0, 1)] == [
        "gsm8k-0001",
        "gsm8k-0000",
    ]


def test_a_source_may_be_a_split_of_a_registered_dataset(tmp_path):
    put(tmp_path / "gsm8k" / "test.jsonl", *GSM8K)
    put(tmp_path / "gsm8k" / "train.jsonl", {"question": "1 + 1?", "answer": "#### 2"})
    own = [{"question": "2 + 2?", "answer": "#### 4"}]
    samples = open_samples(
        own,
        folders=[tmp_path],
        to_sample=REGISTERED[0].to_sample,
        few_shot=FewShot(1, "gsm8k[train]"),
    )
    assert samples.sample(0).few_shot[0].input == "1 + 1?"


def test_a_source_of_plain_records_is_read_as_those_of_the_dataset(tmp_path):
    put(tmp_path / "gsm8k" / "test.jsonl", *GSM8K)
    own = [{"question": "2 + 2?", "answer": "#### 4"}]
    samples = open_samples("gsm8k", folders=[tmp_path], few_shot=FewShot(1, own))
    assert samples.sample(0).few_shot[0].target == "4"


def test_another_package_may_register_a_dataset(tmp_path):
    put(tmp_path / "capitals" / "all.jsonl", {"country": "France", "capital": "Paris"})
    capitals = RegisteredDataset(
        name="capitals",
        hub="someone/capitals",
        split="test",
        files={"test": ["capitals/all.jsonl"]},
        to_sample=lambda record: Sample(input=record["country"], target=record["capital"]),
    )
    samples = open_samples("capitals", folders=[tmp_path], registered=(*REGISTERED, capitals))
    assert samples.sample(0) == Sample("capitals-0000", "France", "Paris")


@pytest.mark.parametrize("content", ["[]", "{}", '{"data": [{"title": "x"}]}', "not JSON"])
def test_a_file_that_is_not_squad(tmp_path, content):
    path = tmp_path / "squad" / "dev-v1.1.json"
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(DatasetError, match=r"squad/dev-v1\.1\.json"):
        open_samples("squad", folders=[tmp_path])


def test_a_malformed_record_is_named_by_its_file(tmp_path):
    put(tmp_path / "gsm8k" / "test.jsonl", GSM8K[0], {"question": "q"})
    with pytest.raises(DatasetError) as error:
        open_samples("gsm8k", folders=[tmp_path])
    assert str(error.value) == (
        f"{tmp_path}/gsm8k/test.jsonl line 2: sample=_gsm8k_sample raised KeyError: 'answer' "
        "(the record has question)"
    )


def test_a_malformed_line_is_named_where_records_are_reshaped(tmp_path):
    put(tmp_path / "qasc" / "dev.jsonl", QASC_LINE)
    with (tmp_path / "qasc" / "dev.jsonl").open("a") as file:
        file.write("[]\n")
    with pytest.raises(DatasetError) as error:
        open_samples("qasc", folders=[tmp_path])
    assert str(error.value) == (
        f"{tmp_path}/qasc/dev.jsonl line 2: expected a JSON object, found an array"
    )


# --- the real files ----------------------------------------------------------------------------


def test_the_real_gsm8k(shared_data):
    samples = open_samples("gsm8k", folders=[shared_data])
    assert len(samples) == 1319
    assert (samples.id(42), samples.id(1318)) == ("gsm8k-0042", "gsm8k-1318")
    assert samples.sample(0).target == "18"
    for index in range(len(samples)):
        float(samples.sample(index).target)


def test_the_real_qasc(shared_data):
    samples = open_samples("qasc", folders=[shared_data])
    targets = [samples.sample(index).target for index in range(len(samples))]
    assert (len(targets), targets.count("A")) == (926, 121)
    assert samples.id(0) == "3NGI5ARFTT4HNGVWXAMLNBMFA0U1PG"
    assert all(len(samples.sample(index).choices) == 8 for index in range(len(samples)))


def test_the_real_squad_questions(shared_data):
    samples = open_samples("squad", folders=[shared_data])
    assert len(samples) == 1190
    sample = samples.sample(0)
    assert (sample.id, sample.target) == ("56beb4343aeaaa14008c925b", ("308",))
    assert "308 points" in sample.metadata["context"]
