"""Extraction with a regular expression."""

from __future__ import annotations

import re

import pytest

from pytest_modeleval.scorers import regex


def test_which_match() -> None:
    text = "a=1 b=2 c=3"
    assert regex(text, r"\w=\d") == "a=1"
    assert regex(text, r"\w=\d", index=1) == "b=2"
    assert regex(text, r"\w=\d", index=-1) == "c=3"
    assert regex(text, r"\w=\d", index=3) is None


def test_the_first_group_that_took_part() -> None:
    assert regex("b=2", r"a=(\d)|b=(\d)") == "2"
    assert regex("b=", r"b=(\d*)") == ""


def test_nothing_found() -> None:
    assert regex("", r"\d") is None
    assert regex("x", r"\d", index=-1) is None


def test_a_compiled_pattern() -> None:
    assert regex("Answer: B", re.compile("answer: (.)", re.IGNORECASE)) == "B"


def test_a_pattern_that_does_not_compile_is_refused() -> None:
    with pytest.raises(ValueError, match=re.escape("the pattern '(' is no regular expression")):
        regex("a", "(")


def test_an_index_below_the_last_is_refused() -> None:
    with pytest.raises(ValueError, match="index is -2"):
        regex("a", "a", index=-2)
