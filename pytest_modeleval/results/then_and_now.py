"""How the present differs from where a run's figures come from."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pytest_modeleval.results.provenance import GitState, hardware, variables

NOT_SET = "not set"


def environment_changes(then: Mapping[str, Any], folder: Path) -> Iterator[str]:
    """What is not as the `environment` of a results.json has it, each in a few words.

    Args:
        then: what the run recorded; what it did not record is passed over.
        folder: the project's, as it is now.
    """
    yield from _changed("Python", then.get("python"), platform.python_version())
    yield from _changed("the platform", then.get("platform"), platform.platform())
    for name, before in (then.get("packages") or {}).items():
        yield from _changed(f"package {name}", before, _installed(name))
    yield from _git(then.get("git"), folder)
    before, now = then.get("variables"), variables(os.environ)
    if before is not None:
        for name in sorted(before.keys() | now.keys()):
            was, is_now = (each.get(name, NOT_SET) for each in (before, now))
            yield from _changed(f"the variable {name}", was, is_now)
    machine = hardware()
    for name, was in (then.get("hardware") or {}).items():
        yield from _changed(f"the hardware ({name})", was, machine.get(name))


def _changed(what: str, before: object, now: object) -> Iterator[str]:
    if before is not None and before != now:
        yield f"{what} was {before} and is {now}"


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _git(before: Mapping[str, Any] | None, folder: Path) -> Iterator[str]:
    if before is None:
        return
    now = GitState(folder).read()
    if now is None:
        yield f"the commit was {_short(before)}, and there is no commit here"
        return
    if before["commit"] != now["commit"]:
        yield f"the commit was {_short(before)} and is {_short(now)}"
    if before["dirty"]:
        yield "tracked files had changes that were not committed, and that nobody has kept"
    if now["dirty"]:
        yield "tracked files have changes that are not committed"


def _short(state: Mapping[str, Any]) -> str:
    return str(state["commit"])[:12]
