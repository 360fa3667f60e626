"""Sample ids are safe inside a node id, a shell line and a file."""

from __future__ import annotations

import re
import sys

import pytest

from pytest_modeleval.datasets.sample_ids import MAX_LENGTH, row_width, safe_id


@pytest.mark.parametrize(
    "text",
    ["gsm8k-0042", "HumanEval/0", "Mercury_7175875", "a.b,c:d=e@f#g~h%i(j)", "größe", "東京"],
)
def test_a_safe_text_is_its_own_id(text):
    assert safe_id(text) == text


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("a b", "a_b"),
        ("a[0]", "a_0_"),
        ("a::b", "a__b"),
        ("gate:accuracy", "gate_accuracy"),
        ("a\\b\"c'd$e`f", "a_b_c_d_e_f"),
        ("a\nb\tc\0d\x1b[31m", "a_b_c_d__31m"),
        ("a\u2028b\u202ec\ufeffd", "a_b_c_d"),
        ("a\ud800b", "a_b"),
        ("😀", "_"),
    ],
)
def test_an_unsafe_text_is_cleaned_and_keeps_apart_from_others(text, cleaned):
    assert re.fullmatch(re.escape(cleaned) + "-[0-9a-f]{8}", safe_id(text))
    assert safe_id(text) != safe_id(text + " ")


def test_characters_of_every_kind_make_a_safe_id():
    for code in (*range(0x3100), *range(0xD7F0, 0x10010), 0x1F600, 0xE0001, sys.maxunicode):
        made = safe_id(chr(code))
        assert made.isprintable(), code
        assert not set(made) & set("[]\\\"'$` "), code
        made.encode()


def test_the_length_is_bounded_and_long_ids_stay_apart():
    long = "x" * 10_000
    assert safe_id(long + "a") != safe_id(long + "b")
    assert len(safe_id(long)) == len(safe_id("[" * 500)) == MAX_LENGTH
    assert safe_id("x" * MAX_LENGTH) == "x" * MAX_LENGTH


def test_a_cleaned_id_is_the_same_in_every_run():
    assert safe_id("a b") == "a_b-7faae47c"


def test_row_numbers_have_four_digits_or_more():
    assert [row_width(rows) for rows in (1, 10_000, 10_001, 100_000, 100_001)] == [4, 4, 5, 5, 6]
