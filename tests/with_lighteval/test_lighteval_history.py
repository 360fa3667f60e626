"""A team that moves over: what LightEval measured before is what our runs are compared with, and
what our runs write is what LightEval would have written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lighteval", reason="needs lighteval: tox -e engines")

from pyarrow import parquet

from tests.integration.conftest import Project
from tests.with_lighteval import fixtures, oracle, reference

TASKS = ["kinds:both|1", "arc:challenge|2", "gsm8k|3"]
OWN_TASKS = Path(__file__).with_name("parity_tasks.py")


def written(folder: Path, task: str) -> tuple[Any, dict[str, dict[str, float]]]:
    """The hash of a task's queries, and its scores by query, in LightEval's files."""
    for file in folder.glob("results/**/results_*.json"):
        results = json.loads(file.read_text())
        if task in results["summary_tasks"]:
            hashes = results["summary_tasks"][task]["hashes"]
    (details,) = folder.glob(f"details/**/details_{task}_*.parquet")
    scores: dict[str, dict[str, float]] = {}
    for row in parquet.read_table(details).to_pylist():
        known = {name: value for name, value in row["metric"].items() if value is not None}
        scores.setdefault(row["doc"]["query"], {}).update(known)
    return hashes["hash_examples"], scores


def test_its_history_is_ours(
    pytester: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    oracle.REPLIES.update(fixtures.write(data))
    for task in TASKS:
        reference.run(
            task,
            folder=data,
            scratch=tmp_path,
            custom_tasks=OWN_TASKS,
            monkeypatch=monkeypatch,
            saved=True,
        )
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    project = Project(pytester)
    project.conftest(
        """
def pytest_modeleval_backends():
    return {"oracle": BackendEntry("tests.with_lighteval.oracle:Backend")}
"""
    )
    result = project.run(
        f"--lighteval={','.join(TASKS)}",
        f"--lighteval-tasks={OWN_TASKS}",
        f"--modeleval-data={data}",
        f"--baseline={tmp_path / 'out'}",
        *(f"--gate={task}: accuracy >= baseline" for task in TASKS),
        "--modeleval-out=out",
        "--modeleval-export=lighteval",
        model="oracle:",
    )
    assert result.ret == 0
    for benchmark in project.results["benchmarks"]:
        (gate,) = benchmark["gates"]
        assert gate["compared"] == benchmark["samples"]["planned"] > 3
        assert (gate["worse"], gate["better"]) == (0, 0)

    for task in TASKS:
        hash_of_theirs, theirs = written(tmp_path / "out", task)
        hash_of_ours, ours = written(project.path / "out" / "lighteval", task)
        assert hash_of_ours == hash_of_theirs
        assert ours.keys() == theirs.keys()
        for query, scores in theirs.items():
            assert scores.items() <= ours[query].items()
