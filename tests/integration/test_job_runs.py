"""`--job`: a run that a file asks for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_modeleval.results.details import read_details
from tests.integration.conftest import ARITHMETIC, Project
from tests.integration.test_events import events

PACK = """
[pack]
name = "core"
version = "1.2.0"

[[task]]
benchmark = "test_sums.py::test_sums"
gates = ["accuracy >= 0.5"]
"""
SHOWN = """
from pytest_modeleval import FewShot, benchmark

@benchmark(
    [{"id": f"s{n}", "input": str(n), "target": str(n)} for n in range(6)],
    few_shot=FewShot(1, [{"input": str(n), "target": str(n)} for n in range(9)]),
)
async def test_shown(sample, model):
    reply = await model.chat(str(len(sample.few_shot)))
    assert reply.text == "3"
"""


@pytest.fixture
def jobs(project: Project) -> Project:
    """A folder with a pack, and jobs beside it."""
    folder = project.path / "benchmarks"
    folder.mkdir()
    (folder / "test_sums.py").write_text(ARITHMETIC, "utf-8")
    (folder / "test_shown.py").write_text(SHOWN, "utf-8")
    (folder / "core.pack.toml").write_text(PACK, "utf-8")
    project.plugins.append("xdist")
    return project


def job(project: Project, **values: Any) -> str:
    (project.path / "benchmarks" / "job.json").write_text(json.dumps(values), "utf-8")
    return "--job=benchmarks/job.json"


def names(project: Project) -> list[str]:
    return [each["name"] for each in project.results["benchmarks"]]


@pytest.mark.parametrize("processes", [(), ("-n2",)], ids=["alone", "workers"])
def test_a_whole_job(jobs: Project, processes: tuple[str, ...]) -> None:
    said = job(
        jobs,
        id="nightly",
        pack="core==1.2.0",
        tasks=[
            {"benchmark": "test_sums.py::test_sums", "name": "again", "max_samples": 2},
            {"benchmark": "test_shown.py::test_shown", "name": "shown", "few_shot": 1},
        ],
        model={"backend": "probe", "name": "x"},
        generation={"temperature": 0.5},
        few_shot=3,
        limits={"samples": 4},
        seeds={"run": 7},
        artifacts={"out": "../out"},
        tags={"team": "a"},
    )
    result = jobs.run(said, "--events=events.jsonl", *processes, model=None)
    assert result.ret == 0, result.outlines
    out = jobs.path / "out"
    (pack,) = [each for each in events(jobs) if each["kind"] == "pack"]
    assert (pack["name"], pack["version"], pack["score"]) == ("core", "1.2.0", 0.75)
    results = json.loads((out / "results.json").read_text("utf-8"))
    assert results["job"]["id"] == "nightly" and results["job"]["tags"] == {"team": "a"}
    found = {each["name"]: each["samples"] for each in results["benchmarks"]}
    assert {name: samples["planned"] for name, samples in found.items()} == {
        "benchmarks/core.pack.toml::sums": 4,
        "benchmarks/job.json::again": 2,
        "benchmarks/job.json::shown": 4,
    }
    assert found["benchmarks/job.json::shown"]["right"] == 4, "the job's few_shot wins"
    for row in read_details(out).to_pylist():
        assert row["calls"][0]["sampling"]["temperature"] == 0.5


def test_what_the_command_line_names_is_run_in_place_of_the_jobs(jobs: Project) -> None:
    said = job(jobs, pack="core.pack.toml", tasks=[{"benchmark": "test_sums.py::test_sums"}])
    assert jobs.run(said, "benchmarks/test_shown.py").ret == 0
    assert names(jobs) == ["benchmarks/test_shown.py::test_shown"]
    assert jobs.run(said, "--pack=core").ret == 0
    assert names(jobs) == ["benchmarks/core.pack.toml::sums"]
    assert jobs.run(said, "benchmarks/job.json::sums[s1]").ret == 0
    assert names(jobs) == ["benchmarks/job.json::sums"]
    assert jobs.results["benchmarks"][0]["samples"]["right"] == 1


def test_a_job_that_names_nothing_runs_what_pytest_finds(jobs: Project) -> None:
    assert jobs.run(job(jobs, limits={"samples": 1}, model="probe:"), model=None).ret == 0
    assert names(jobs) == [
        "benchmarks/test_shown.py::test_shown",
        "benchmarks/test_sums.py::test_sums",
    ]


def test_a_job_in_a_folder_is_not_collected(jobs: Project) -> None:
    job(jobs, tasks=[{"benchmark": "test_sums.py::test_sums"}])
    assert jobs.run("benchmarks").ret == 0
    assert all("job.json" not in name for name in names(jobs))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"pack": "cor"}, "benchmarks/job.json: pack \"cor\": no pack 'cor'; did you mean 'core'"),
        ({"pack": "x.pack.toml"}, "benchmarks/job.json: pack: there is no file *x.pack.toml"),
        ({"schema_version": 2}, "benchmarks/job.json has schema version 2, and this version of *"),
        ({"plugins": [{"package": "no-such-thing"}]}, "benchmarks/job.json needs the plugin no-s*"),
        (
            {"model": {"backend": "echo", "name": "x", "arguments": {"latncy": 1}}},
            "benchmarks/job.json: model.arguments.latncy: echo: unknown argument 'latncy'; *",
        ),
    ],
)
def test_a_mistake_is_a_usage_error(jobs: Project, values: dict[str, Any], sentence: str) -> None:
    task = [{"benchmark": "test_sums.py::test_sums"}]
    result = jobs.run(job(jobs, tasks=task, **values), model=None)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {sentence}*"])
    assert not (jobs.path / ".modeleval").exists()


def test_a_run_goes_on_where_the_job_asks_the_same(jobs: Project) -> None:
    """Another few_shot is another question, though every file but the job is as it was."""
    stops = """
from pytest_modeleval.errors import StopRun

class Backend(Probe):
    concurrency = 1

    async def reply(self, text, number):
        if number >= 2 and not Path("goes-on").exists():
            raise StopRun("the well is dry")
        return text
"""
    jobs.conftest("from pathlib import Path\n" + stops)
    said = job(jobs, pack="core.pack.toml", few_shot=1)
    for values, expected in (({"few_shot": 1}, "resuming run"), ({"few_shot": 2}, "a new run:")):
        (jobs.path / "goes-on").unlink(missing_ok=True)
        job(jobs, pack="core.pack.toml", few_shot=1)
        assert jobs.run(said).ret == 1
        (jobs.path / "goes-on").touch()
        job(jobs, pack="core.pack.toml", **values)
        result = jobs.run(said)
        assert any(line.startswith(expected) for line in result.outlines), result.outlines
