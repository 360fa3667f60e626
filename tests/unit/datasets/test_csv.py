"""Comma- and tab-separated files."""

from __future__ import annotations

import pytest

from pytest_modeleval.datasets.source import open_dataset, open_samples
from pytest_modeleval.errors import DatasetError


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_value_is_a_text(tmp_path):
    (tmp_path / "x.csv").write_text("id,date,empty\n007,2020-01-01,\n1.50,true,null\n")
    dataset = open_dataset("x.csv")
    assert [dataset.record(row) for row in range(len(dataset))] == [
        {"id": "007", "date": "2020-01-01", "empty": ""},
        {"id": "1.50", "date": "true", "empty": "null"},
    ]


def test_quoted_values_hold_delimiters_quotes_and_newlines(tmp_path):
    (tmp_path / "x.csv").write_text('question,answer\n"a, ""b""\nc",1\n')
    assert open_dataset("x.csv").record(0) == {"question": 'a, "b"\nc', "answer": "1"}


def test_tabs_part_the_values_of_a_tsv_file(tmp_path):
    (tmp_path / "x.tsv").write_text("question\tanswer\na, b\t1\n")
    assert open_dataset("x.tsv").record(0) == {"question": "a, b", "answer": "1"}


def test_byte_order_mark_and_windows_newlines_are_read(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"\xef\xbb\xbfquestion,answer\r\n007,1\r\n")
    assert open_dataset("x.csv").record(0) == {"question": "007", "answer": "1"}


def test_values_with_newlines_are_read_from_a_file_of_many_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("pytest_modeleval.datasets.csv._MAX_BLOCK", 100_000)
    rows, text = 5_000, "one line\n" * 40
    with (tmp_path / "x.csv").open("w") as file:
        file.write("question,answer\n")
        file.writelines(f'"{text}",{number}\n' for number in range(rows))
    dataset = open_dataset("x.csv")
    assert len(dataset) == rows
    assert dataset.record(rows - 1) == {"question": text, "answer": str(rows - 1)}


def test_a_value_of_several_megabytes(tmp_path):
    long = "word " * 2_000_000
    (tmp_path / "x.csv").write_text(f"question,answer\n{long},1\nq,2\n")
    assert open_dataset("x.csv").record(0)["question"] == long


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "x.csv is empty: the first row must name the columns"),
        (b"question,answer\n", "dataset x.csv is empty: it has no samples"),
        (
            b"question,answer\nq,1\nr\n",
            "x.csv: malformed table: CSV parse error: Row #3: Expected 2 columns, got 1: r",
        ),
        (b"a,b,a\n1,2,3\n", "x.csv: column 'a' is named twice in the first row"),
        (
            b"question,answer\nq,1\ncaf\xe9,2\n",
            "x.csv line 3: byte 4 is not UTF-8; save the file as UTF-8",
        ),
        (
            b"question,caf\xe9\nq,1\n",
            "x.csv line 1: byte 13 is not UTF-8; save the file as UTF-8",
        ),
        (
            b"stem,answer\nq,1\n",
            "x.csv row 1: no field 'input', 'question' or 'prompt' (the record has stem, answer); "
            "pass sample=fn to turn a record into a Sample",
        ),
    ],
)
def test_bad_content(tmp_path, content, sentence):
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(DatasetError) as error:
        open_samples("x.csv")
    assert str(error.value) == sentence
