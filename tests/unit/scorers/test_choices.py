"""The letter that a reply chose."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pytest_modeleval.scorers import choice_letter


@pytest.mark.parametrize(
    "text",
    [
        "The answer is B.",
        "The answer is B",
        "The answer is (B) Paris",
        "The answer is B because A is wrong.",
        "The answer is B, a city.",
        "The answer is B, not A",
        "the best answer is: B",
        'The answer is "B"',
        "Answer: B",
        "**Answer:** B",
        "**Answer**: (B)",
        "**Answer: B**",
        "Answer: B) Paris",
        "Answer: B. Paris",
        "Answer: B: Paris",
        "Answer: $\\text{(B)}$",
        "The correct option is **B**.",
        "The correct choice would be B",
        "The answer is option B.",
        "Final answer: $\\boxed{B}$",
        "\\boxed{\\text{B}}",
        "The answer is:\n\n**B**\n\nParis it is.",
        "The answer is A. Wait, the answer is B.",
        "The answer is B. (A) is wrong.",
    ],
)
def test_a_statement(text: str) -> None:
    assert choice_letter(text) == "B"


@pytest.mark.parametrize(
    "text",
    ["B", " B\n", "(B)", "B.", "**B**", "$B$", "(A) no.\n(C) no.\n\nB", "B\n\n(A) is wrong."],
)
def test_a_line_that_is_only_a_letter(text: str) -> None:
    assert choice_letter(text) == "B"


@pytest.mark.parametrize(
    "text", ["B) Paris", "B. Paris", "**B)** Paris", "I choose (B).", "(B)(B)"]
)
def test_a_letter_set_off_from_the_prose(text: str) -> None:
    assert choice_letter(text) == "B"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\0\ud800",
        "A man walks into a bar",
        "A",  # not allowed below
        "I think B",
        "a",
        "The answer is A dog",
        "The answer is a good one",
        "The answer is Big",
        "Answer: B man",
        "The answer is not B.",
        "B: Paris",
        "D",  # not allowed below
    ],
)
def test_no_answer(text: str) -> None:
    assert choice_letter(text, "BC" if text in ("A", "D") else "ABC") is None


@pytest.mark.parametrize(
    "text",
    [
        "The answer is B or C",
        "The answer is either B or C",
        "The answer is (B) or (C)",
        "The answer is B, C",
        "The answer is B and C.",
        "Answer: B/C",
        "Answer: A, B, C, or D",
        "Answer: A) sand B) forest",
        "Answer:\nA. sand\nB. forest",
        "(A) sand (B) forest (C) city",
        "A) sand\nB) forest",
        "The answer is B. No, the answer is B or C.",
    ],
)
def test_several_letters_are_no_answer(text: str) -> None:
    assert choice_letter(text) is None


@pytest.mark.parametrize(
    "form",
    [
        "{}",
        "({})",
        "The answer is {} because",
        "The answer is {} dog",
        "{} man",
        "Answer: {}",
        "{}.",
    ],
)
def test_no_letter_is_favoured(form: str) -> None:
    found = {choice_letter(form.format(letter), "ABI") == letter for letter in "ABI"}
    assert len(found) == 1


def test_the_pronoun_is_no_second_letter() -> None:
    assert choice_letter("The answer is B, I think.", "ABCDEFGHIJ") == "B"


def test_digits_may_be_choices() -> None:
    assert choice_letter("Answer: 3", ["1", "2", "3"]) == "3"
    assert choice_letter("Answer: 3.5", ["1", "2", "3"]) is None


@pytest.mark.parametrize("letters", ["", "AA", ["AB"], "A]", [""]])
def test_letters_that_cannot_be_told_apart_are_refused(letters: Sequence[str]) -> None:
    with pytest.raises(ValueError, match="letters"):
        choice_letter("A", letters)
