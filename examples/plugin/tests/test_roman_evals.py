"""The scorer does what it says, without any model."""

import pytest
from roman_evals import roman_number


@pytest.mark.parametrize(
    ("text", "right"),
    [("XLIV", True), ("It is XLIV.", True), ("XXXXIIII", False), ("XLVI", False), ("44", False)],
)
def test_roman_number(text, right):
    assert roman_number(text, "44") is right


def test_signs_that_are_added_up():
    assert roman_number("XXXXIIII", "44", strict=False)
    assert not roman_number("XXXXIII", "44", strict=False)
