"""Extraction with a regular expression of the author's own."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from itertools import islice


def regex(text: str, pattern: str | re.Pattern[str], *, index: int = 0) -> str | None:
    """What a regular expression finds in the text; None where it finds nothing.

    `index` says which match: 0 is the first, 1 the second, -1 the last. Of a match, the first
    group that took part is returned, or all of it where the pattern has no groups. This is the
    regex filter of lm-evaluation-harness (`filters/extraction.py`).

    The pattern is the author's: whether it is fast on a huge reply depends on it.

    Raises ValueError for a pattern that does not compile, and for an index below -1.
    """
    if index < -1:
        raise ValueError(f"index is {index}: use 0, 1, 2 … from the start, or -1 for the last")
    try:
        matches = re.finditer(pattern, text)
    except re.error as error:
        raise ValueError(f"the pattern {pattern!r} is no regular expression: {error}") from None
    found = last(matches) if index == -1 else next(islice(matches, index, None), None)
    if found is None:
        return None
    return next((group for group in found.groups() if group is not None), found[0])


def last(matches: Iterable[re.Match[str]]) -> re.Match[str] | None:
    """The last of them, holding one at a time: a huge reply may have millions."""
    kept = deque(matches, maxlen=1)
    return kept[0] if kept else None
