"""Exact match and its normalisations."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_modeleval.scorers import exact_match, normalize_text


@pytest.mark.parametrize("other", ["paris", " Paris", "Paris.", "Paris\0", ""])
def test_without_normalisation_every_character_counts(other: str) -> None:
    assert exact_match("Paris", "Paris")
    assert not exact_match(other, "Paris")


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("The  Cat, an\tanimal!", "cat animal"),
        ("(a) theory", "theory"),
        ("U.S.", "us"),
        ("Theatre", "theatre"),
        ("£5 … naïve", "£5 … naïve"),
        ("\0\ud800", "\0\ud800"),
        ("The", ""),
    ],
)
def test_squad_normalisation(text: str, normal: str) -> None:
    assert normalize_text(text, "squad") == normal
    assert exact_match(text, normal, normalize="squad")


def test_any_of_several_targets_counts() -> None:
    assert exact_match("b", ["a", "b"])
    assert not exact_match("c", ["a", "b"])


def test_an_unanswerable_question_is_answered_with_nothing() -> None:
    assert exact_match("", [""])
    assert not exact_match("Paris", [""])


def test_an_unknown_normalisation_is_refused() -> None:
    unknown: Any = "lower"
    with pytest.raises(ValueError, match="unknown normalisation 'lower': use 'none' or 'squad'"):
        exact_match("a", "a", normalize=unknown)


def test_no_target_is_refused() -> None:
    with pytest.raises(ValueError, match="no target"):
        exact_match("a", [])


@pytest.mark.parametrize("target", [[18], ["18", None]])
def test_a_target_that_is_not_text_is_refused(target: Any) -> None:
    with pytest.raises(TypeError, match="a target must be text"):
        exact_match("18", target)
