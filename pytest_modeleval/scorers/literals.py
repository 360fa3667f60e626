"""Values written as Python literals. They are read, never run."""

from __future__ import annotations

import ast
from typing import Any

# Longer than any value that a benchmark asks for, and short enough to be read at once.
_LONGEST = 100_000


def same_literal(text: str, target: str) -> bool:
    """Whether both are Python literals (numbers, texts, lists, dicts, None …) of equal value.

    `same_literal('"ab"', "'ab'")` holds. What has to be computed, as `'a' + 'b'`, is no literal,
    and neither is a name or a call: nothing is run. Equal is what Python calls equal: 1, 1.0 and
    True are.

    Raises ValueError where the target is no literal.
    """
    wanted = _value(target)
    if wanted is None:
        raise ValueError(f"the target is not a Python literal: {target[:80]!r}")
    found = _value(text)
    return found is not None and bool(found[0] == wanted[0])


def _value(text: str) -> tuple[Any] | None:
    if len(text) > _LONGEST:
        return None
    try:
        return (ast.literal_eval(text.strip()),)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
