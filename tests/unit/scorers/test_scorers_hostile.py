"""Replies that are empty, huge, or made to be slow to read."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from pytest_modeleval.scorers import (
    bleu,
    boxed,
    choice_letter,
    chrf,
    exact_match,
    f1,
    follows,
    last_number,
    number,
    regex,
    rouge,
    same_formula,
    same_literal,
    stated_answer,
)

TARGET = "the quick brown fox jumps over the lazy dog"

INSTRUCTIONS: dict[str, dict[str, object]] = {
    "keywords:forbidden_words": {"forbidden_words": ["the", "a"]},
    "length_constraints:number_sentences": {"num_sentences": 3, "relation": "less than"},
    "length_constraints:number_paragraphs": {"num_paragraphs": 3},
    "length_constraints:nth_paragraph_first_word": {
        "num_paragraphs": 2,
        "nth_paragraph": 1,
        "first_word": "the",
    },
    "detectable_content:number_placeholders": {"num_placeholders": 10**9},
    "detectable_content:postscript": {"postscript_marker": "P.P.S"},
    "detectable_format:number_bullet_lists": {"num_bullets": 3},
    "detectable_format:number_highlighted_sections": {"num_highlights": 10**9},
    "detectable_format:multiple_sections": {"section_spliter": "the", "num_sections": 10**9},
    "detectable_format:json_format": {},
    "detectable_format:title": {},
    "change_case:capital_word_frequency": {"capital_frequency": 9, "capital_relation": "at least"},
}

SCORERS: dict[str, Callable[[str], object]] = {
    "last_number": last_number,
    "boxed": boxed,
    "choice_letter": choice_letter,
    "exact_match": lambda text: exact_match(text, TARGET, normalize="squad"),
    "f1": lambda text: f1(text, TARGET),
    "regex": lambda text: regex(text, r"answer is (\w)", index=-1),
    "bleu": lambda text: bleu(text, TARGET),
    "chrf": lambda text: chrf(text, TARGET),
    "rouge": lambda text: rouge(text, TARGET),
    "rouge2": lambda text: rouge(text, TARGET, variant="rouge2"),
    "rougeLsum": lambda text: rouge(text, TARGET, variant="rougeLsum"),
    "same_formula": lambda text: same_formula(text, "1"),
    "same_literal": lambda text: same_literal(text, "1"),
    "stated_answer": stated_answer,
    "follows": lambda text: follows(text, list(INSTRUCTIONS), list(INSTRUCTIONS.values())),
}

SHAPES = [
    "1",
    ",",
    "1,",
    "1 ",
    "1.",
    "1/",
    "1e",
    "1\u00a0",
    "$",
    "-",
    "^",
    "\\",
    "{",
    "}",
    "\\boxed{",
    "\\boxed{A}",
    "\\frac{1",
    "\\frac{" + "1" * 500,
    "\\frac ",
    "1\\text{ ",
    "\\text{",
    "[",
    "]",
    "<<",
    "p.",
    "***",
    "* ",
    "answer",
    "answer is ",
    "answer is" + " " * 100,
    "answer is" + " " * 40_000,
    "answer:" + "\n" * 40_000,
    "Answer: A, ",
    "Answer: A) ",
    "A",
    "(A)",
    "A)\n",
    "(",
    "*",
    " ",
    "\n",
    "\t\n",
    "the ",
    "the quick ",
    "\0",
    "\ud800",
    "é",
]


def _seconds(scorer: Callable[[str], object], text: str) -> float:
    taken = []
    for _ in range(3):
        start = time.process_time()
        scorer(text)
        taken.append(time.process_time() - start)
    return min(taken)


@pytest.mark.parametrize("name", SCORERS)
def test_time_grows_with_the_reply_not_with_its_square(name: str) -> None:
    """Eight times the text: linear work takes 8 times as long, quadratic 64 times."""
    scorer = SCORERS[name]
    scorer("warm up: what is imported on the first call is not counted")
    for shape in SHAPES:
        short, long = ((shape * (size // len(shape) + 1))[:size] for size in (5_000, 40_000))
        # One millisecond is added, so that the clock's own grain is not taken for growth.
        ratio = (_seconds(scorer, long) + 1e-3) / (_seconds(scorer, short) + 1e-3)
        assert ratio < 24, f"{name} on {shape[:20]!r} repeated"


@pytest.mark.parametrize("name", SCORERS)
@pytest.mark.parametrize(
    "text", ["", " ", "\n", "\0", "\ud800", "\udfff 1", "\\boxed{", "²", "\u0661"]
)
def test_no_reply_is_too_odd(name: str, text: str) -> None:
    SCORERS[name](text)


def test_a_reply_of_ten_megabytes() -> None:
    padding = "On the one hand, x = 3 (A) and on the other, y = 4 (B).\n" * 180_000
    reply = padding + "The answer is B.\n\\boxed{1,018}"
    assert len(reply) > 10_000_000
    assert last_number(reply) == "1018"
    assert boxed(reply) == "1,018"
    assert choice_letter(reply) == "B"
    assert choice_letter(padding) is None
    assert not exact_match(reply, "1018", normalize="squad")
    assert f1(reply, "1018") < 1e-5
    assert rouge(reply, TARGET) < 1e-3


def test_a_number_of_ten_megabytes() -> None:
    digits = "1" * 10_000_000
    assert last_number(digits) == digits
    assert last_number("0" * 10_000_000 + "7") == "7"
    assert number(10**5000) == "1" + "0" * 5000
    assert last_number("1e999") == "1" + "0" * 999
    assert last_number("1/" + "1" * 10_000) is None


def test_the_few_shot_text_alone_is_scored_as_any_text() -> None:
    """Nothing here can tell it from an answer: it is the number of the last example, or none."""
    shots = "Q: 1 + 1?\nA: 2\n\nQ: Which one?\n(A) sand\n(B) wood\nAnswer: B\n\nQ: 16 - 3?\nA:"
    assert last_number(shots) == "3"
    assert choice_letter(shots) == "B"
    assert boxed(shots) is None
