"""The letter that a reply to a multiple-choice question chose."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from .patterns import last


def choice_letter(text: str, letters: Sequence[str] = "ABCD") -> str | None:
    """The letter that the reply gives as its answer; None where it gives none, or several.

    `letters` are the ones allowed, each one character; case counts. Read in this order:

    1. A statement: "the answer is B", "Answer: (B)", "the correct option is **B**", \\boxed{B}.
       The last one counts, so a reply may correct itself. One that names several ("A or B")
       chooses none.
    2. A line that is nothing but a letter, as "B", "(B)", "**B.**": the last line, else the
       first.
    3. Letters set off from the prose, as "B) Paris" or "B. Paris" at the start of a line or
       "(B)" anywhere: counted when they are all the same.

    A letter in running prose never counts, so neither "A man" nor "I think" is an answer, and
    the rules are the same for each letter, so none is favoured. English only. A reply that runs
    on into the next question must be cut first, with a stop sequence.

    After the patterns of simple-evals (`ANSWER_PATTERN_MULTICHOICE` in common.py) and of MMLU-Pro
    (Wang et al. 2024, `extract_answer` in evaluate_from_local.py), without its last resort,
    which takes any single capital for an answer.

    Raises ValueError where a letter is not one letter or digit, is given twice, or none is given.
    """
    patterns = _patterns(tuple(letters))
    statement = last(patterns.statement.finditer(text))
    if statement is not None:
        if statement["several"] or _lists_others(statement, patterns.listed):
            return None
        return statement["boxed"] or statement["letter"] or statement["below"]
    bare = text.strip()
    for line in (bare[bare.rfind("\n") + 1 :], bare.split("\n", 1)[0]):
        alone = patterns.alone.fullmatch(line.strip())
        if alone:
            return alone["letter"]
    found = {match["label"] or match["bracketed"] for match in patterns.set_off.finditer(text)}
    return found.pop() if len(found) == 1 else None


def _lists_others(statement: re.Match[str], listed: re.Pattern[str]) -> bool:
    """Whether "Answer: A) sand" goes on with "B) forest": the choices again, not an answer."""
    if statement["labelled"] is None:
        return False
    rest = statement.string[statement.end() :].split("\n", 1)[0]
    return any(match["letter"] != statement["letter"] for match in listed.finditer(rest))


class _Patterns(NamedTuple):
    statement: re.Pattern[str]
    listed: re.Pattern[str]
    alone: re.Pattern[str]
    set_off: re.Pattern[str]


@lru_cache(maxsize=64)
def _patterns(letters: tuple[str, ...]) -> _Patterns:
    if not letters:
        raise ValueError("no letters to choose from")
    if len(set(letters)) != len(letters) or not all(
        isinstance(one, str) and len(one) == 1 and one.isalnum() for one in letters
    ):
        raise ValueError(f"letters must be different single letters or digits: {list(letters)}")
    letter = f"[{''.join(letters)}]"
    # Repeats are bounded, so that each attempt costs a constant and the whole is linear.
    opening = r"[ \t*_`\"'\u201c\u2018$(\[{]{0,8}"
    closing = r"[*_`\"'\u201d\u2019$)\]}]{0,8}"
    end = (
        r"(?=[ \t]{0,8}(?:$|[;:!?\u2013\u2014]|[.,](?!\w)|-\s"
        r"|(?:because|since|as|due|given|which|for)\b))"
    )
    # "B, C" names two, but "B, I think" does not: a word follows the I.
    several = (
        rf"[ \t]{{0,8}}(?:[,/&+][ \t]{{0,8}})?(?:(?:and|or)[ \t]{{1,8}}[(\[*]{{0,3}}{letter}\b"
        rf"|[(\[*]{{0,3}}{letter}\b(?![ \t]+(?!and\b|or\b|are\b)[a-z]))"
    )
    statement = rf"""(?mx)
        \\boxed\{{ (?:\\text(?:bf)?\{{)? \(? (?P<boxed>{letter}) \)? \}}
        |
        \b (?i:answer|choice|option) {closing} [ ]? (?:(?i:is|would\ be|should\ be)\b | :)
        :? {opening}
        (?:
            (?:(?i:option|choice|answer)\b {opening})? (?:\\text(?:bf)?\{{ \(?)?
            (?P<letter>{letter}) (?!\w) {closing}
            (?: (?P<several>{several}) | {end} | (?P<labelled>(?<=[)\]])) )
            |
            \n \s{{0,8}} {opening} (?P<below>{letter}) (?!\w) {closing} \.? {closing} [ \t]{{0,8}} $
        )
        """
    return _Patterns(
        statement=re.compile(statement),
        listed=re.compile(rf"\b(?P<letter>{letter})[)\]]"),
        alone=re.compile(rf"[*_`\"'$(\[ ]{{0,8}}(?P<letter>{letter})[*_`\"'$)\].:, ]{{0,8}}"),
        set_off=re.compile(
            rf"(?m)^[ \t]{{0,8}}[*_`(\[]{{0,4}}(?P<label>{letter})[*_`]{{0,3}}[).\]](?!\w)"
            rf"|[(\[](?P<bracketed>{letter})[)\]]"
        ),
    )
