"""What a failing `assert` says where only its first line will be shown."""

from __future__ import annotations

from _pytest._io.saferepr import saferepr
from _pytest.assertion import util

WIDTH = 30
"""Characters of either side, as pytest shows them."""


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
