"""From records to samples: the default conversion, an author's own, and ids."""

from __future__ import annotations

import json

import pytest

from pytest_modeleval.datasets.sample import Sample
from pytest_modeleval.datasets.source import open_samples
from pytest_modeleval.errors import DatasetError


@pytest.fixture
def lines(tmp_path, monkeypatch):
    """Writes records to x.jsonl in the current folder, one a line."""
    monkeypatch.chdir(tmp_path)

    def lines(*records):
        (tmp_path / "x.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
        return "x.jsonl"

    return lines


def ids(samples):
    return [samples.id(index) for index in range(len(samples))]


@pytest.mark.parametrize("input_field", ["input", "question", "prompt"])
@pytest.mark.parametrize("target_field", ["target", "answer"])
def test_the_usual_fields(input_field, target_field):
    record = {"id": "a", input_field: "q", target_field: 5, "choices": ["x", "y"], "topic": "t"}
    expected = Sample("a", "q", 5, ("x", "y"), {"topic": "t"})
    assert open_samples([record]).sample(0) == expected


def test_a_field_metadata_is_laid_beside_the_other_fields():
    sample = open_samples([{"input": "q", "metadata": {"topic": "t"}, "level": 2}]).sample(0)
    assert sample.metadata == {"level": 2, "topic": "t"}


def test_the_first_of_the_usual_fields_counts_and_no_record_is_changed():
    record = {"question": "q", "input": "i", "answer": "a", "target": "t"}
    sample = open_samples([record]).sample(0)
    assert (sample.input, sample.target) == ("i", "t")
    assert sample.metadata == {"question": "q", "answer": "a"}
    assert len(record) == 4


def test_the_id_is_that_of_the_id_field():
    samples = open_samples([{"id": "b", "input": "q"}, {"id": 17, "input": "q"}])
    assert ids(samples) == ["b", "17"]
    assert samples.sample(1).id == "17"


def test_another_field_may_hold_the_id():
    samples = open_samples([{"key": 0, "id": "x", "input": "q"}], id_field="key")
    assert ids(samples) == ["0"]
    assert samples.sample(0).metadata == {"id": "x"}


def test_without_an_id_it_is_the_row():
    samples = open_samples([{"input": "q"}] * 12_345)
    assert (samples.id(0), samples.id(12_344)) == ("00000", "12344")
    assert ids(open_samples([{"id": None, "input": "q"}, {"id": "", "input": "q"}])) == [
        "0000",
        "0001",
    ]


def test_an_id_field_may_be_missing_here_and_there():
    assert ids(open_samples([{"id": "a", "input": "q"}, {"input": "q"}])) == ["a", "0001"]


def test_unsafe_ids_are_made_safe():
    assert ids(open_samples([{"id": "a [b]", "input": "q"}])) == ["a__b_-c0c8529b"]


def test_epochs():
    samples = open_samples([{"input": "q"}])
    assert [samples.sample(0, epoch).epoch for epoch in (0, 3)] == [0, 3]


# --- sample=fn ---------------------------------------------------------------------------------


def capital(record):
    return Sample(input=f"Capital of {record['country']}?", target=record["capital"])


FRANCE = {"country": "France", "capital": "Paris"}


def test_a_function_makes_the_sample():
    samples = open_samples([FRANCE], to_sample=capital)
    assert samples.sample(0) == Sample("0000", "Capital of France?", "Paris")


def test_a_function_may_return_a_mapping_of_the_usual_fields():
    samples = open_samples(
        [FRANCE], to_sample=lambda r: {"id": 7, "input": r["country"], "level": 1}
    )
    assert samples.sample(0) == Sample("7", "France", metadata={"level": 1})


def test_a_function_that_gives_no_id_leaves_the_one_of_the_record():
    samples = open_samples([{"id": "fr", **FRANCE}], to_sample=capital)
    assert samples.sample(0).id == samples.id(0) == "fr"


def test_a_number_zero_is_an_id():
    assert ids(open_samples([FRANCE], to_sample=lambda record: Sample(id=0))) == ["0"]


def paragraphs(record):
    return [{"question": question} for question in record["questions"]]


def test_a_function_may_make_several_samples_of_a_record_or_none():
    records = [{"questions": ["a", "b"]}, {"questions": []}, {"questions": ["c"]}]
    samples = open_samples(records, to_sample=paragraphs)
    assert ids(samples) == ["0000-0", "0000-1", "0002-0"]
    assert [samples.sample(index).input for index in range(3)] == ["a", "b", "c"]
    assert samples.where(2) == "records[2]"


def test_several_samples_of_a_record_with_an_id():
    samples = open_samples([{"id": "x", "questions": ["a", "b"]}], to_sample=paragraphs)
    assert ids(samples) == ["x-0", "x-1"]


def test_a_function_that_changes_its_mind():
    answers = iter([[{"input": "a"}], {"input": "a"}, []])
    samples = open_samples([{}], to_sample=lambda record: next(answers))
    for _ in range(2):
        with pytest.raises(DatasetError, match=r"made something else of this record than"):
            samples.sample(0)


# --- what is told to an author -----------------------------------------------------------------


def raises(records, sentence, **options):
    with pytest.raises(DatasetError) as error:
        open_samples(records, **options)
    assert str(error.value) == sentence


def test_a_missing_field(lines):
    raises(
        lines({"input": "q"}, {"stem": "q", "target": "t"}),
        "x.jsonl line 2: no field 'input', 'question' or 'prompt' (the record has stem, target); "
        "pass sample=fn to turn a record into a Sample",
    )


def test_duplicate_ids(lines):
    raises(
        lines(*({"id": name, "input": "q"} for name in "abcb")),
        "x.jsonl line 4: id 'b' was already given by x.jsonl line 2; ids must be unique",
    )


def test_the_same_id_as_a_number_and_as_a_text(lines):
    raises(
        lines({"id": 1, "input": "q"}, {"id": "1", "input": "q"}),
        "x.jsonl line 2: id '1' was already given by x.jsonl line 1; ids must be unique",
    )


@pytest.mark.parametrize("value", [1.5, True, ["a"], {"a": 1}])
def test_an_id_of_another_type(lines, value):
    raises(
        lines({"id": value, "input": "q"}),
        f"x.jsonl line 1: an id must be a text or a whole number, not {value!r}",
    )


@pytest.mark.parametrize("value", ["a, b", [1, 2], {"text": ["a"]}, None])
def test_choices_that_are_no_texts(lines, value):
    raises(
        lines({"input": "q", "choices": value}),
        f"x.jsonl line 1: choices must be a list of texts, not {value!r}; "
        "pass sample=fn to turn a record into a Sample",
    )


def test_an_empty_list():
    raises([], "dataset records is empty: it has no samples")


def test_a_function_that_drops_every_record():
    raises([{}], "dataset records is empty: it has no samples", to_sample=lambda record: [])


def test_a_function_that_raises(lines):
    raises(
        lines(FRANCE, {"country": "Chile"}),
        "x.jsonl line 2: sample=capital raised KeyError: 'capital' (the record has country)",
        to_sample=capital,
    )


def nothing(record):
    return None


def pairs(record):
    return [("a", "b")]


def test_a_function_that_returns_something_else(lines):
    raises(
        lines(FRANCE),
        "x.jsonl line 1: sample=nothing returned NoneType; "
        "expected a Sample, a mapping or a list of them",
        to_sample=nothing,
    )
    raises(
        lines(FRANCE),
        "x.jsonl line 1: sample=pairs returned a list with tuple in it; "
        "expected a Sample or a mapping",
        to_sample=pairs,
    )
