"""The plugins that a pack asks for: installed or not, in which version, with what they need."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion

from pytest_modeleval.errors import UsageError
from pytest_modeleval.registry.pack import PluginRequirement
from pytest_modeleval.results.record import PluginRecord

GROUP = "modeleval.plugins"
"""Entry points of modules that implement hooks of hookspecs.py."""


def versioned(distribution: Any) -> str:
    """A distribution as a person names it."""
    return f"{distribution.metadata['Name']} {distribution.version}"


def check_plugins(requirements: Sequence[PluginRequirement], file: str) -> list[PluginRecord]:
    """The installed distributions that the pack in `file` asks for, in its order.

    Nothing of them is imported. Raises UsageError for the first that is not installed, is installed
    in another version, or lacks what its own metadata asks for.
    """
    return [_checked(requirement, file) for requirement in requirements]


def _checked(wanted: PluginRequirement, file: str) -> PluginRecord:
    requirement = _read(wanted, file)
    asked = f"{wanted.package}{wanted.version}"
    command = f"pip install {json.dumps(asked)}"
    try:
        found = distribution(requirement.name)
    except PackageNotFoundError:
        raise UsageError(
            f"{file} needs the plugin {asked}, which is not installed: {command}"
        ) from None
    if not _fits(found.version, requirement):
        raise UsageError(
            f"{file} needs the plugin {asked}, but {found.version} is installed: {command}, "
            "or correct the range in the pack"
        )
    if lack := lacking(found, requirement.extras):
        raise UsageError(
            f"{file} needs the plugin {requirement.name}, and that ({found.version}) needs {lack}"
        )
    return PluginRecord(found.metadata["Name"], found.version)


def _read(wanted: PluginRequirement, file: str) -> Requirement:
    """A package may be named with extras, as in "my-team-metrics[judges]"."""
    try:
        requirement = Requirement(wanted.package)
        if not (requirement.specifier or requirement.url or requirement.marker):
            requirement.specifier = SpecifierSet(wanted.version)
            return requirement
    except (InvalidRequirement, InvalidSpecifier):
        pass
    raise UsageError(
        f"{file}: [[plugin]] package = {json.dumps(wanted.package)}, version = "
        f"{json.dumps(wanted.version)}: expected the name of a package, and a range such as "
        '">=1.2,<2"'
    )


def _fits(version: str, requirement: Requirement) -> bool:
    """As pip sees it: what is installed may be a pre-release; what is no version fits nothing but
    an open range."""
    try:
        return requirement.specifier.contains(version, prereleases=True)
    except InvalidVersion:
        return not requirement.specifier


def lacking(found: Distribution, extras: Iterable[str] = ()) -> str | None:
    """What a distribution asks for in its own metadata and does not find, on this Python and with
    these extras: the first, and what to do."""
    for text in found.requires or ():
        try:
            need = Requirement(text)
        except InvalidRequirement:
            return f"{text!r}, which nobody can read: install another version of it"
        if _applies(need, extras) and (lack := _lack(need)):
            name = f"{need.name}{need.specifier}"
            return f"{name}, {lack}: pip install {json.dumps(name)}"
    return None


def _applies(need: Requirement, extras: Iterable[str]) -> bool:
    marker = need.marker
    return marker is None or any(marker.evaluate({"extra": each}) for each in ("", *extras))


def _lack(need: Requirement) -> str | None:
    try:
        version = distribution(need.name).version
    except PackageNotFoundError:
        return "which is not installed"
    return None if _fits(version, need) else f"but {version} is installed"
