"""The files of real runs hold to the schemas that are published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pytest_modeleval.results.details import read_details
from tests.integration.conftest import ARITHMETIC, Project

PUBLISHED = Path(__file__).parents[2] / "docs" / "schemas"


def check(name: str, value: Any) -> None:
    schema = json.loads((PUBLISHED / f"{name}.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(value)


def test_every_file_of_a_run(project: Project) -> None:
    project.file(
        ARITHMETIC.replace("range(6)]", "range(6)], gates=['accuracy >= baseline - 0.5']")
        + """
from pytest_modeleval import score

@benchmark([{"input": "x", "target": "x"}, {"input": "y", "target": None}], epochs=2)
async def test_more(sample, model):
    reply = await model.chat(sample.input, stop=["."])
    score("confidence", 0.5)
    score("f1", 0.5)
    assert sample.target is not None, "an error" if sample.target else "wrong"
    assert reply.text == sample.target
"""
    )
    project.run("--baseline-update", "--modeleval-out=first", "--model=echo:two")
    project.run("--modeleval-out=run", "--slice=id", "--model=echo:two")
    for name in ("results", "leaderboard", "run"):
        check(name, json.loads((project.path / f"run/{name}.json").read_text("utf-8")))
    results = json.loads((project.path / "run/results.json").read_text("utf-8"))
    assert any(gate["p_value"] for each in results["benchmarks"] for gate in each["gates"])
    check("baseline", json.loads((project.path / "benchmarks/baselines/probe.json").read_text()))
    rows = read_details(project.path / "run").to_pylist()
    assert len(rows) == 20 and all(row["calls"] for row in rows)
    for row in rows:
        check("details", json.loads(json.dumps(row)))


def test_what_they_refuse() -> None:
    with pytest.raises(jsonschema.ValidationError, match="'benchmarks' is a required property"):
        check("baseline", {"schema_version": "1.0", "model": "small"})
    with pytest.raises(jsonschema.ValidationError, match="unexpected"):
        check("pack", {"pack": {"name": "a", "version": "1.0.0"}, "tasks": []})
