"""What a failing `assert` of a body says about the two sides that it compared.

pytest explains comparisons while an item's protocol runs. Bodies run at other times as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from _pytest._io.saferepr import saferepr
from _pytest.assertion import util

WIDTH = 30
"""Characters of either side, as pytest shows them."""


@contextmanager
def explained_comparisons(config: pytest.Config) -> Iterator[None]:
    """Explain comparisons between the protocols of two items too, as pytest does within them."""

    def explain(operator: str, left: object, right: object) -> str | None:
        explanations = config.hook.pytest_assertrepr_compare(
            config=config, op=operator, left=left, right=right
        )
        for lines in filter(None, explanations):
            if text := "\n~".join(line.replace("\n", "\\n") for line in lines):
                return text.replace("%", "%%")
        return None

    before, util._reprcompare = util._reprcompare, explain
    try:
        yield
    finally:
        util._reprcompare = before


def shorten_comparisons() -> None:
    """Leave out the differences between two texts until pytest's protocol of this item ends: to
    find them takes longer than all the rest that is done for a wrong sample."""
    full = util._reprcompare

    def brief(operator: str, left: object, right: object) -> str | None:
        if operator == "==" and _plain(left) and _plain(right):
            line = f"{saferepr(left, WIDTH)} == {saferepr(right, WIDTH)}"
            return line.replace("%", "%%")
        return full(operator, left, right) if full is not None else None

    util._reprcompare = brief


def _plain(value: object) -> bool:
    """Letters that look alike are for pytest to tell apart."""
    return isinstance(value, str) and value.isascii()
