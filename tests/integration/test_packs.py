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


OTHER = """
import pytest
from pytest_modeleval import benchmark

@pytest.fixture(scope="module")
def own(request):
    return request.module.OWN

OWN = "of the other module"

@benchmark("data.jsonl", gates=["tall: length >= 1"], metrics=["length"])
def sums(sample, model, own):
    from pytest_modeleval import score
    assert own == "of the other module"
    score("length", 1)
    assert model.chat(sample.input).text == sample.target
"""


def test_each_source_keeps_its_own_module(packed: Project) -> None:
    """Its fixtures, its data's folder, and assertions that are explained, whatever its name."""
    folder = packed.path / "benchmarks" / "other"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "plain_sums.py").write_text(OTHER, "utf-8")
    (folder / "data.jsonl").write_text('{"id": "a", "input": "1", "target": "2"}\n', "utf-8")
    with (packed.path / "benchmarks" / "core.pack.toml").open("a", encoding="utf-8") as file:
        file.write('\n[[task]]\nbenchmark = "other/plain_sums.py::sums"\nname = "others"\n')
    result = packed.run("benchmarks/core.pack.toml", "-rw")
    assert result.ret == 0
    first, _, others = packed.results["benchmarks"]
    assert first["samples"]["right"] == 3, "with the fixture of its own module"
    assert [gate["verdict"] for gate in others["gates"]] == ["passed"]
    result.stdout.fnmatch_lines(
        ["WRONG benchmarks/core.pack.toml::others[[]a[]] - assert '1' == '2'"]
    )


def test_only_what_was_wrong_again(packed: Project) -> None:
    packed.plugins.append("cacheprovider")
    packed.run("benchmarks/core.pack.toml", "-k", "sums and not gate")
    again = collected(packed.run("benchmarks/core.pack.toml", "--lf", "--co", "-q"))
    assert again == [f"benchmarks/core.pack.toml::sums[s{n}]" for n in (3, 4, 5)]


def test_one_sample_of_a_pack_beside_the_folder_that_it_lies_in(packed: Project) -> None:
    """pytest itself takes the folder for all that is in it."""
    arguments = ("benchmarks", "benchmarks/core.pack.toml::few[s1]")
    found = collected(packed.run("--co", "-q", *arguments))
    assert [each for each in found if "pack.toml" in each] == ["benchmarks/core.pack.toml::few[s1]"]


@pytest.mark.parametrize(
    ("task", "said"),
    [
        (
            "sums/test_sums.py::test_sum",
            "task 1 (sum): test_sums.py has no benchmark 'test_sum'; did you mean 'test_sums'?",
        ),
        (
            "sums/test_gone.py::test_sums",
            'task 1 (sums): benchmark = "sums/test_gone.py::…": there is no file *test_gone.py',
        ),
    ],
)
def test_a_task_that_does_not_exist(packed: Project, task: str, said: str) -> None:
    text = f'[pack]\nname = "x"\nversion = "1.0.0"\n[[task]]\nbenchmark = "{task}"\n'
    (packed.path / "benchmarks" / "x.pack.toml").write_text(text, "utf-8")
    result = packed.run("--pack", "x")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines([f"benchmarks/x.pack.toml: {said}"])
    result.stdout.no_fnmatch_line("*Traceback*")
