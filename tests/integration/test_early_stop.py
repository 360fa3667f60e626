"""--early-stop: a benchmark ends when its gates are decided, always at the same sample."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_modeleval.results.details import read_details
from tests.integration.conftest import Project

BENCHMARK = """
import os
from pytest_modeleval import benchmark

DATA = [
    {"id": f"s{n}", "input": str(n), "kind": "hard" if n % 4 == 0 else "easy"} for n in range(600)
]
WRONG = int(os.environ.get("WRONG", "10"))

@benchmark(DATA, gates=GATES)
async def test_it(sample, model):
    await model.chat(sample.input)
    assert int(sample.input) * 7 % 100 >= WRONG
"""
"""90 of 100 are right."""

UNEVEN = """
import asyncio

class Backend(Probe):
    concurrency = 16

    async def reply(self, text, number):
        await asyncio.sleep(0.002 * (int(text) % 7))
        return text
"""
"""Replies arrive in another order than they were asked for."""


def project_with(project: Project, *gates: str) -> Project:
    project.conftest(UNEVEN)
    project.file(BENCHMARK.replace("GATES", repr(list(gates))))
    return project


def outcome(project: Project) -> tuple[dict[str, int], list[dict[str, Any]]]:
    (benchmark,) = project.results["benchmarks"]
    return project.samples, benchmark["gates"]


def test_what_is_not_needed_is_not_asked(project: Project) -> None:
    result = project_with(project, "accuracy >= 0.7", "easy: accuracy[kind == 'easy'] >= 0.5").run(
        "--early-stop", "--modeleval-out=out"
    )
    assert result.ret == 0
    counts, gates = outcome(project)
    used = counts["right"] + counts.get("wrong", 0)
    assert used + counts["not_needed"] == counts["planned"] == 600
    assert used < 200
    assert len(project.probe["asked"]) < used + 100, "but for what was on its way"
    assert project.results["complete"]
    assert project.results["verdict"] == "passed"
    assert gates[0]["method"] == f"betting without replacement, {used} of 600 samples"
    assert gates[0]["lower"] < 0.9 < gates[0]["upper"]
    assert len(read_details(project.path / "out")) == used
    result.stdout.fnmatch_lines(
        [
            f"*{600 - used} not needed*",
            f"*stopped early: the gates are decided by {used} samples, *",
        ]
    )


def test_every_run_stops_at_the_same_sample(project: Project) -> None:
    project_with(project, "accuracy >= 0.75")
    project.plugins.append("xdist")
    found = []
    for arguments in ((), ("-n", "1"), ("-n", "3"), ("--concurrency=1",)):
        project.run("--early-stop", *arguments)
        found.append(outcome(project))
    assert all(each == found[0] for each in found)
    project.run("--early-stop", "--modeleval-seed=1")
    assert outcome(project) != found[0], "another seed, another order"


@pytest.mark.parametrize(
    ("gate", "verdict"),
    [
        ("accuracy >= 0.95", "failed"),
        ("accuracy <= 0.8", "failed"),
        ("accuracy < 0.97", "passed"),
    ],
)
def test_either_verdict_comes_early(project: Project, gate: str, verdict: str) -> None:
    project_with(project, gate).run("--early-stop")
    counts, (record,) = outcome(project)
    assert record["verdict"] == verdict
    assert counts["not_needed"] > 50


def test_what_bets_do_not_decide_runs_to_the_end(project: Project) -> None:
    project_with(project, "accuracy >= 0.7", "p95(latency_s) <= 30").run("--early-stop")
    counts, _ = outcome(project)
    assert "not_needed" not in counts
    assert counts["right"] == 540


def test_at_the_threshold_all_samples_are_needed(project: Project) -> None:
    assert project_with(project, "accuracy >= 0.9").run("--early-stop").ret == 0
    counts, (record,) = outcome(project)
    assert counts.get("not_needed", 0) < 60
    assert record["verdict"] == "passed"


def test_against_a_baseline(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project_with(project, "accuracy >= baseline - 0.1", "non_inferior(accuracy, 0.1)")
    project.run("--baseline-update")
    assert project.run("--early-stop").ret == 0
    counts, gates = outcome(project)
    assert counts["not_needed"] > 100
    assert [each["verdict"] for each in gates] == ["passed", "passed"]
    monkeypatch.setenv("WRONG", "40")
    assert project.run("--early-stop").ret == 1
    counts, gates = outcome(project)
    assert counts["not_needed"] > 300
    assert [each["verdict"] for each in gates] == ["failed", "failed"]
    assert gates[0]["p_value"] <= 0.05
    assert gates[0]["worse"] > 5 * gates[0]["better"]


def test_an_error_is_taken_for_either(project: Project) -> None:
    """One sample in ten errors instead of being wrong: it might have been right."""
    project_with(project, "accuracy >= 0.95")
    text = (project.path / "test_it.py").read_text()
    broken = text.replace(
        "    assert int", "    if int(sample.input) * 7 % 100 < 10: 1 / 0\n    assert int"
    )
    project.file(broken)
    project.run("--early-stop", "--max-errors=100%")
    _, (record,) = outcome(project)
    assert record["verdict"] == "undecided"


def test_other_benchmarks_go_on(project: Project) -> None:
    project_with(project, "accuracy >= 0.7")
    text = (project.path / "test_it.py").read_text()
    project.file(text + "\n@benchmark(DATA)\ndef test_all(sample):\n    pass\n")
    assert project.run("--early-stop").ret == 0
    first, second = (each["samples"] for each in project.results["benchmarks"])
    assert first["not_needed"] > 300
    assert (second["right"], second["not_needed"]) == (600, 0)


def test_in_pytests_own_protocol(project: Project) -> None:
    """Which a plugin that limits the time of a test brings about."""
    project_with(project, "accuracy >= 0.7").run("--early-stop")
    found = outcome(project)
    project.plugins.append("pytest_rerunfailures")
    project.run("--early-stop")
    assert outcome(project) == found
