"""Which installed distributions a process has imported, found in a few milliseconds."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection, Iterator
from types import ModuleType
from typing import NamedTuple

SUFFIX = ".dist-info"


class _Installed(NamedTuple):
    name: str
    version: str
    path: str


def imported_packages() -> dict[str, str]:
    """Version by name of each distribution of which this process has imported a module.

    `importlib.metadata.packages_distributions` reads every list of files that there is, which takes
    a tenth of a second and more; here one is read only where no name tells.
    """
    folders = {os.path.realpath(folder or os.curdir) for folder in sys.path}
    modules = {each for each in list(sys.modules) if "." not in each} - sys.stdlib_module_names
    installed = [each for folder in folders for each in _installed(folder)]
    found: set[_Installed] = set()
    for each in installed:
        if own := _modules_of(each) & modules:
            found.add(each)
            modules -= own
    rest = {each for each in modules if _lies_in(sys.modules.get(each), folders)}
    found |= {each for each in installed if rest and each not in found and _has(each, rest)}
    return {each.name: each.version for each in sorted(found)}


def canonical(name: str) -> str:
    """The name as package indexes write it: `Foo_Bar` is foo-bar."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _installed(folder: str) -> Iterator[_Installed]:
    try:
        entries = os.listdir(folder)
    except OSError:
        return
    for entry in entries:
        if entry.endswith(SUFFIX):
            name, _, version = entry.removesuffix(SUFFIX).partition("-")
            yield _Installed(canonical(name), version, os.path.join(folder, entry))


def _lies_in(module: ModuleType | None, folders: Collection[str]) -> bool:
    """Whether it was imported from one of the folders, as what is installed there is."""
    paths = list(getattr(module, "__path__", ())) or [getattr(module, "__file__", None)]
    return any(path and os.path.realpath(os.path.dirname(path)) in folders for path in paths)


def _modules_of(installed: _Installed) -> set[str]:
    """As far as its name and its top_level.txt tell."""
    return {installed.name.replace("-", "_"), *_read(installed, "top_level.txt").split()}


def _has(installed: _Installed, modules: Collection[str]) -> bool:
    files = "\n" + _read(installed, "RECORD")
    return any(f"\n{each}/" in files or f"\n{each}.py," in files for each in modules)


def _read(installed: _Installed, name: str) -> str:
    try:
        with open(os.path.join(installed.path, name), encoding="utf-8") as file:
            return file.read()
    except (OSError, ValueError):
        return ""
