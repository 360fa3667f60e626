"""What a pack asks for is held against what is installed, before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_modeleval.errors import UsageError
from pytest_modeleval.registry.pack import PluginRequirement
from pytest_modeleval.registry.plugins import check_plugins
from pytest_modeleval.results.record import PluginRecord
from tests.installing import install


@pytest.fixture(autouse=True)
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def check(package: str, version: str = "") -> list[PluginRecord]:
    return check_plugins([PluginRequirement(package=package, version=version)], "core.pack.toml")


def refusal(package: str, version: str = "") -> str:
    with pytest.raises(UsageError) as caught:
        check(package, version)
    return str(caught.value)


@pytest.mark.parametrize("version", ["", ">=1.2,<2", "==1.2.*", ">=1.0,!=1.1"])
def test_what_is_installed_in_range(site: Path, version: str) -> None:
    install(site, "My-Team.Metrics", "1.2.3")
    assert check("my_team_metrics", version) == [PluginRecord("My-Team.Metrics", "1.2.3")]


def test_an_installed_pre_release_is_in_range_as_for_pip(site: Path) -> None:
    install(site, "my-team-metrics", "1.3.0rc1")
    assert check("my-team-metrics", ">=1.2,<2")[0].version == "1.3.0rc1"


def test_not_installed() -> None:
    assert refusal("my-team-metrics", ">=1.2,<2") == (
        "core.pack.toml needs the plugin my-team-metrics>=1.2,<2, which is not installed: "
        'pip install "my-team-metrics>=1.2,<2"'
    )


def test_installed_in_another_version(site: Path) -> None:
    install(site, "my-team-metrics", "2.0")
    assert refusal("my-team-metrics", ">=1.2,<2") == (
        "core.pack.toml needs the plugin my-team-metrics>=1.2,<2, but 2.0 is installed: "
        'pip install "my-team-metrics>=1.2,<2", or correct the range in the pack'
    )


def test_a_range_that_no_version_can_meet(site: Path) -> None:
    install(site, "my-team-metrics", "1.5")
    told = refusal("my-team-metrics", ">=2,<1")
    assert "but 1.5 is installed" in told and "or correct the range in the pack" in told


@pytest.mark.parametrize(
    ("package", "version"),
    [
        ("my-team-metrics", "1.2"),
        ("my-team-metrics", "~> 1.2"),
        ("my team", ""),
        ("", ">=1"),
        ("my-team-metrics>=1", ""),
        ("my-team-metrics @ https://example.org/x.whl", ""),
        ("../my-team", ""),
    ],
)
def test_what_is_no_requirement(package: str, version: str) -> None:
    told = refusal(package, version)
    assert told.startswith("core.pack.toml: [[plugin]] package = ")
    assert 'expected the name of a package, and a range such as ">=1.2,<2"' in told


class TestNeedsOfItsOwn:
    def test_missing(self, site: Path) -> None:
        install(site, "my-team-metrics", "1.2", requires=["spell-core>=3"])
        assert refusal("my-team-metrics") == (
            "core.pack.toml needs the plugin my-team-metrics, and that (1.2) needs spell-core>=3, "
            'which is not installed: pip install "spell-core>=3"'
        )

    def test_in_another_version(self, site: Path) -> None:
        install(site, "my-team-metrics", "1.2", requires=["pytest-modeleval>=7,<8"])
        assert "needs pytest-modeleval<8,>=7, but 0." in refusal("my-team-metrics")

    def test_of_another_platform(self, site: Path) -> None:
        install(site, "my-team-metrics", "1.2", requires=['winkit; sys_platform == "none"'])
        assert check("my-team-metrics")

    def test_of_an_extra(self, site: Path) -> None:
        install(site, "my-team-metrics", "1.2", requires=['judge-kit; extra == "judges"'])
        assert check("my-team-metrics")
        assert "needs judge-kit, which is not installed" in refusal("my-team-metrics[judges]")

    def test_met(self, site: Path) -> None:
        install(site, "spell-core", "3.1")
        install(site, "my-team-metrics", "1.2", requires=["spell-core>=3", "pytest>=9"])
        assert check("my-team-metrics")

    def test_that_nobody_can_read(self, site: Path) -> None:
        install(site, "my-team-metrics", "1.2", requires=["spell core >> 3"])
        assert refusal("my-team-metrics") == (
            "core.pack.toml needs the plugin my-team-metrics, and that (1.2) needs "
            "'spell core >> 3', which nobody can read: install another version of it"
        )
