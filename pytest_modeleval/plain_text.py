"""Text of models, datasets and other packages, made fit for a terminal."""

from __future__ import annotations

import importlib
import os
import re
from pathlib import Path
from traceback import extract_tb
from typing import Any

# Controls (escape sequences, carriage returns), what turns or hides text, and lone surrogates.
_HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)


_NO_AUTHORS = tuple(str(Path(each).parent) + os.sep for each in (__file__, importlib.__file__))
"""Folders whose lines tell nobody where a mistake is."""


def shown(text: str) -> str:
    """The text with everything that could control a terminal as its escape (`\\x1b`). Line ends
    and tabs stay."""
    return _HARMFUL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def raised(error: BaseException) -> str:
    """What was raised, and the line of another package that did it. Of a message the first line is
    enough."""
    first = str(error).partition("\n")[0]
    text = f"{type(error).__name__}: {first}" if first else type(error).__name__
    if isinstance(error, SyntaxError):
        return text  # which names its line
    lines = [
        each
        for each in extract_tb(error.__traceback__)
        if Path(each.filename).is_file() and not each.filename.startswith(_NO_AUTHORS)
    ]
    return f"{text} ({lines[-1].filename}, line {lines[-1].lineno})" if lines else text


def encodable(value: Any) -> Any:
    """The same plain value (of dicts, lists, tuples), where every text can be written as UTF-8."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {name: encodable(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(encodable, value))
    return value


def one_line(text: str, most: int = 200) -> str:
    """The first line of the text, harmless, at most so many characters long."""
    line = text.strip()[: 4 * most].partition("\n")[0]
    line = shown(line if len(line) <= most else line[: most - 1] + "…")
    return line.replace("\t", " ")
