"""Several processes with xdist's own scheduling give what one gives."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.conftest import Project

MIXED = """
import pytest
from pytest_modeleval import benchmark, score

DATA = [
    {"id": f"s{n}", "input": "yes", "target": "yes" if n % 3 else "no", "kind": "ab"[n % 2]}
    for n in range(30)
]

@pytest.mark.parametrize("way", ["x", "y"])
@benchmark(DATA, gates=["accuracy >= 0.5", "high: accuracy >= 0.9", 'accuracy[kind == "a"] >= 0.4'])
async def test_mixed(sample, model, way):
    score("number", int(sample.id[1:]) * (2 if way == "y" else 1))
    if sample.id == "s7":
        raise LookupError("no such thing")
    if sample.id == "s8":
        pytest.skip("not for this model")
    assert (await model.chat(sample.input)).text == sample.target

@benchmark(DATA, gates=["accuracy <= 0.7"])
def test_plain(sample, model):
    assert model.chat(sample.input).text == sample.target

def test_ordinary(): ...
"""


def comparable(project: Project) -> Any:
    """The results without what time decides."""
    return [
        {
            **{name: each[name] for name in ("name", "model", "samples", "errors", "gates")},
            "metrics": {
                name: value for name, value in each["metrics"].items() if not name.endswith("_s")
            },
        }
        for each in project.results["benchmarks"]
    ]


@pytest.mark.parametrize("options", [(), ("--max-errors=2", "--model=echo:two")], ids=["1", "2"])
def test_two_processes_give_what_one_gives(project: Project, options: tuple[str, ...]) -> None:
    project.plugins.append("xdist")
    project.file(MIXED)
    options = (*options, "--modeleval-cache=off")
    alone = project.run(*options, "--junitxml=own.xml", model="echo:one")
    expected = comparable(project)
    many = project.run(*options, "-n2", "--junitxml=own.xml", model="echo:one")
    assert many.ret == alone.ret == 1
    assert many.parseoutcomes() == alone.parseoutcomes()
    by_name = {(each["name"], each["model"]): each for each in comparable(project)}
    for each in expected:
        found = by_name.pop((each["name"], each["model"]))
        found["errors"].sort(key=str)
        each["errors"].sort(key=str)
        assert found == each
    assert not by_name
    assert project.results["complete"]
    many.stdout.fnmatch_lines(["gate failed: accuracy >= 0.9: it is *", "verdict: failed"])


def test_deselecting(project: Project) -> None:
    project.plugins.append("xdist")
    project.file(MIXED)
    result = project.run("-n2", "-k", "test_plain and s1", model="echo:")
    assert result.ret == 0
    assert project.samples == {"planned": 30, "right": 8, "wrong": 3, "deselected": 19}
    result.stdout.fnmatch_lines(["*accuracy <= 0.7  not judged: 19 of the 30 planned*"])


def test_stopping_at_the_first_failure(project: Project) -> None:
    project.plugins.append("xdist")
    project.file(MIXED)
    result = project.run("-n2", "-x", model="echo:")
    assert result.ret == pytest.ExitCode.INTERRUPTED, "as xdist has it"
    assert project.results["complete"] is False
    result.stdout.fnmatch_lines(
        ["verdict: failed (the run is incomplete: stopping after 1 failures)"]
    )
    result.stdout.no_fnmatch_line("FAILED *gate:*")  # as alone: it was not their turn
