"""Which samples a run plans."""

from __future__ import annotations

import pytest

from pytest_modeleval.datasets.selection import select
from pytest_modeleval.datasets.source import open_samples

SAMPLES = open_samples([{"input": "q"}] * 1000)


def test_all_samples():
    assert list(select(SAMPLES)) == list(range(1000))
    assert list(select(SAMPLES, 5000, 7)) == list(range(1000))


def test_the_first_samples():
    assert list(select(SAMPLES, 3)) == [0, 1, 2]


def test_a_seeded_subset_is_the_same_on_every_machine():
    assert list(select(SAMPLES, 5, 7)) == SUBSET


SUBSET = [230, 591, 667, 758, 980]


def test_a_subset_is_in_order_and_without_repeats():
    chosen = list(select(SAMPLES, 200, 1))
    assert chosen == sorted(set(chosen))
    assert len(chosen) == 200


def test_another_seed_is_another_subset():
    assert select(SAMPLES, 20, 1) != select(SAMPLES, 20, 2)


@pytest.mark.parametrize("size", [1, 10, 999])
def test_a_larger_subset_only_adds(size):
    assert set(select(SAMPLES, size, 3)) < set(select(SAMPLES, size + 1, 3))


def test_a_subset_follows_the_ids_and_not_the_rows():
    records = [{"id": f"s{number}", "input": "q"} for number in range(100)]
    one, other = open_samples(records), open_samples(records[::-1])
    assert {one.id(i) for i in select(one, 10, 3)} == {other.id(i) for i in select(other, 10, 3)}


def test_ids_do_not_depend_on_the_selection():
    assert [SAMPLES.id(index) for index in select(SAMPLES, 2)] == ["0000", "0001"]
