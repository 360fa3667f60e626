"""What a benchmark is, as one hash: it changes when what is asked and how it is judged does."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from inspect import unwrap
from pathlib import Path
from typing import Any

from pytest_modeleval.module_text import ModuleText


def task_hash(function: Callable[..., Any], text_of: Callable[[Path], ModuleText]) -> str | None:
    """SHA-256, in hex, of the function's source text with its decorators and all that it names in
    its own module. What other modules define is not in it. None for one without a text."""
    code = getattr(unwrap(function), "__code__", None)
    if code is None:
        return None
    text = text_of(Path(code.co_filename)).definition(code.co_firstlineno)
    return None if text is None else sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
