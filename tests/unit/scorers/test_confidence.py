"""Confidence: from token probabilities, from choices, and from what a reply says."""

from __future__ import annotations

import math

import pytest

from pytest_modeleval.models.protocol import Choice, Generation, TokenLogprob
from pytest_modeleval.scorers import stated_confidence, token_confidence


def test_of_tokens_is_the_product_of_their_probabilities() -> None:
    tokens = (TokenLogprob("4", math.log(0.8)), TokenLogprob("2", math.log(0.5)))
    assert token_confidence(Generation("42", logprobs=tokens)) == pytest.approx(0.4)
    assert token_confidence(Generation("42")) is None
    rounded_up = (TokenLogprob("4", 1e-9),)
    assert token_confidence(Generation("4", logprobs=rounded_up)) == 1


def test_of_a_choice_is_its_share() -> None:
    scores = (math.log(0.1), math.log(0.3), -10_000.0)
    assert token_confidence(Choice(1, "b", scores, ())) == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("text", "confidence"),
    [
        ("Paris. Confidence: 85%", 0.85),
        ("confidence = 0.9", 0.9),
        ("My certainty is 70 percent.", 0.7),
        ("**Confidence:** 60 %\nno, confidence: 40 %", 0.4),
        ("probability of .25", 0.25),
        ("Confidence: 1", 1.0),
        ("Confidence: 250%", None),
        ("I am 90 % sure", None),
        ("", None),
    ],
)
def test_stated(text: str, confidence: float | None) -> None:
    assert stated_confidence(text) == (None if confidence is None else pytest.approx(confidence))
