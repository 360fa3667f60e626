"""Exact match, under a named normalisation."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from typing import Literal

Normalization = Literal["none", "squad"]

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def exact_match(
    prediction: str, target: str | Sequence[str], *, normalize: Normalization = "none"
) -> bool:
    """Whether the prediction equals the target, or one of several.

    With `normalize="squad"` it is the exact match of SQuAD (Rajpurkar et al. 2016, section 6.1;
    official script evaluate-v1.1.py), whose best score over the targets is what counts.

    Raises ValueError for an unknown normalisation or no target, TypeError for a target that
    is not text.
    """
    wanted = targets_of(target)
    text = normalize_text(prediction, normalize)
    return any(text == normalize_text(one, normalize) for one in wanted)


def normalize_text(text: str, normalize: Normalization) -> str:
    """The text under a named normalisation.

    `none` changes nothing: case, spaces and punctuation all count. `squad` is `normalize_answer`
    of the official SQuAD script: lower case, without ASCII punctuation, without the articles
    a, an and the, one space between words.

    Raises ValueError for another name.
    """
    if normalize == "none":
        return text
    if normalize == "squad":
        bare = text.lower().translate(_NO_PUNCTUATION)
        return " ".join(_ARTICLES.sub(" ", bare).split())
    raise ValueError(f"unknown normalisation {normalize!r}: use 'none' or 'squad'")


def targets_of(target: str | Sequence[str]) -> list[str]:
    """One target or several, as a list that is never empty.

    An empty list would make every prediction wrong without a word, and so would a number.
    """
    targets = [target] if isinstance(target, str) else list(target)
    if not targets:
        raise ValueError("no target given: use '' where the right answer is to say nothing")
    for one in targets:
        if not isinstance(one, str):
            raise TypeError(f"a target must be text, not {type(one).__name__}: {one!r}")
    return targets
