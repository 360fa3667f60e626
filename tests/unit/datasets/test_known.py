"""The datasets that are registered from the start, from files like the real ones and from those."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import pyarrow
import pytest
from pyarrow import parquet

from pytest_modeleval.datasets.known import REGISTERED
from pytest_modeleval.datasets.parts import PartedDataset
from pytest_modeleval.datasets.sample import Sample
from pytest_modeleval.datasets.samples import Samples
from pytest_modeleval.datasets.source import open_dataset, open_samples
from pytest_modeleval.errors import DatasetError, DatasetMissing

BY_NAME = {dataset.name: dataset for dataset in REGISTERED}


def put(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        parquet.write_table(pyarrow.Table.from_pylist(content), path)
    elif isinstance(content, str):
        path.write_text(content, encoding="utf-8")
    else:
        path.write_text("".join(json.dumps(each) + "\n" for each in content), encoding="utf-8")


def all_of(samples: Samples) -> list[Sample]:
    return [samples.sample(index) for index in range(len(samples))]


class TestParts:
    """A dataset in several files is one, part after part."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        for language in BY_NAME["mgsm"].parts:
            put(tmp_path / f"mgsm/mgsm_{language}.tsv", f'"One" {language}\t1,000\nTwo\t-2\n')
        return tmp_path

    def test_a_record_tells_its_part_and_its_row(self, folder: Path) -> None:
        samples = open_samples("mgsm", folders=[folder])
        assert len(samples) == 22
        assert samples.sample(3) == Sample(
            "de-001", "Two", "-2", metadata={"language": "de", "problem": 1}
        )
        assert samples.sample(2).target == "1000"
        assert samples.sample(2).input == '"One" de', "quotes are text"
        assert samples.where(3).endswith("mgsm_de.tsv[1]")

    def test_a_part_may_be_the_hubs_table(self, folder: Path) -> None:
        (folder / "mgsm/mgsm_th.tsv").unlink()
        record = {"question": "One", "answer": None, "answer_number": 1000}
        put(folder / "mgsm/th/test-00000-of-00001.parquet", [record])
        samples = all_of(open_samples("mgsm", folders=[folder]))
        (thai,) = (each for each in samples if each.metadata["language"] == "th")
        assert (thai.id, thai.target) == ("th-000", "1000")

    def test_one_part_by_its_address_on_the_hub(self, folder: Path) -> None:
        samples = open_samples("hf:jbross-ibm-research/mgsm:de[test]", folders=[folder])
        assert [sample.id for sample in all_of(samples)] == ["de-000", "de-001"]

    def test_the_fingerprint_tells_a_part_that_changed(self, folder: Path) -> None:
        before = open_dataset("mgsm", folders=[folder]).fingerprint
        assert before == open_dataset("mgsm", folders=[folder]).fingerprint
        put(folder / "mgsm/mgsm_zh.tsv", "One\t1\nTwo\t2\n")
        assert before != open_dataset("mgsm", folders=[folder]).fingerprint

    def test_a_part_that_is_missing_is_named(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        (folder / "mgsm/mgsm_sw.tsv").unlink()
        with pytest.raises(DatasetMissing, match=r"^dataset mgsm is not at hand: .*mgsm_sw\.tsv"):
            open_dataset("mgsm", folders=[folder])

    def test_a_line_without_an_answer(self, folder: Path) -> None:
        put(folder / "mgsm/mgsm_ja.tsv", "One\t1\nTwo\n")
        with pytest.raises(DatasetError, match=r"mgsm_ja\.tsv line 2: expected a question, a tab"):
            open_dataset("mgsm", folders=[folder])

    def test_an_empty_part(self) -> None:
        parts = {name: open_dataset([{"n": name}] * count) for name, count in (("a", 0), ("b", 2))}
        both = PartedDataset("both", parts, "part")
        assert [both.record(row)["row"] for row in range(len(both))] == [0, 1]
        assert both.record(0)["part"] == "b"


class TestBbh:
    TASK: ClassVar = {"canary": "…", "examples": [{"input": "not True is", "target": "False"}]}
    PROMPT = (
        "canary\n-----\nEvaluate it.\n\nTwo lines.\n\n"
        "Q: True is\nA: Let's think step by step.\nWell. So the answer is True.\n\n"
        "Q: not not True is\nA: Let's think.\n\nSo the answer is True.\n"
    )

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        for task in BY_NAME["bbh"].parts:
            put(tmp_path / f"bbh/{task}.json", json.dumps(self.TASK))
        return tmp_path

    def test_the_authors_examples_are_the_few_shot_examples(self, folder: Path) -> None:
        put(folder / "bbh/cot-prompts/web_of_lies.txt", self.PROMPT)
        samples = all_of(open_samples("bbh", folders=[folder]))
        (told,) = (each for each in samples if each.metadata["task"] == "web_of_lies")
        assert told.id == "web_of_lies-000"
        assert told.metadata["description"] == "Evaluate it.\n\nTwo lines."
        assert told.metadata["shots"] == 2
        assert [(each.input, each.target) for each in told.few_shot] == [
            ("True is", "Let's think step by step.\nWell. So the answer is True."),
            ("not not True is", "Let's think.\n\nSo the answer is True."),
        ]

    def test_without_them_there_are_none(self, folder: Path) -> None:
        (folder / "bbh/snarks.json").unlink()
        put(folder / "bbh/snarks/test-00000-of-00001.parquet", self.TASK["examples"])
        for sample in all_of(open_samples("bbh", folders=[folder])):
            assert (sample.few_shot, sample.metadata["shots"]) == ((), 0)
            assert (sample.input, sample.target) == ("not True is", "False")

    @pytest.mark.parametrize("content", ["[]", "{}", "not JSON"])
    def test_a_file_of_something_else(self, folder: Path, content: str) -> None:
        put(folder / "bbh/snarks.json", content)
        with pytest.raises(DatasetError, match=r"snarks\.json is not a file of BIG-Bench Hard"):
            open_dataset("bbh", folders=[folder])


class TestTruthfulQa:
    EXPECTED = Sample(
        "truthfulqa-0000",
        "Why?",
        "Nobody knows",
        metadata={
            "category": "Doubt",
            "true": ("Nobody knows", "I have no comment"),
            "false": ("Fate", "The moon"),
        },
    )

    def test_the_authors_table(self, tmp_path: Path) -> None:
        put(
            tmp_path / "truthfulqa/TruthfulQA.csv",
            "Type,Category,Question,Best Answer,Correct Answers,Incorrect Answers,Source\n"
            "A,Doubt,Why?,Nobody knows,Nobody knows; I have no comment,Fate; The moon;,x\n",
        )
        assert all_of(open_samples("truthfulqa", folders=[tmp_path])) == [self.EXPECTED]

    def test_the_hubs_table(self, tmp_path: Path) -> None:
        record = {
            "question": "Why?",
            "mc1_targets": {"choices": ["Nobody knows", "Fate", "The moon"], "labels": [1, 0, 0]},
            "mc2_targets": {
                "choices": ["Nobody knows", "I have no comment", "Fate", "The moon"],
                "labels": [1, 1, 0, 0],
            },
        }
        file = "truthfulqa/multiple_choice/validation-00000-of-00001.parquet"
        put(tmp_path / file, [record])
        (sample,) = all_of(open_samples("truthfulqa", folders=[tmp_path]))
        assert sample.metadata == {**self.EXPECTED.metadata, "category": ""}
        assert sample.target == "Nobody knows"


def test_arc(tmp_path: Path) -> None:
    record = {
        "id": "Mercury_1",
        "question": "What?",
        "choices": {"text": ["sand", "wind"], "label": ["1", "2"]},
        "answerKey": "2",
    }
    put(tmp_path / "arc-challenge/ARC-Challenge/test-00000-of-00001.parquet", [record])
    (sample,) = all_of(open_samples("arc-challenge", folders=[tmp_path]))
    assert sample == Sample("Mercury_1", "What?", "2", ("sand", "wind"), {"labels": ("1", "2")})


def test_math_keeps_the_solution_to_itself(tmp_path: Path) -> None:
    record = {"problem": "1+1", "solution": "2!", "answer": "2", "level": 1, "subject": "Algebra"}
    put(tmp_path / "math-500/test.jsonl", [record])
    (sample,) = all_of(open_samples("math-500", folders=[tmp_path]))
    assert sample == Sample(
        "math-500-0000", "1+1", "2", metadata={"level": 1, "subject": "Algebra"}
    )


def test_arguments_that_the_hub_leaves_empty_are_none(tmp_path: Path) -> None:
    record = {
        "key": 7,
        "prompt": "Do.",
        "instruction_id_list": ["length_constraints:number_words"],
        "kwargs": [{"num_words": 3, "relation": "at least", "keyword": None}],
    }
    put(tmp_path / "ifeval/ifeval_input_data.jsonl", [record])
    (sample,) = all_of(open_samples("ifeval", folders=[tmp_path]))
    assert (sample.id, sample.input) == ("7", "Do.")
    assert sample.metadata == {
        "instructions": ("length_constraints:number_words",),
        "arguments": [{"num_words": 3, "relation": "at least"}],
    }


# --- the real files ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "count", "first"),
    [
        ("bbh", 6511, "boolean_expressions-000"),
        ("cruxeval", 800, "sample_0"),
        ("gsm-hard", 1319, "gsm-hard-0000"),
        ("ifeval", 541, "1000"),
        ("math-l5", 721, "0"),
        ("mgsm", 2750, "bn-000"),
        ("truthfulqa", 817, "truthfulqa-0000"),
    ],
)
def test_the_real_one(shared_data: Path, name: str, count: int, first: str) -> None:
    samples = open_samples(name, folders=[shared_data])
    assert (len(samples), samples.id(0)) == (count, first)


def test_the_real_bbh_has_three_examples_for_each_task(shared_data: Path) -> None:
    samples = all_of(open_samples("bbh", folders=[shared_data]))
    assert {sample.metadata["shots"] for sample in samples} == {3}
    assert all(each.input and each.target for sample in samples for each in sample.few_shot)
    counts = Counter(sample.metadata["task"] for sample in samples)
    assert len(counts) == 27
    assert counts["snarks"] == 178


def test_a_row_of_the_real_mgsm_is_the_same_problem(shared_data: Path) -> None:
    """In all languages its answer is the same."""
    targets: dict[int, set[Any]] = {}
    for sample in all_of(open_samples("mgsm", folders=[shared_data])):
        targets.setdefault(sample.metadata["problem"], set()).add(sample.target)
    assert len(targets) == 250
    assert all(len(each) == 1 for each in targets.values())
