"""Instructions that a reply follows, or does not."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_modeleval.errors import UsageError
from pytest_modeleval.scorers import follows
from pytest_modeleval.scorers.instructions import _CHECKS

AT_LEAST, LESS_THAN = "at least", "less than"

CASES: list[tuple[str, dict[str, Any], str, str]] = [
    # instruction, its arguments, a reply that follows, one that does not
    ("keywords:existence", {"keywords": ["sky", "C++"]}, "The Sky in c++.", "The sky in C."),
    (
        "keywords:frequency",
        {"keyword": "ha", "frequency": 3, "relation": AT_LEAST},
        "Ha hahaha",
        "ha ha",
    ),
    (
        "keywords:frequency",
        {"keyword": "ha", "frequency": 3, "relation": LESS_THAN},
        "ha ha",
        "ha ha ha",
    ),
    ("keywords:forbidden_words", {"forbidden_words": ["art", "x.y"]}, "The party xzy", "Fine ART."),
    (
        "keywords:letter_frequency",
        {"letter": "A", "let_frequency": 3, "let_relation": AT_LEAST},
        "Banana",
        "Bandit's",
    ),
    (
        "keywords:letter_frequency",
        {"letter": "#", "let_frequency": 2, "let_relation": AT_LEAST},
        "#a #b",
        "#a b",
    ),
    (
        "language:response_language",
        {"language": "de"},
        "Das ist ein Haus und kein Boot.",
        "A house.",
    ),
    ("length_constraints:number_words", {"num_words": 3, "relation": AT_LEAST}, "a b, c", "a b -"),
    ("length_constraints:number_words", {"num_words": 3, "relation": LESS_THAN}, "a b", "a b c"),
    (
        "length_constraints:number_sentences",
        {"num_sentences": 3, "relation": AT_LEAST},
        'He said "No!" Dr. J. Smith left. Why?',
        "Dr. J. Smith of the U.S. left at 3.30 p.m. today. Why",
    ),
    (
        "length_constraints:number_paragraphs",
        {"num_paragraphs": 2},
        "***\na\n\nb\n***\nc\n***",
        "a *** *** b",
    ),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "a***b", "a *** b *** c"),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "Well"},
        'One.\n\n"well, two.',
        "One.\n\nSo well.",
    ),
    (
        "detectable_content:number_placeholders",
        {"num_placeholders": 3},
        "[a] and [[b] c] [d]",
        "[a] and [b]] [c\n]",
    ),
    ("detectable_content:postscript", {"postscript_marker": "P.S."}, "Bye. p. s. No", "Bye. PS"),
    ("detectable_content:postscript", {"postscript_marker": "P.P.S"}, "P.S. P.P.S", "P.S."),
    (
        "detectable_format:number_bullet_lists",
        {"num_bullets": 2},
        "Here:\n * one\n - two\n**three**",
        "* one\n* two\n- three",
    ),
    ("detectable_format:constrained_response", {}, "Hm. My answer is no.", "My answer: no."),
    (
        "detectable_format:number_highlighted_sections",
        {"num_highlights": 2},
        "*one* and *two*",
        "*one* and * * and *\n*",
    ),
    ("detectable_format:number_highlighted_sections", {"num_highlights": 2}, "**one** *a*", "*a*"),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": "Part", "num_sections": 2},
        "Part 1 a Part2 b",
        "Part 1 a part 2 Part b",
    ),
    ("detectable_format:json_format", {}, '```json\n{"a": [1]}\n```', '{"a": [1}'),
    ("detectable_format:title", {}, "So:\n<<A title>> it", "<< >> <<a\n>>"),
    ("combination:two_responses", {}, "one\n******\ntwo", "one******one"),
    ("combination:two_responses", {}, "******one******two******", "a******b******c"),
    ("combination:repeat_prompt", {"prompt_to_repeat": "Do it. "}, " do it. Yes", "Yes. Do it."),
    ("startend:end_checker", {"end_phrase": "Is it? "}, '"Well. is it?"', "Is it? Yes"),
    ("startend:quotation", {}, ' "so" ', '"'),
    (
        "change_case:capital_word_frequency",
        {"capital_frequency": 2, "capital_relation": AT_LEAST},
        "NASA's CO-OP",
        "Nasa and the CO-OP",
    ),
    ("change_case:english_capital", {}, "THIS IS A HOUSE, 1 OF 2.", "THIS IS A house."),
    ("change_case:english_lowercase", {}, "this is a house.", "das ist ein haus und kein boot."),
    ("punctuation:no_comma", {}, "None; none.", "One, two"),
]


@pytest.mark.parametrize(("name", "arguments", "good", "bad"), CASES)
def test_one(name: str, arguments: dict[str, Any], good: str, bad: str) -> None:
    if "language" in name or "english" in name:
        pytest.importorskip("langdetect")
    assert follows(good, [name], [arguments]) == [True]
    assert follows(bad, [name], [arguments]) == [False]


def test_each_is_tried() -> None:
    assert {name for name, *_ in CASES} == set(_CHECKS)
    assert len(_CHECKS) == 25


def test_each_instruction_by_itself() -> None:
    names = ["punctuation:no_comma", "startend:quotation", "punctuation:no_comma"]
    assert follows("No comma.", names, [{}, {}, {}]) == [True, False, True]


@pytest.mark.parametrize("text", ["", " \n"])
@pytest.mark.parametrize("loose", [False, True])
def test_an_empty_reply_follows_nothing(text: str, loose: bool) -> None:
    assert follows(text, ["punctuation:no_comma"], [{}], loose=loose) == [False]


class TestLoosely:
    @pytest.mark.parametrize(
        "reply",
        ['Sure, here it is:\n"so"', '"so"\nAnything else?', 'Sure:\n\n"so"\n\nBye.', '**"so"**'],
    )
    def test_without_what_stands_around(self, reply: str) -> None:
        assert follows(reply, ["startend:quotation"], [{}]) == [False]
        assert follows(reply, ["startend:quotation"], [{}], loose=True) == [True]

    def test_only_the_first_and_the_last_line(self) -> None:
        assert follows('a\nb\n"so"', ["startend:quotation"], [{}], loose=True) == [False]


class TestMistakes:
    def test_an_unknown_instruction(self) -> None:
        with pytest.raises(ValueError, match="'punctuation:no_commas': did you mean 'punctuation:"):
            follows("a", ["punctuation:no_commas"], [{}])

    def test_an_argument_that_is_missing(self) -> None:
        with pytest.raises(ValueError, match=r"^startend:end_checker with \{\}: .*'end_phrase'"):
            follows("a", ["startend:end_checker"], [{}])

    def test_another_relation(self) -> None:
        arguments = {"num_words": 3, "relation": "about"}
        with pytest.raises(ValueError, match=r"^the relation is 'about'; expected 'less than' or"):
            follows("a", ["length_constraints:number_words"], [arguments])

    def test_without_langdetect(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "langdetect", None)
        with pytest.raises(UsageError, match=r"pip install 'pytest-modeleval\[scorers\]'"):
            follows("a", ["language:response_language"], [{"language": "de"}])


def test_the_real_prompts_can_all_be_checked(shared_data: Path) -> None:
    pytest.importorskip("langdetect")
    lines = (shared_data / "ifeval/input_data.jsonl").read_text("utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    checked = [follows("Yes.", each["instruction_id_list"], each["kwargs"]) for each in records]
    assert (len(checked), sum(map(len, checked))) == (541, 834)
