"""The noun itself."""

from __future__ import annotations

import dataclasses

import pytest

from pytest_modeleval.datasets.sample import Sample


def test_a_sample_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Sample("a").id = "b"


def test_resources_are_not_part_of_what_a_sample_is():
    assert Sample("a", "q") == Sample("a", "q")
    assert "resources" not in repr(Sample("a"))


def test_each_epoch_has_resources_of_its_own():
    first = Sample("a")
    assert dataclasses.replace(first, epoch=1).resources is not first.resources
