"""LightEval's documents are items as any others: for workers, for `-k`, for the cache."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lighteval", reason="needs lighteval: tox -e engines")

from tests.integration.conftest import Project
from tests.with_lighteval.harness import OWN_TASKS

TASKS = "kinds:moody|0,kinds:likelihoods|1,kinds:f1_macro|0"
CONFTEST = """
import sys

def pytest_modeleval_backends():
    return {"oracle": BackendEntry("tests.with_lighteval.oracle:Backend")}

def pytest_unconfigure(config):
    process = "worker" if hasattr(config, "workerinput") else "main"
    with open(f"{process}-imports", "w") as file:
        file.write(str("lighteval" in sys.modules))
"""
IMPORTING = 300
"""Seconds that a run may take: a worker imports LightEval."""


class Run:
    """A run of the tasks, in processes of its own."""

    def __init__(self, project: Project, data: Path, *more: str) -> None:
        project.pytester.runpytest_subprocess(
            *("-p", "modeleval", "-p", "xdist", "--model=oracle:"),
            f"--lighteval={TASKS}",
            f"--lighteval-tasks={OWN_TASKS}",
            f"--modeleval-data={data}",
            "--gate=kinds:f1_macro|0: f1 >= 0.01",
            *more,
            timeout=IMPORTING,
        )
        self.benchmarks = project.results["benchmarks"]
        self.importers = {
            file.name.removesuffix("-imports"): file.read_text() == "True"
            for file in project.path.glob("*-imports")
        }

    @property
    def told(self) -> list[dict[str, Any]]:
        """What does not depend on how long it took."""
        return [
            {
                **{key: each[key] for key in ("name", "samples", "errors", "gates")},
                "metrics": {
                    name: metric
                    for name, metric in each["metrics"].items()
                    if not name.endswith("_s")
                },
            }
            for each in self.benchmarks
        ]

    def requests(self, name: str) -> int:
        """How many were sent for a task."""
        (found,) = (each for each in self.benchmarks if name in each["name"])
        count: int = found["usage"].get("requests", 0)
        return count


@pytest.fixture(scope="module")
def one_process(project: Project, data: Path, monkeypatch_module: pytest.MonkeyPatch) -> Run:
    monkeypatch_module.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    project.conftest(CONFTEST)
    return Run(project, data)


def test_a_run(one_process: Run) -> None:
    assert [len(each["errors"]) for each in one_process.benchmarks] == [1, 0, 0]
    assert [len(each["gates"]) for each in one_process.benchmarks] == [0, 0, 1]
    assert [each["samples"]["planned"] for each in one_process.benchmarks] == [12, 12, 12]
    assert one_process.requests("likelihoods") > 0
    assert one_process.importers == {"main": True}


def test_two_workers_give_the_same_and_their_controller_needs_no_lighteval(
    project: Project, data: Path, one_process: Run
) -> None:
    run = Run(project, data, "-n2", "--modeleval-cache=off")

    assert run.told == one_process.told
    assert run.requests("likelihoods") == 12
    assert run.importers == {"main": False, "worker": True}


def test_what_was_asked_before_is_not_asked_again(
    project: Project, data: Path, one_process: Run
) -> None:
    run = Run(project, data)

    assert run.told == one_process.told
    assert run.requests("likelihoods") == 0


def test_a_document_is_chosen_as_any_item(project: Project, data: Path, one_process: Run) -> None:
    run = Run(project, data, "-k", "moody and 0003")

    assert [each["samples"]["right"] for each in run.benchmarks] == [1]
