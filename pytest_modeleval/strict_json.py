"""JSON in which no name stands twice: the one that a reader drops may be the one that was meant."""

from __future__ import annotations

import json
from typing import Any


class DuplicateKey(ValueError):
    """A name stands twice in one JSON object; `args[0]` is the name."""


def strict_json(text: str | bytes) -> Any:
    """The document. Raises DuplicateKey, and ValueError or RecursionError as `json.loads` does."""
    return json.loads(text, object_pairs_hook=_no_duplicates)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise DuplicateKey(key)
        found[key] = value
    return found
