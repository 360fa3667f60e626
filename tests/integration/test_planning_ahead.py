"""`modeleval plan`: what a gate needs, from runs and baselines."""

from __future__ import annotations

import pytest

from pytest_modeleval.cli import main
from tests.integration.conftest import Project

BENCHMARK = """
from pytest_modeleval import benchmark

DATA = [{"id": f"s{n}", "input": str(n)} for n in range(100)]

@benchmark(DATA)
async def test_it(sample, model):
    await model.chat(sample.input)
    assert int(sample.input) >= 20 and not (int(sample.input) < 40 and sample.epoch)
"""


@pytest.fixture
def runs(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    project.file(BENCHMARK)
    monkeypatch.chdir(project.path)
    return project


def test_a_run_without_repeats_tells_the_worst_case(
    runs: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    runs.run("--modeleval-out=one", "--baseline-update")
    for source in ("one", "benchmarks/baselines/probe.json"):
        capsys.readouterr()
        assert main(["plan", "--baseline", source]) == 0
        text = capsys.readouterr().out
        assert "test_it.py::test_it  0.8000      100        32.0% at most" in text
        assert "A run with --epochs 2 or more tells it" in text


def test_repeats_tell_how_much_changes_by_chance(
    runs: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    runs.run("--modeleval-out=two", "--epochs=2")
    capsys.readouterr()
    assert main(["plan", "--baseline", "two", "--detect", "0.1"]) == 0
    text = capsys.readouterr().out
    assert "20.0%" in text
    assert "at most" not in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--detect", "2"), "--detect 2: expected a number between 0 and 1"),
        (("--power", "1"), "--power 1: expected a number between 0 and 1"),
    ],
)
def test_numbers_out_of_range(
    runs: Project, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert main(["plan", "--baseline", "nowhere", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_gate_that_passed_says_what_would_hardly_show(runs: Project) -> None:
    runs.run("--baseline-update")
    gate = "--gate=test_it: accuracy >= baseline"
    result = runs.run(gate)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*0 worse and 0 better of 100; less than 0.0* would hardly show"])
    record = runs.results["benchmarks"][0]["gates"][0]
    assert 0.02 < record["detectable"] < 0.1
