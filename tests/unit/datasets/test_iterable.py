"""Records made by Python code."""

from __future__ import annotations

import pytest

from pytest_modeleval.datasets.source import open_dataset
from pytest_modeleval.errors import DatasetError


def questions():
    for number in range(3):
        yield {"question": number}


@pytest.mark.parametrize(
    ("source", "name"),
    [(questions, "questions"), (questions(), "questions"), (list(questions()), "records")],
    ids=["function", "generator", "list"],
)
def test_records_are_kept_in_order(source, name):
    dataset = open_dataset(source)
    assert [dataset.record(row) for row in (2, 0)] == [{"question": 2}, {"question": 0}]
    assert len(dataset) == 3
    assert dataset.where(1) == f"{name}[1]"


def test_a_dataset_is_taken_as_it_is():
    dataset = open_dataset(questions)
    assert open_dataset(dataset) is dataset


def test_fingerprint_depends_on_the_records_and_not_on_the_order_of_their_fields():
    first = open_dataset([{"a": 1, "b": "é"}])
    assert first.fingerprint == open_dataset([{"b": "é", "a": 1}]).fingerprint
    assert first.fingerprint != open_dataset([{"a": 2, "b": "é"}]).fingerprint
    assert first.fingerprint != open_dataset([{"a": 1, "b": "é"}] * 2).fingerprint


def test_fingerprint_of_values_that_json_does_not_know():
    def fingerprint():
        return open_dataset([{"bytes": b"x", "object": object(), "keys": {1: 2, "a": 3}}])

    assert fingerprint().fingerprint == fingerprint().fingerprint


def test_an_exception_of_the_generator_becomes_a_sentence():
    def broken():
        yield {"question": 1}
        raise KeyError("answer")

    with pytest.raises(DatasetError) as error:
        open_dataset(broken)
    assert str(error.value).endswith("broken raised KeyError: 'answer'")
    assert isinstance(error.value.__cause__, KeyError)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (
            [{"a": 1}, ["a", 1]],
            "records[1] is of type list; expected a mapping of field names to values",
        ),
        (
            5,
            "a dataset cannot be of type int; expected a registered name, a path, "
            "'hf:org/name:config[split]' or an iterable of mappings",
        ),
        (
            {"a": 1},
            "a dataset cannot be of type dict; expected a registered name, a path, "
            "'hf:org/name:config[split]' or an iterable of mappings",
        ),
    ],
)
def test_what_is_no_dataset(source, sentence):
    with pytest.raises(DatasetError) as error:
        open_dataset(source)
    assert str(error.value) == sentence
