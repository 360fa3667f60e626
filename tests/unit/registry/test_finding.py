"""Packs by name, version and range."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_modeleval.errors import UsageError
from pytest_modeleval.registry.finding import find_pack


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, version in (
        ("core", "1.0.0"),
        ("core", "1.2.0"),
        ("core", "2.0.0-rc.1"),
        ("code", "1.0.0"),
    ):
        file = tmp_path / name / f"{version}.pack.toml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f'[pack]\nname = "{name}"\nversion = "{version}"\n', "utf-8")
    (tmp_path / "broken.pack.toml").write_text("[pack", "utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("core", "core/1.2.0"),
        ("core>=2.0.0rc1", "core/2.0.0-rc.1"),
        ("core>=1,<1.9", "core/1.2.0"),
        ("core == 1.0.0", "core/1.0.0"),
        ("core~=1.0", "core/1.2.0"),
        ("code", "code/1.0.0"),
        ("broken", "broken"),
    ],
)
def test_the_newest_that_fits(folder: Path, asked: str, found: str) -> None:
    assert find_pack(asked, [folder]) == folder / f"{found}.pack.toml"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("cor", "no pack 'cor'; did you mean 'core'?"),
        ("core>=3", "no such version of the pack is here; there is 1.0.0 ("),
        ("core==one", "expected a name, perhaps with a version or a range of them"),
        ("../core", "expected a name, perhaps with a version or a range of them"),
    ],
)
def test_none_that_fits(folder: Path, asked: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        find_pack(asked, [folder])
    assert str(raised.value).startswith(f"--pack {asked}: {said}")


def test_two_that_are_the_same(folder: Path) -> None:
    (folder / "again.pack.toml").write_bytes((folder / "code" / "1.0.0.pack.toml").read_bytes())
    with pytest.raises(UsageError, match=r"are both code 1\.0\.0: give one of them another"):
        find_pack("code", [folder])


def test_no_pack_at_all(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no pack \(looked in "):
        find_pack("core", [tmp_path / "nowhere"])
