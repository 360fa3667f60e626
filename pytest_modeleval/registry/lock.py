"""A pack's lock: what its tasks were when somebody agreed to them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from pytest_modeleval.errors import UsageError
from pytest_modeleval.migration import Format, up_to_date
from pytest_modeleval.registry import document
from pytest_modeleval.registry.reading import ENDING
from pytest_modeleval.results.run_folder import write_atomically

SCHEMA_VERSION = 1
FORMAT = Format("locks", str(SCHEMA_VERSION), "install a newer pytest-modeleval")
LOCK_ENDING = ".pack.lock"


class LockedTask(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A benchmark of a pack. `hash` is SHA-256 of all that defines it, `dataset` its dataset's
    fingerprint, and `table` what the pack says of it."""

    hash: str | None
    dataset: str | None
    table: dict[str, Any] = {}


class PackLock(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole `*.pack.lock`.

    `hash` is SHA-256 of the pack's file. `plugins` are the versions of the distributions that it
    asks for, and of LightEval where a task is LightEval's. `tasks` are its benchmarks, by the part
    of their node ids that names them.
    """

    name: str
    version: str
    hash: str
    plugins: dict[str, str]
    tasks: dict[str, LockedTask]
    schema_version: int = SCHEMA_VERSION


def lock_path(pack: Path) -> Path:
    """Where the lock of a pack's file lies: `core.pack.lock` beside `core.pack.toml`."""
    return pack.with_name(pack.name.removesuffix(ENDING) + LOCK_ENDING)


def write_lock(path: Path, lock: PackLock) -> None:
    """Write it for people to review: sorted, a line for each value. Raises ModelevalError where
    that cannot be."""
    values = msgspec.to_builtins(lock)
    text = json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False)
    write_atomically(path, text + "\n")


def read_lock(path: Path) -> PackLock | None:
    """The lock in a file; None where there is none. Raises ModelevalError for one that cannot be
    read, or is of a newer version."""
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise UsageError(f"{path}: not valid JSON: {error}: modeleval packs lock") from None
    if not isinstance(found, Mapping):
        raise UsageError(f"{path}: expected a table: write it again with modeleval packs lock")
    known = up_to_date(FORMAT, found.get("schema_version", SCHEMA_VERSION), found, str(path))
    return document.checked(known, PackLock, str(path))


def lock_changes(before: PackLock, now: PackLock, *, partly: bool = False) -> Iterator[str]:
    """What is not as a lock has it, each in a few words. With `partly` only some of the pack's
    tasks were looked at."""
    if before.version != now.version:
        yield f"the pack's version was {before.version} and is {now.version}"
    for name in sorted(before.plugins.keys() | now.plugins.keys()):
        was, is_now = (each.plugins.get(name, "not asked for") for each in (before, now))
        if was != is_now:
            yield f"{name} was {was} and is {is_now}"
    changed = False
    for name in sorted(before.tasks.keys() | now.tasks.keys()):
        if partly and name not in now.tasks:
            continue
        for change in _task_changes(before.tasks.get(name), now.tasks.get(name)):
            changed = True
            yield f"task {name} {change}"
    if before.hash != now.hash and not changed:
        yield "the pack's file has changed" + ("" if partly else ", though not in its tasks")


def _task_changes(before: LockedTask | None, now: LockedTask | None) -> Iterator[str]:
    if now is None:
        yield "is not in the pack any more"
        return
    if before is None:
        yield "is new"
        return
    told = list(_table_changes(before.table, now.table))
    if before.hash != now.hash and not told:
        told = ["has another source text (or is of another version of LightEval)"]
    yield from told
    if before.dataset != now.dataset:
        yield f"has another dataset: its fingerprint was {_short(before)} and is {_short(now)}"


def _table_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for field in sorted(before.keys() | now.keys()):
        if before.get(field) != now.get(field):
            was, is_now = (_said(each, field) for each in (before, now))
            yield f"has another {field}: it was {was} and is {is_now}"


def _said(table: Mapping[str, Any], field: str) -> str:
    return json.dumps(table[field], ensure_ascii=False) if field in table else "not given"


def _short(task: LockedTask) -> str:
    return (task.dataset or "none")[:12]
