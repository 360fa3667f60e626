"""What a reply says its answer is."""

from __future__ import annotations

import pytest

from pytest_modeleval.scorers import stated_answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("So the answer is Yes.", "Yes"),
        ("So the answer is ] ) >.", "] ) >"),
        ("The answer is: 42", "42"),
        ("**Answer:** `valid`", "valid"),
        ("Answer:\n\n42\nThat is all.", "42"),
        ("The answer is A.\nNo, wait: the answer is **B**.", "B"),
        ("the answer is Monsters, Inc.", "Monsters, Inc"),
        ("answer: $3.50.", "3.50"),
        ("FINAL ANSWER: no", "no"),
    ],
)
def test_stated(text: str, answer: str) -> None:
    assert stated_answer(text) == answer


@pytest.mark.parametrize("text", ["", "Yes.", "I answered it.", "The answer is", "Answer: **"])
def test_nothing_is_stated(text: str) -> None:
    assert stated_answer(text) is None
