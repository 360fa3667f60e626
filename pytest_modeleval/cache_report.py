"""`modeleval cache`: what is in the response cache, whether it is whole, and how to empty it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from pytest_modeleval.errors import ModelevalError, UsageError
from pytest_modeleval.models import cache_file
from pytest_modeleval.settings import load
from pytest_modeleval.terminal import aligned


def default_file(folder: Path) -> Path:
    """The cache of a run that starts in `folder`: the nearest one upwards that has any."""
    here = folder.absolute()
    for root in (here, *here.parents):
        file = load(lambda _: None, root).cache_file
        if file.is_file():
            return file
    return load(lambda _: None, here).cache_file


def info(file: Path) -> str:
    """How many replies there are of each model, how large, and used when. Raises ModelevalError."""
    with _reading(file) as connection:
        shares = cache_file.shares(connection)
        size = cache_file.used_bytes(connection)
    rows = [
        (each.model, f"{each.replies} replies", _size(each.bytes), f"last used {_day(each.used)}")
        for each in shares
    ]
    return "\n".join([f"{file}: {_size(size)}", *(f"  {row}" for row in aligned(iter(rows)))])


def verify(file: Path) -> str:
    """Whether every reply is what was stored. Raises ModelevalError where one is not."""
    with _reading(file) as connection:
        count, wrong = cache_file.damaged(connection)
    if wrong:
        raise ModelevalError(
            f"{file}: {wrong} of {count} replies are damaged: the next run that needs them asks "
            "for them again"
        )
    return f"{file}: {count} replies, all as they were stored"


def clear(file: Path, model: str | None) -> str:
    """Remove all replies, or those of one model. Raises ModelevalError."""
    with _reading(file) as connection:
        known = [each.model for each in cache_file.shares(connection)]
    if model is not None and model not in known:
        raise UsageError(
            f"{file} has no replies of {model!r}; it has those of {', '.join(known) or 'no model'}"
        )
    connection, _ = cache_file.open_for_writing(file)
    with closing(connection):
        try:
            removed = cache_file.clear(connection, model)
        except sqlite3.Error as error:
            raise ModelevalError(f"{file} cannot be cleared: {error}") from None
    return f"{file}: {removed} replies removed"


@contextmanager
def _reading(file: Path) -> Iterator[sqlite3.Connection]:
    with closing(cache_file.open_for_reading(file)) as connection:
        try:
            yield connection
        except sqlite3.Error as error:
            raise ModelevalError(
                f"{file} is damaged ({error}): the next run that meets this sets the file aside"
            ) from None


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.4g} {unit}"
        count /= 1000
    return f"{count:.4g} GB"


def _day(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
