"""Where a continuation begins, in tokens."""

from __future__ import annotations

import re

import pytest

from pytest_modeleval.errors import RequestError
from pytest_modeleval.models.continuations import split

WORDS = ["<s>", "The", " answer", " is", " 42", " ", "yes", " yes"]


def encode(text: str) -> list[int]:
    """A tokenizer of words with the space before them."""
    return [WORDS.index(word) for word in re.findall(r" ?\w+| ", text)]


def encode_with_start(text: str) -> list[int]:
    return [0, *encode(text)]


def test_the_cut_is_where_the_context_ends() -> None:
    assert split(encode, "The answer is", [" 42"]) == [([1, 2, 3], [4])]


def test_spaces_at_the_end_of_the_context_belong_to_the_continuation() -> None:
    assert split(encode, "The answer is ", ["42"]) == [([1, 2, 3], [4])]


def test_an_empty_continuation_has_no_tokens() -> None:
    assert split(encode, "The answer", [""]) == [([1, 2], [])]


def test_a_token_that_begins_every_text_is_a_context() -> None:
    assert split(encode_with_start, "", ["yes"]) == [([0], [6])]


@pytest.mark.parametrize("context", ["", " "])
def test_without_a_context_there_is_nothing_to_follow(context: str) -> None:
    with pytest.raises(RequestError, match="context of at least one token"):
        split(encode, context, ["yes"])


def test_a_whole_text_has_its_first_token_for_a_context() -> None:
    assert split(encode, None, ["The answer is"]) == [([1], [2, 3])]
    assert split(encode, None, ["The"]) == [([1], [])]


def test_unless_a_token_begins_every_text() -> None:
    assert split(encode_with_start, None, ["The answer is"]) == [([0], [1, 2, 3])]


def test_the_context_is_encoded_once_for_all_continuations() -> None:
    encoded: list[str] = []

    def telling(text: str) -> list[int]:
        encoded.append(text)
        return encode(text)

    found = split(telling, "The answer is", [" 42", " yes"])

    assert found == [([1, 2, 3], [4]), ([1, 2, 3], [7])]
    assert encoded == ["The answer is", "The answer is 42", "The answer is yes"]
