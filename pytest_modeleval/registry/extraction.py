"""An answer out of a reply, by a regular expression of the pack's author.

The text is the model's, and a pattern such as `(a+)+b` may take longer than the world exists on
some texts. So each search has a time limit, and one that runs out makes its sample an error.
"""

from __future__ import annotations

import regex

from pytest_modeleval.errors import ModelevalError, UsageError

SECONDS = 5.0
"""A search that takes this long would take for ever; others take far less than a thousandth."""


class Extraction:
    """What a pattern finds in a text. Raises UsageError for a pattern that does not compile."""

    def __init__(self, pattern: str, seconds: float = SECONDS) -> None:
        self._text = pattern
        self._seconds = seconds
        try:
            self._pattern = regex.compile(pattern)
        except regex.error as error:
            raise UsageError(
                f"extract: {pattern!r:.80} is no regular expression: {error}"
            ) from None

    def of(self, text: str) -> str | None:
        """The first group that took part in the first match, or all of it where there are no
        groups; None where nothing matches. Raises ModelevalError where that takes too long."""
        try:
            found = self._pattern.search(text, timeout=self._seconds, concurrent=True)
        except TimeoutError:
            raise ModelevalError(
                f"extract: {self._text!r:.80} was still searching a reply of {len(text)} "
                f"characters after {self._seconds:g} s: a pattern with one repetition inside "
                "another is slow on some texts"
            ) from None
        if found is None:
            return None
        groups: list[str] = [group for group in found.groups() if group is not None]
        return groups[0] if groups else str(found[0])
