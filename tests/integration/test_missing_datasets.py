"""A dataset that is not at hand: one sentence, and the other benchmarks run."""

from __future__ import annotations

import pytest

from tests.integration.conftest import Project

TWO = """
from pytest_modeleval import benchmark

@benchmark("nowhere.jsonl", gates=["accuracy >= 0.5", "p95(latency_s) <= 30"])
async def test_lost(sample, model):
    assert False

@benchmark([{"id": "a", "input": "a", "target": "a"}], gates=["accuracy >= 1"])
async def test_there(sample, model):
    assert (await model.chat(sample.input)).text == sample.target
"""
SENTENCE = "dataset nowhere.jsonl is not at hand: there is no */nowhere.jsonl; put the file there *"


@pytest.fixture
def two(project: Project) -> Project:
    project.plugins.append("xdist")
    project.file(TWO)
    return project


@pytest.mark.parametrize("processes", [(), ("-n2",)], ids=["alone", "-n2"])
def test_is_undecided(two: Project, processes: tuple[str, ...]) -> None:
    result = two.run(*processes, model="echo:")
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "*_ test_lost[[]dataset[]] _*",
            f"undecided: {SENTENCE}",
            "verdict: undecided",
            "FAILED test_it.py::test_lost[[]dataset[]] - undecided: dataset nowhere*",
            "*= 1 failed, 2 passed in *",
        ]
    )
    result.stdout.fnmatch_lines(
        [
            "test_it.py::test_lost  echo",
            "  no samples",
            f"  {SENTENCE}",
            "    [?] accuracy >= 0.5       undecided",
            "    [?] p95(latency_s) <= 30  undecided",
        ]
    )
    assert two.results["verdict"] == "undecided"


@pytest.mark.parametrize("processes", [(), ("-n2",)], ids=["alone", "-n2"])
def test_may_be_skipped(two: Project, processes: tuple[str, ...]) -> None:
    result = two.run("--modeleval-missing=skip", "-rs", *processes, model="echo:")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["verdict: passed", f"SKIPPED [[]1[]] *: {SENTENCE}", "*= 2 passed, 1 skipped in *"]
    )
    assert two.results["verdict"] == "passed"
    verdicts = {
        each["name"].rpartition("::")[2]: [gate["verdict"] for gate in each["gates"]]
        for each in two.results["benchmarks"]
    }
    assert verdicts == {"test_lost": ["not judged", "not judged"], "test_there": ["passed"]}


def test_is_no_matter_where_it_is_deselected(two: Project) -> None:
    result = two.run("-k", "there", model="echo:")
    assert result.ret == 0
    assert two.results["verdict"] == "passed"
    assert [each["name"] for each in two.results["benchmarks"]] == ["test_it.py::test_there"]


def test_is_collected(two: Project) -> None:
    result = two.run("--co", "-q", model=None)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["test_it.py::test_lost[[]dataset[]]"])


def test_of_a_registered_name_says_where_it_was_looked_for(project: Project) -> None:
    project.file(
        """
from pytest_modeleval import benchmark

@benchmark("gsm8k")
async def test_it(sample, model): ...
"""
    )
    result = project.run("--modeleval-data=empty", "-p", "no:cacheprovider")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["undecided: dataset gsm8k is not at hand: *empty*"])
