"""Packs of Python benchmarks: collected when they are named, with what the pack says otherwise."""

from __future__ import annotations

import pytest
from pyarrow.parquet import read_table

from tests.integration.conftest import Project

SUMS = """
import pytest
from pytest_modeleval import benchmark

NUMBERS = [{"id": f"s{n}", "input": str(n), "target": str(n % 3)} for n in range(6)]

@pytest.fixture(scope="module")
def own():
    return "the module's own"

@benchmark(NUMBERS, gates=["accuracy >= 0.9"])
async def test_sums(sample, model, own, near):
    assert own == "the module's own" and near == "from the conftest beside it"
    reply = await model.chat(sample.input)
    assert reply.text == sample.target
"""
NEAR = """
import pytest

@pytest.fixture
def near():
    return "from the conftest beside it"
"""
PACK = """
[pack]
name = "core"
version = "1.2.0"

[[task]]
benchmark = "sums/test_sums.py::test_sums"
gates = ["accuracy >= 0.5"]

[[task]]
benchmark = "sums/test_sums.py::test_sums"
name = "few"
max_samples = 2
epochs = 2
gates = []
sampling = { max_tokens = 7 }
"""


@pytest.fixture
def packed(project: Project) -> Project:
    folder = project.path / "benchmarks"
    (folder / "sums").mkdir(parents=True)
    (folder / "sums" / "test_sums.py").write_text(SUMS, "utf-8")
    (folder / "sums" / "conftest.py").write_text(NEAR, "utf-8")
    (folder / "sums" / "__init__.py").touch()
    (folder / "core.pack.toml").write_text(PACK, "utf-8")
    return project


def test_a_pack_runs_its_tasks_and_says_otherwise(packed: Project) -> None:
    result = packed.run("benchmarks/core.pack.toml")
    assert result.ret == 0
    sums, few = packed.results["benchmarks"]
    assert sums["name"] == "benchmarks/core.pack.toml::sums"
    assert [gate["expression"] for gate in sums["gates"]] == ["accuracy >= 0.5"]
    assert (sums["samples"]["right"], sums["samples"]["wrong"]) == (3, 3)
    assert few["name"] == "benchmarks/core.pack.toml::few"
    assert few["samples"]["planned"] == 2 and few["gates"] == []


def collected(result: pytest.RunResult) -> list[str]:
    return [line for line in result.outlines if "::" in line]


def test_one_sample_of_a_task_has_a_node_id(packed: Project) -> None:
    result = packed.run("benchmarks/core.pack.toml::few[s1]")
    result.assert_outcomes(passed=1)
    (details,) = packed.path.glob(".modeleval/runs/latest/details/*few*.parquet")
    calls = [call for row in read_table(details)["calls"].to_pylist() for call in row]
    assert [call["sampling"]["max_tokens"] for call in calls] == [7, 7]


def test_a_pack_is_collected_only_when_it_is_named(packed: Project) -> None:
    everything = collected(packed.run("--co", "-q", "benchmarks"))
    assert everything and not any("pack.toml" in each for each in everything)
    both = collected(packed.run("--co", "-q", "benchmarks", "benchmarks/core.pack.toml"))
    assert set(everything) < set(both)
    assert "benchmarks/core.pack.toml::sums[gate:accuracy]" in both


def test_a_pack_is_named_by_its_name_and_version(packed: Project) -> None:
    (packed.path / "test_plain.py").write_text("def test_plain(): pass", "utf-8")
    alone = collected(packed.run("--co", "-q", "--pack", "core>=1,<2", model=None))
    assert len(alone) == 9 and all(each.startswith("benchmarks/core.pack") for each in alone)
    both = collected(packed.run("--co", "-q", "--pack", "core", "test_plain.py", model=None))
    assert both[0] == "test_plain.py::test_plain" and both[1:] == alone


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("cor", "--pack cor: no pack 'cor'; did you mean 'core'? (looked in *"),
        ("core>=2", "--pack core>=2: no such version of the pack is here; there is 1.2.0 (*"),
        ("core==x.", "--pack core==x.: expected a name, perhaps with a version or a range*"),
    ],
)
def test_a_pack_that_is_not_there_is_a_usage_error(packed: Project, asked: str, said: str) -> None:
    result = packed.run("--pack", asked)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {said}"])


def test_workers_collect_the_same_packs(packed: Project) -> None:
    packed.plugins.append("xdist")
    result = packed.run("--pack", "core", "-n2")
    assert result.ret == 0
    names = [each["name"] for each in packed.results["benchmarks"]]
    assert names == ["benchmarks/core.pack.toml::sums", "benchmarks/core.pack.toml::few"]
    assert [gate["verdict"] for gate in packed.results["benchmarks"][0]["gates"]] == ["passed"]


def test_a_pack_that_no_file_holds_is_collected(packed: Project) -> None:
    packed.conftest(
        """
import pytest
from pathlib import Path

def pytest_configure(config):
    from pytest_modeleval.packs import add
    from pytest_modeleval.registry.reading import PackFile, parse_pack
    text = (config.rootpath / "benchmarks" / "core.pack.toml").read_bytes()
    path = config.rootpath / "benchmarks" / "made"
    add(config, PackFile(parse_pack(text, "made"), path, "made", text))
"""
    )
    (packed.path / "test_plain.py").write_text("def test_plain(): pass", "utf-8")
    result = packed.run("-k", "few")
    assert result.ret == 0
    assert [each["name"] for each in packed.results["benchmarks"]] == ["made::few"]
