"""Epochs and confidences in a run, from the body to results.json."""

from __future__ import annotations

import json

import pytest

from tests.integration.conftest import Project

BENCHMARK = """
from pytest_modeleval import benchmark, score

DATA = [{"id": f"s{n}", "input": str(n)} for n in range(10)]

@benchmark(DATA, epochs=4, gates=GATES)
async def test_tries(sample, model):
    await model.chat(sample.input)
    score("confidence", 0.75)
    assert (int(sample.input) + sample.epoch) % 2
"""


def tries(project: Project, *gates: str) -> Project:
    project.file(BENCHMARK.replace("GATES", repr(list(gates))))
    return project


def test_each_sample_counts_once_however_often_it_is_asked(project: Project) -> None:
    result = tries(project, "pass_at_2 >= 0.8", "pass_hat_2 <= 0.2", "ece <= 0.3").run()
    assert result.ret == 0
    (benchmark,) = project.results["benchmarks"]
    metrics = {name: each["value"] for name, each in benchmark["metrics"].items()}
    assert metrics["accuracy"] == 0.5
    assert metrics["pass_at_2"] == pytest.approx(5 / 6)
    assert metrics["pass_hat_2"] == pytest.approx(1 / 6)
    assert (metrics["pass_at_4"], metrics["pass_hat_4"], metrics["majority"]) == (1, 0, 0.5)
    accuracy = benchmark["metrics"]["accuracy"]
    assert accuracy["n"] == 10
    assert (accuracy["between"], accuracy["within"]) == (0, pytest.approx(1 / 3))
    assert metrics["brier"] == pytest.approx((0.25**2 + 0.75**2) / 2)
    assert benchmark["calibration"]["ece"] == pytest.approx(0.25)
    (board,) = project.path.glob(".modeleval/runs/2*/leaderboard.json")
    standing = json.loads(board.read_text())["benchmarks"][0]["models"][0]
    assert standing["ece"] == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        ("pass_at_5 >= 0.5", "*it needs 5 epochs of each sample, and there are 4: say epochs=5*"),
        ("median(ece) <= 0.1", "*ece is one number of all samples: compare it with a number*"),
        ("ece <= baseline", "*ece is one number of all samples*"),
        ("pass_at_0 >= 0.5", "*there is no metric pass_at_0*"),
    ],
)
def test_what_cannot_be_had_is_refused(project: Project, gate: str, said: str) -> None:
    result = tries(project, gate).run()
    assert result.ret != 0
    result.stdout.fnmatch_lines([said])


def test_a_confidence_is_from_zero_to_one(project: Project) -> None:
    project.file(BENCHMARK.replace("GATES", "[]").replace("0.75", "75"))
    project.run()
    assert set(project.errors.values()) == {"score('confidence', 75): a confidence is from 0 to 1"}


def test_calibration_without_confidences_is_refused(project: Project) -> None:
    text = BENCHMARK.replace("GATES", "['brier <= 0.1']")
    project.file(text.replace('score("confidence", 0.75)', ""))
    result = project.run()
    assert result.ret != 0
    result.stdout.fnmatch_lines(['*brier is made of confidences: record score("confidence", *'])
