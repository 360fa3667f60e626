"""Few-shot examples: reproducible, and never the sample itself."""

from __future__ import annotations

import pytest

from pytest_modeleval.datasets.few_shot import FewShot
from pytest_modeleval.datasets.sample import Sample
from pytest_modeleval.datasets.source import open_samples
from pytest_modeleval.errors import DatasetError

RECORDS = [{"input": f"question {number}", "target": str(number)} for number in range(50)]


def inputs(samples, index):
    return [example.input for example in samples.sample(index).few_shot]


def test_examples_are_whole_samples_from_the_dataset_itself():
    examples = open_samples(RECORDS, few_shot=4).sample(0).few_shot
    assert len({example.id for example in examples}) == 4
    for example in examples:
        assert example == Sample(example.id, f"question {int(example.id)}", str(int(example.id)))


def test_no_sample_is_its_own_example():
    samples = open_samples(RECORDS, few_shot=len(RECORDS) - 1)
    for index, record in enumerate(RECORDS):
        others = {other["input"] for other in RECORDS} - {record["input"]}
        assert set(inputs(samples, index)) == others


def test_another_row_with_the_same_question_is_no_example_either():
    samples = open_samples(
        [{"input": "A b?"}, {"input": " a  B? "}, {"input": "c"}, {"input": "C"}], few_shot=1
    )
    assert {inputs(samples, index)[0].casefold() for index in (0, 1)} == {"c"}


def test_examples_differ_among_themselves():
    samples = open_samples([{"input": "a"}, {"input": "b"}, {"input": "b"}], few_shot=2)
    with pytest.raises(DatasetError) as error:
        samples.sample(0)
    assert str(error.value) == (
        "few_shot asks for 2 examples, but records has only 1 with inputs other than that of 0000"
    )


def test_examples_depend_on_the_seed_and_the_sample_alone():
    first, again = (open_samples(RECORDS, few_shot=FewShot(3, seed=5)) for _ in range(2))
    other = open_samples(RECORDS, few_shot=FewShot(3, seed=6))
    assert [inputs(first, i) for i in range(50)] == [inputs(again, i) for i in range(50)]
    assert inputs(first, 7) == EXAMPLES
    assert inputs(first, 7) != inputs(first, 8)
    assert inputs(first, 7) != inputs(other, 7)
    assert inputs(first, 7) == [e.input for e in first.sample(7, epoch=2).few_shot]


EXAMPLES = ["question 35", "question 46", "question 23"]


def test_fewer_examples_are_the_first_of_more():
    assert (
        inputs(open_samples(RECORDS, few_shot=3), 7)
        == inputs(open_samples(RECORDS, few_shot=8), 7)[:3]
    )


def test_every_record_is_drawn_about_equally_often():
    samples = open_samples(RECORDS, few_shot=5)
    drawn = [text for index in range(50) for text in inputs(samples, index)]
    counts = [drawn.count(record["input"]) for record in RECORDS]
    assert sum(counts) == 250
    assert max(counts) <= 15  # Poisson with mean 5: above that once in 14,000


def test_examples_from_a_source():
    other = [{"input": "question 0"}, {"input": "x"}, {"input": "y"}]
    samples = open_samples(RECORDS, few_shot=FewShot(2, source=other))
    assert set(inputs(samples, 0)) == {"x", "y"}


def test_the_authors_function_reads_the_source_too():
    samples = open_samples(
        [{"q": "a"}], to_sample=lambda r: {"input": r["q"]}, few_shot=FewShot(1, [{"q": "b"}])
    )
    assert inputs(samples, 0) == ["b"]


def test_examples_have_no_examples():
    assert all(e.few_shot == () for e in open_samples(RECORDS, few_shot=2).sample(0).few_shot)


def test_no_examples():
    assert open_samples(RECORDS, few_shot=0).sample(0).few_shot == ()


@pytest.mark.parametrize(
    ("few_shot", "available"), [(50, 49), (FewShot(2, source=[{"input": "x"}]), 1)]
)
def test_too_few_examples(few_shot, available):
    count = few_shot if isinstance(few_shot, int) else few_shot.count
    with pytest.raises(DatasetError) as error:
        open_samples(RECORDS, few_shot=few_shot)
    assert str(error.value) == (
        f"few_shot asks for {count} examples, but records has only {available} to show"
    )
