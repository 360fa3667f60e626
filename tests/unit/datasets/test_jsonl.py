"""JSON Lines files: what is read, and what each malformed line is told."""

from __future__ import annotations

import gzip
import hashlib
import os
from pathlib import Path

import pytest

from pytest_modeleval.datasets.source import open_dataset, open_samples
from pytest_modeleval.errors import DatasetError


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes x.jsonl into the current folder."""
    monkeypatch.chdir(tmp_path)

    def write(content: bytes, name: str = "x.jsonl") -> Path:
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return write


def test_values_keep_their_json_types(write):
    write(
        b'{"a": "2020-01-01", "b": 1}\n'
        b'{"a": 7, "b": "1", "c": [1, null, true]}\n'
        b'{"a": 1180591620717411303424, "d": {"e": 0.5}}\n'
    )
    dataset = open_dataset("x.jsonl")
    assert [dataset.record(row) for row in range(len(dataset))] == [
        {"a": "2020-01-01", "b": 1},
        {"a": 7, "b": "1", "c": [1, None, True]},
        {"a": 1180591620717411303424, "d": {"e": 0.5}},
    ]


def test_records_are_read_in_any_order_and_the_last_line_needs_no_newline(write):
    write(b'{"a": 0}\n{"a": 1}\n{"a": 2}')
    dataset = open_dataset("x.jsonl")
    assert [dataset.record(row)["a"] for row in (2, 0, 1, 2)] == [2, 0, 1, 2]


def test_blank_lines_are_skipped_but_counted_as_lines(write):
    write(b'\n{"a": 0}\n  \t\n\r\n{"a": 1}\n\n')
    dataset = open_dataset("x.jsonl")
    assert [dataset.record(row)["a"] for row in range(len(dataset))] == [0, 1]
    assert [dataset.where(row) for row in (0, 1)] == ["x.jsonl line 2", "x.jsonl line 5"]


def test_byte_order_mark_and_windows_newlines_are_read(write):
    write(b'\xef\xbb\xbf{"a": 0}\r\n{"a": 1}\r\n')
    dataset = open_dataset("x.jsonl")
    assert [dataset.record(row) for row in range(len(dataset))] == [{"a": 0}, {"a": 1}]


def test_a_line_separator_of_unicode_does_not_end_a_line(write):
    write('{"a": "one\u2028two\x85three"}\n'.encode())
    assert open_dataset("x.jsonl").record(0) == {"a": "one\u2028two\x85three"}


def test_gzip_is_unpacked(write):
    write(gzip.compress(b'{"a": 0}\n\n{"a": 1}\n'), "x.jsonl.gz")
    dataset = open_dataset("x.jsonl.gz")
    assert dataset.record(1) == {"a": 1}
    assert dataset.where(1) == "x.jsonl.gz line 3"


def test_fingerprint_is_that_of_the_file(write):
    content = b'{"a": 0}\n' * 3
    write(content)
    assert open_dataset("x.jsonl").fingerprint == hashlib.sha256(content).hexdigest()


GOOD = b'{"input": "q"}\n'


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            GOOD + b'{"input" "q"}\n',
            "x.jsonl line 2: malformed JSON at column 10: Expecting ':' delimiter",
        ),
        (
            GOOD + b'\n{"input": "q"} {"input": "r"}\n',
            "x.jsonl line 3: malformed JSON at column 16: Extra data",
        ),
        (
            GOOD + b'{"input": "q"',
            "x.jsonl line 2: malformed JSON at column 14: Expecting ',' delimiter",
        ),
        (
            GOOD + b'{"input": "caf\xe9"}\n',
            "x.jsonl line 2: byte 15 is not UTF-8; save the file as UTF-8",
        ),
        (b'["q"]\n', "x.jsonl line 1: expected a JSON object, found an array"),
        (b"null\n", "x.jsonl line 1: expected a JSON object, found null"),
        (b'"q"\n', "x.jsonl line 1: expected a JSON object, found a text"),
        (b"true\n", "x.jsonl line 1: expected a JSON object, found a truth value"),
        (b"5\n", "x.jsonl line 1: expected a JSON object, found a number"),
        (
            GOOD + b'{"input": "q", "target": NaN}\n',
            "x.jsonl line 2: malformed JSON: NaN is not a JSON value; write null or a text",
        ),
        (
            b'{"input": "q", "target": -Infinity}\n',
            "x.jsonl line 1: malformed JSON: -Infinity is not a JSON value; write null or a text",
        ),
        (b"", "dataset x.jsonl is empty: it has no samples"),
        (b" \n\n", "dataset x.jsonl is empty: it has no samples"),
    ],
)
def test_bad_content_is_named_when_the_samples_are_opened(write, content, sentence):
    write(content)
    with pytest.raises(DatasetError) as error:
        open_samples("x.jsonl")
    assert str(error.value) == sentence


def test_json_nested_too_deeply_is_malformed(write):
    write(b'{"input": ' + b"[" * 200_000 + b"\n")
    with pytest.raises(DatasetError, match=r"^x\.jsonl line 1: malformed JSON: "):
        open_samples("x.jsonl")


def test_utf16_is_told_to_be_saved_as_utf8(write):
    write('{"input": "q"}\n'.encode("utf-16"))
    with pytest.raises(DatasetError) as error:
        open_samples("x.jsonl")
    assert str(error.value) == "x.jsonl line 1: byte 1 is not UTF-8; save the file as UTF-8"


def test_a_truncated_gzip_file(write):
    write(gzip.compress(GOOD * 100)[:-12], "x.jsonl.gz")
    with pytest.raises(DatasetError, match=r"^x\.jsonl\.gz is not a whole gzip file: "):
        open_samples("x.jsonl.gz")


def test_a_folder_cannot_be_read(write, tmp_path):
    (tmp_path / "x.jsonl").mkdir()
    with pytest.raises(DatasetError) as error:
        open_samples("x.jsonl")
    assert str(error.value) == "x.jsonl cannot be read: Is a directory"


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every file"
)
def test_a_file_without_permission(write):
    write(GOOD).chmod(0)
    with pytest.raises(DatasetError) as error:
        open_samples("x.jsonl")
    assert str(error.value) == "x.jsonl cannot be read: Permission denied"
