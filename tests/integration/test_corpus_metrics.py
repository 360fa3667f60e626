"""Metrics over all samples, as an author declares and a run shows them."""

from __future__ import annotations

import json

from pytest_modeleval.results.details import read_details
from tests.integration.conftest import Project

METRICS = """
def spread(values, scale):
    texts = [each["reply"] for each in values]
    assert texts == sorted(texts), texts
    return len(set(texts)) / scale
"""
CLASSES = """
from pytest_modeleval import CorpusMetric, benchmark, record_value

@benchmark(
    [{"id": f"s{n}", "input": str(n), "target": str(n % 3)} for n in range(6)],
    gates=["spread >= 2", "spread <= 2.5"],
    corpus_metrics=[CorpusMetric("spread", "own_metrics:spread", {"scale": 2})],
)
async def test_classes(sample, model):
    reply = await model.chat(sample.input)
    record_value("reply", reply.text)
    assert reply.text == sample.target
"""


def test_it_is_shown_gated_and_stored(project: Project) -> None:
    project.file(METRICS, "own_metrics")
    project.file(CLASSES, "test_classes")
    result = project.run("--modeleval-out=out")
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "    spread * 3.0000 * n=6",
            "    ✓ spread >= 2    passed: 3.0000, 1.0000 to spare",
            "    ✗ spread <= 2.5  failed: 3.0000, 0.5000 short",
        ]
    )
    (benchmark,) = json.loads((project.path / "out" / "results.json").read_text())["benchmarks"]
    metric = benchmark["metrics"]["spread"]
    assert (metric["value"], metric["lower"], metric["upper"], metric["n"]) == (3.0, None, None, 6)
    values = read_details(project.path / "out", columns=["values"])["values"].to_pylist()
    assert [json.loads(each) for each in values] == [{"reply": str(n)} for n in range(6)]


def test_the_controller_of_several_processes_computes_it(project: Project) -> None:
    project.plugins = ["xdist"]
    project.file(METRICS, "own_metrics")
    project.file(CLASSES, "test_classes")
    project.run("-n2")
    (benchmark,) = project.results["benchmarks"]
    assert benchmark["metrics"]["spread"]["value"] == 3.0
    assert [gate["verdict"] for gate in benchmark["gates"]] == ["passed", "failed"]


def test_a_resumed_run_has_what_was_recorded_before(project: Project) -> None:
    project.file(METRICS, "own_metrics")
    project.file(CLASSES, "test_classes")
    project.conftest(
        """
class Backend(Probe):
    async def reply(self, text, number):
        if text >= "4":
            from pathlib import Path
            from pytest_modeleval.errors import RequestError
            if not Path("better").exists():
                raise RequestError("not today", retryable=False)
        return text
"""
    )
    first = project.run("--modeleval-out=out")
    first.stdout.fnmatch_lines(
        ["*undecided: spread >= 2: 2 errored of 6 samples, and spread needs every value"]
    )
    (project.path / "better").touch()
    project.run("--modeleval-out=out", "--resume=out")
    (benchmark,) = project.results["benchmarks"]
    assert benchmark["metrics"]["spread"]["value"] == 3.0
    assert benchmark["metrics"]["spread"]["n"] == 6
    assert project.probe["asked"] == ["4", "5"]


def test_a_function_that_raises_is_told_and_leaves_the_rest(project: Project) -> None:
    project.file(CLASSES.replace("own_metrics:spread", "json:loads"), "test_classes")
    result = project.run()
    result.stdout.fnmatch_lines(
        [
            "    [?] spread <= 2.5*undecided: the function json:loads raised TypeError*",
            "*test_classes.py::test_classes: the function json:loads raised TypeError*",
        ]
    )
    assert project.samples == {"planned": 6, "right": 3, "wrong": 3}


def test_a_gate_that_asks_for_more_than_its_value(project: Project) -> None:
    project.file(CLASSES.replace("spread <= 2.5", "lower(spread) <= 2"), "test_classes")
    result = project.run()
    result.stdout.fnmatch_lines(
        ["*gate lower(spread) <= 2: spread is one number of all samples together*"]
    )
