"""Distributions that look installed: metadata in a folder of the import path, and no wheel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path


def install(
    folder: Path,
    name: str,
    version: str,
    *,
    requires: Sequence[str] = (),
    entry_points: Mapping[str, Mapping[str, str]] | None = None,
) -> None:
    """Write the metadata that a package index would have brought: `entry_points` by group."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {each}" for each in requires]
    lines += ["Provides-Extra: judges"]
    (info / "METADATA").write_text("\n".join(lines) + "\n", encoding="utf-8")
    groups = [
        "\n".join([f"[{group}]", *(f"{key} = {value}" for key, value in points.items())])
        for group, points in (entry_points or {}).items()
    ]
    (info / "entry_points.txt").write_text("\n".join(groups) + "\n", encoding="utf-8")
