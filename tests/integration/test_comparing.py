"""`modeleval compare` and `modeleval leaderboard`, and what a run of several models says itself."""

from __future__ import annotations

import json

import pytest

from pytest_modeleval.cli import main
from tests.integration.conftest import Project

BENCHMARK = """
from pytest_modeleval import benchmark

DATA = [
    {"id": f"q{n}", "input": str(n), "target": str(n), "kind": "even" if n % 2 == 0 else "odd"}
    for n in range(60)
]

@benchmark(DATA, gates=["accuracy >= 0"])
async def test_questions(sample, model):
    reply = await model.chat(sample.input)
    assert reply.text == sample.target
"""
WEAK = """
class Weak(Probe):
    def __init__(self, name, **arguments):
        super().__init__("weak", **arguments)

    async def reply(self, text, number):
        return "" if int(text) % 3 == 0 else text

def pytest_modeleval_backends():
    return {
        "probe": BackendEntry("conftest:Backend"),
        "weak": BackendEntry("conftest:Weak"),
    }
"""


@pytest.fixture
def runs(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    project.conftest(WEAK)
    project.file(BENCHMARK)
    monkeypatch.chdir(project.path)
    return project


def test_two_runs_question_by_question(runs: Project, capsys: pytest.CaptureFixture[str]) -> None:
    runs.run("--modeleval-out=one")
    runs.run("--modeleval-out=two", model="weak:")
    capsys.readouterr()
    assert main(["compare", "one", "two"]) == 0
    text = capsys.readouterr().out
    assert "probe -> weak" in text
    assert "60 samples in both" in text
    assert "accuracy: 1.0000 -> 0.6667, -0.3333 [" in text
    assert "20 worse: q0, q12, q15, q18, q21, q24, q27, q3, q30, q33 and 10 more" in text
    assert main(["compare", "one", "three"]) == 2
    assert "there is no such file, folder or run" in capsys.readouterr().err


def test_models_of_several_runs(runs: Project, capsys: pytest.CaptureFixture[str]) -> None:
    runs.run("--modeleval-out=one")
    runs.run("--modeleval-out=two", model="weak:")
    capsys.readouterr()
    assert main(["leaderboard", "one", "two", "--by", "kind", "--out", "board.json"]) == 0
    text = capsys.readouterr().out
    for part in ("test_questions, kind even", "probe - weak", "+0.3333", "Bradley-Terry"):
        assert part in text
    board = json.loads((runs.path / "board.json").read_text())
    assert [each["model"] for each in board["models"]] == ["probe", "weak"]
    assert len(board["slices"]) == 2


def test_a_run_of_two_models_says_which_is_better(runs: Project) -> None:
    runs.run("--model=weak:", "--slice=kind", "--modeleval-out=out")
    board = json.loads((runs.path / "out/leaderboard.json").read_text())
    (pair,) = board["differences"]
    assert abs(pair["difference"]) == pytest.approx(1 / 3)
    assert pair["p_adjusted"] < 0.001
    assert [each["value"] for each in board["slices"]] == ["even", "odd"]
    summary = (runs.path / "out/summary.md").read_text()
    assert "### Models" in summary
    assert "| 1             | `probe` |" in summary
