"""The scorers that a task as data may name.

Each takes a text, the sample's target and parameters, and returns a number or a truth value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .choices import choice_letter as letter_in
from .exact import exact_match, targets_of
from .numbers import boxed as boxed_in
from .numbers import last_number as number_in
from .numbers import number
from .overlap import bleu, chrf, f1, rouge


def contains(text: str, target: str | Sequence[str], *, ignore_case: bool = False) -> bool:
    """Whether the target, or one of several, stands in the text."""
    if ignore_case:
        return any(each.casefold() in text.casefold() for each in targets_of(target))
    return any(each in text for each in targets_of(target))


def last_number(text: str, target: str | Sequence[str]) -> bool:
    """Whether the last number in the text is the target, however the two are written."""
    found = number_in(text)
    return found is not None and any(found == number(each) for each in targets_of(target))


def boxed(text: str, target: str | Sequence[str]) -> bool:
    """Whether what stands in the last \\boxed{…} of the text is the target."""
    found = boxed_in(text)
    return found is not None and exact_match(found, target)


def choice_letter(
    text: str, target: str | Sequence[str], *, letters: Sequence[str] = "ABCD"
) -> bool:
    """Whether the letter that the text settles on is the target."""
    found = letter_in(text, letters)
    return found is not None and exact_match(found, target)


SCORERS: Mapping[str, Callable[..., Any]] = {
    "exact_match": exact_match,
    "contains": contains,
    "last_number": last_number,
    "boxed": boxed,
    "choice_letter": choice_letter,
    "f1": f1,
    "bleu": bleu,
    "chrf": chrf,
    "rouge": rouge,
}
