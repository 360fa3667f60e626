"""Parquet files."""

from __future__ import annotations

import pyarrow
import pytest
from pyarrow import parquet

from pytest_modeleval.datasets.source import open_dataset, open_samples
from pytest_modeleval.errors import DatasetError

ROWS = [
    {"id": 1, "question": "q", "answers": {"text": ["a", "b"]}, "score": 0.5},
    {"id": 2, "question": None, "answers": {"text": []}, "score": None},
]


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path / "x.parquet"


def test_rows_come_back_as_python_values(path):
    parquet.write_table(pyarrow.Table.from_pylist(ROWS), path)
    dataset = open_dataset("x.parquet")
    assert [dataset.record(row) for row in range(len(dataset))] == ROWS
    assert dataset.where(1) == "x.parquet row 2"


def test_several_row_groups(path):
    rows = [{"question": str(number)} for number in range(10)]
    parquet.write_table(pyarrow.Table.from_pylist(rows), path, row_group_size=3)
    samples = open_samples("x.parquet")
    assert [samples.sample(index).input for index in range(10)] == [row["question"] for row in rows]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no parquet at all, but some bytes"])
def test_what_is_no_parquet_file(path, content):
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"^x\.parquet is not a whole Parquet file: "):
        open_samples("x.parquet")


def test_no_rows(path):
    parquet.write_table(pyarrow.table({"question": pyarrow.array([], pyarrow.string())}), path)
    with pytest.raises(DatasetError) as error:
        open_samples("x.parquet")
    assert str(error.value) == "dataset x.parquet is empty: it has no samples"
