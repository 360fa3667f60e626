"""Packs by name: in the folders of the configuration and in installed packages."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import Distribution, EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from pytest_modeleval.errors import UsageError
from pytest_modeleval.registry.document import no_such
from pytest_modeleval.registry.reading import ENDING

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

GROUP = "modeleval.packs"
"""Entry points of installed packages: each names a package in whose folder packs lie."""
_ASKED = re.compile(r"(?P<name>[A-Za-z0-9_][A-Za-z0-9_.\-]*?)\s*(?P<range>[<>=!~].*)?")


def find_pack(asked: str, folders: Sequence[Path]) -> Path:
    """The file of the pack that a name means, its newest version within the range.

    Args:
        asked: a name, perhaps with a version or a range: "core", "core==1.0.0", "core>=1,<2".
        folders: where packs are looked for, with all folders in them, beside installed packages.

    Raises:
        UsageError: there is none of that name or version, or two that are the same.
    """
    name, versions = _parsed(asked)
    known = dict[Path, tuple[str, Version]]()
    for file in files(folders):
        if (found := _identity(file)) is not None:
            known[file] = found
    own = {file: version for file, (each, version) in known.items() if each == name}
    if not own:
        raise UsageError(_unknown(asked, name, [each for each, _ in known.values()], folders))
    fitting = list(versions.filter(own.values()))  # as pip: pre-releases where nothing else fits
    if not fitting:
        there = ", ".join(f"{version} ({file})" for file, version in sorted(own.items()))
        raise UsageError(f"--pack {asked}: no such version of the pack is here; there is {there}")
    newest = max(fitting)
    best = [file for file, version in own.items() if version == newest]
    if len(best) > 1:
        raise UsageError(
            f"--pack {asked}: {' and '.join(map(str, best))} are both {name} {newest}: give one of "
            "them another version, or name the file"
        )
    return best[0]


def files(folders: Iterable[Path]) -> list[Path]:
    """Every pack's file in the folders and in the installed packages that have some."""
    found: dict[Path, None] = {}
    for folder in [*folders, *(place for _, place in installed())]:
        for file in sorted(folder.rglob(f"*{ENDING}")):
            found[file.resolve()] = None
    return list(found)


def installed() -> Iterator[tuple[EntryPoint, Path]]:
    """The folders of installed packages that have packs. Nothing of those packages is imported,
    unless they lie in others. Raises UsageError for a package that cannot be found."""
    for entry in entry_points(group=GROUP):
        try:
            spec = find_spec(entry.module)
        except Exception as error:  # the packages above it are imported
            raise UsageError(
                f"the packs of {entry.dist.name if entry.dist else entry.name} cannot be found: "
                f"{entry.module}: {type(error).__name__}: {error}"
            ) from error
        for place in (spec.submodule_search_locations or ()) if spec else ():
            yield entry, Path(place)


def owner_of(pack: Path) -> Distribution | None:
    """The installed distribution that a pack's file came with."""
    owners = (
        entry.dist for entry, place in installed() if pack.resolve().is_relative_to(place.resolve())
    )
    return next(owners, None)


def installed_packs(distribution: str) -> list[str]:
    """The names of the packs that an installed distribution brings."""
    own = [
        place
        for entry, place in installed()
        if entry.dist is not None and entry.dist.metadata["Name"] == distribution
    ]
    found = (_identity(file) for folder in own for file in sorted(folder.rglob(f"*{ENDING}")))
    return sorted({name for name, _ in filter(None, found)})


def _parsed(asked: str) -> tuple[str, SpecifierSet]:
    found = _ASKED.fullmatch(asked.strip())
    try:
        if found is not None:
            return found["name"], SpecifierSet(found["range"] or "")
    except InvalidSpecifier:
        pass
    raise UsageError(
        f"--pack {asked}: expected a name, perhaps with a version or a range of them, such as "
        "core==1.0.0 or core>=1,<2"
    )


def _identity(file: Path) -> tuple[str, Version] | None:
    """Name and version; None for a file that is not right, which is told when it is asked for."""
    try:
        info = tomllib.loads(file.read_text("utf-8"))["pack"]
        return str(info["name"]), Version(info["version"])
    except (OSError, ValueError, KeyError, TypeError, InvalidVersion):
        name = file.name.removesuffix(ENDING)
        return (name, Version("0")) if file.is_file() else None


def _unknown(asked: str, name: str, known: Iterable[str], folders: Sequence[Path]) -> str:
    places = ", ".join(map(str, folders)) or "no folder"
    where = f"(looked in {places}, and in installed packages)"
    names = sorted(set(known))
    if not names:
        return f"--pack {asked}: there is no pack {where}"
    return f"--pack {asked}: {no_such('pack', name, names)} {where}"
