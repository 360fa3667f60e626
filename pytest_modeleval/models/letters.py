"""Choosing by letter: the other way of `model.choose`, for a model without log-likelihoods."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_uppercase

from pytest_modeleval.errors import UsageError
from pytest_modeleval.scorers.choices import choice_letter

CHAT = "Reply with the letter of the right choice alone."
COMPLETION = "Answer:"


def question(context: str, choices: Sequence[str], closing: str) -> str:
    """The context, the choices with a letter each, and what is asked for. Raises UsageError for
    more choices than there are letters."""
    if len(choices) > len(ascii_uppercase):
        raise UsageError(
            f"model.choose: {len(choices)} choices, but by letters there can be no more than "
            f"{len(ascii_uppercase)}"
        )
    lettered = (f"{letter}. {text.strip()}" for letter, text in zip(ascii_uppercase, choices))
    return "\n".join([context.rstrip(), "", *lettered, "", closing])


def chosen(reply: str, count: int) -> int | None:
    """Which of `count` choices the reply names, None where it names none or several."""
    letter = choice_letter(reply, ascii_uppercase[:count])
    return None if letter is None else ascii_uppercase.index(letter)
