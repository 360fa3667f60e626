"""Runs that stop early: what was not run is told, and nothing turns green."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Project

BENCHMARK = """
from pytest_modeleval import benchmark

DATA = [{"id": f"s{n}", "input": str(n), "target": str(n)} for n in range(200)]

@benchmark(DATA, gates=["accuracy >= 0.5", "sure: accuracy >= 0.01"])
async def test_first(sample, model):
    reply = await model.chat(sample.input)
    assert reply.text == sample.target

@benchmark(DATA)
async def test_second(sample, model):
    await model.chat(sample.input)
"""


STOPS = """
from pytest_modeleval.errors import StopRun

class Backend(Probe):
    concurrency = 4

    async def reply(self, text, number):
        if number >= 20:
            raise StopRun("the well is dry")
        return text
"""
"""The model answers 20 requests in each process."""


def test_what_was_not_run_is_told_and_gates_are_undecided(project: Project) -> None:
    project.conftest(STOPS)
    project.file(BENCHMARK)
    result = project.run()
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "test_it.py ....................nnn*",
            "undecided: accuracy >= 0.5: 180 not run of 200 samples: * (the well is dry)",
            "380 of 400 samples were not run: the well is dry",
            "    ? accuracy >= 0.5 *",
            "    ✓ sure: accuracy >= 0.01 *",
            "verdict: undecided (the run is incomplete: the well is dry)",
            "FAILED *modeleval::stopped - 380 of 400 samples were not run: the well is dry",
        ]
    )
    first, second = project.results["benchmarks"]
    assert (first["samples"]["right"], first["samples"]["not_run"]) == (20, 180)
    assert (second["samples"]["right"], second["samples"]["not_run"]) == (0, 200)
    assert not project.results["complete"]
    assert result.parseoutcomes()["not"] == 380, "a category of their own"
    assert len(project.probe["asked"]) < 40, "no further body starts"


def test_what_runs_when_it_stops_may_end(project: Project) -> None:
    project.conftest(
        STOPS.replace(
            "if number >= 20:",
            'await self.until(lambda: self.in_flight == 4 or "0" in self.answered)\n'
            '        if text == "0":',
        ).replace(
            "return text", 'await self.until(lambda: "0" in self.answered)\n        return text'
        )
    )
    project.file(BENCHMARK)
    project.run()
    assert project.results["benchmarks"][0]["samples"]["right"] == 3


def test_one_worker_stops_the_others(project: Project) -> None:
    """Only one of them ever meets the end; the other would answer all."""
    project.conftest(
        STOPS.replace("number >= 20", 'os.environ.get("PYTEST_XDIST_WORKER") == "gw0"').replace(
            "return text", "await asyncio.sleep(0.05)\n        return text"
        )
        + "\nimport asyncio\nimport os\n"
    )
    project.file(BENCHMARK)
    project.plugins.append("xdist")
    result = project.run("-n", "2")
    assert result.ret == 1
    counts = [benchmark["samples"] for benchmark in project.results["benchmarks"]]
    assert sum(each["not_run"] for each in counts) > 200
    assert sum(sum(each.values()) - each["planned"] for each in counts) == 400
    result.stdout.fnmatch_lines(["*of 400 samples were not run: the well is dry"])


@pytest.mark.parametrize("arguments", [(), ("-p", "timeout", "--timeout=30")])
def test_details_and_junit_say_why(project: Project, arguments: tuple[str, ...]) -> None:
    """Also in pytest's own protocol, which another plugin brings about."""
    from pytest_modeleval.results.details import read_details

    project.conftest(STOPS)
    project.file(BENCHMARK)
    result = project.run("--modeleval-out=out", "--junitxml=own.xml", *arguments)
    assert result.ret == 1
    rows: list[dict[str, Any]] = read_details(project.path / "out").to_pylist()
    lost = [row for row in rows if row["outcome"] == "not_run"]
    assert len(lost) == 380
    assert {row["error"] for row in lost} == {"the well is dry"}
    for file in ("out/junit.xml", "own.xml"):
        text = (project.path / file).read_text()
        assert text.count("<skipped") == 380
        assert "the well is dry" in text


ONE_WORKER_STOPS = """
import asyncio
import os
from pathlib import Path
from pytest_modeleval.errors import StopRun

class Backend(Probe):
    concurrency = 4

    async def reply(self, text, number):
        if os.environ["PYTEST_XDIST_WORKER"] == "gw0":
            Path("stopped").touch()
            raise StopRun("the well is dry")
        await self.until(Path("stopped").exists)
        await asyncio.sleep(0.3)
        return text
"""


class TestStopsThatAreEasilyMissed:
    def test_a_body_that_catches_everything(self, project: Project) -> None:
        project.conftest(STOPS)
        project.file("""
from pytest_modeleval import benchmark

@benchmark([{"id": f"s{n}", "input": str(n), "target": str(n)} for n in range(200)])
def test_it(sample, model):
    try:
        reply = model.chat(sample.input).text
    except Exception:
        reply = None
    assert reply == sample.target
""")
        assert project.run().ret == 1
        assert project.samples == {"planned": 200, "right": 20, "not_run": 180}

    def test_a_fixture_that_asks_the_model(self, project: Project) -> None:
        project.conftest(STOPS.replace("number >= 20", "True"))
        project.file("""
import pytest
from pytest_modeleval import benchmark

@pytest.fixture
def shots(model):
    return model.blocking.chat("a few shots").text

@benchmark([{"id": f"s{n}", "input": str(n)} for n in range(3)])
async def test_it(sample, shots, model):
    await model.chat(shots + sample.input)
""")
        result = project.run()
        assert result.ret == 1
        assert project.samples == {"planned": 3, "not_run": 3}
        assert len(project.probe["asked"]) == 1
        result.stdout.fnmatch_lines(["*3 of 3 samples were not run: the well is dry"])

    def test_the_second_epoch(self, project: Project) -> None:
        project.conftest(STOPS)
        project.file(BENCHMARK)
        project.run("--epochs=15", "--concurrency=1", "-k", "test_first")
        assert project.samples == {"planned": 200, "right": 1, "not_run": 199}
        (benchmark,) = project.results["benchmarks"]
        assert benchmark["metrics"]["accuracy"]["n"] == 2, "what was answered counts"

    def test_with_a_debugger(self, project: Project) -> None:
        project.conftest(STOPS)
        project.file(BENCHMARK.replace(', gates=["accuracy >= 0.5", "sure: accuracy >= 0.01"]', ""))
        result = project.run("--pdb")
        assert result.ret == 1
        assert len(project.probe["asked"]) == 21, "nothing is asked after the first"

    def test_with_a_scheduler_of_xdist(self, project: Project) -> None:
        """It takes nothing away from a worker: that one has to be told."""
        project.conftest(ONE_WORKER_STOPS)
        project.file(BENCHMARK)
        project.plugins.append("xdist")
        assert project.run("-n2", "--dist=load").ret == 1
        counts = [benchmark["samples"] for benchmark in project.results["benchmarks"]]
        assert sum(each["right"] for each in counts) < 30, "it was dealt 50 at once"


def test_pytest_that_stops_tells_why(project: Project) -> None:
    project.file(BENCHMARK.replace("await model.chat(sample.input)\n\n", "raise OSError\n\n", 1))
    assert project.run("-x", "--max-errors=100%").ret == 0
    project.file(BENCHMARK.replace("assert", "raise OSError\n    assert"))
    assert project.run("-x").ret == 1
    assert project.results["stopped"] == "stopping after 1 failures"
    reasons = [gate["reason"] for gate in project.results["benchmarks"][0]["gates"]]
    assert all(reason.endswith("(stopping after 1 failures)") for reason in reasons)


HANGS = """
import asyncio
from pathlib import Path

class Backend(Probe):
    concurrency = 4

    async def reply(self, text, number):
        if int(text) >= 8:
            await asyncio.Event().wait()
        return text

    async def aclose(self):
        await super().aclose()
        Path("closing").touch()
        await asyncio.sleep(CLOSING)

def pytest_runtest_logreport(report):
    if report.when == "call" and "[s7]" in report.nodeid:
        Path("reported").touch()
"""


class TestCtrlC:
    def interrupted(self, project: Project, closing: int, *arguments: str) -> subprocess.Popen[str]:
        """A run that has just had its first Ctrl-C, while samples hang."""
        project.conftest(HANGS.replace("CLOSING", str(closing)))
        project.file(BENCHMARK)
        process = subprocess.Popen(
            [*project.pytester._getpytestargs(), *project._arguments("probe:"), *arguments],
            cwd=project.path,
            env={**os.environ, "PYTHONPATH": str(project.path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        wait_for(project.path / "reported")
        process.send_signal(signal.SIGINT)
        return process

    def test_once_keeps_what_was_done(self, project: Project) -> None:
        process = self.interrupted(project, 0)
        text, _ = process.communicate(timeout=60)
        assert process.returncode == pytest.ExitCode.INTERRUPTED
        assert "verdict: undecided (the run is incomplete: the run was interrupted)" in text
        first, second = project.results["benchmarks"]
        assert (first["samples"]["right"], first["samples"]["not_run"]) == (8, 192)
        assert second["samples"]["not_run"] == 200
        gate, sure = first["gates"]
        assert gate["verdict"] == "undecided"
        assert gate["reason"].endswith("(the run was interrupted)")
        assert sure["verdict"] == "passed", "whatever the others would have been"

    def test_twice_waits_for_nothing(self, project: Project) -> None:
        process = self.interrupted(project, 1000)
        wait_for(project.path / "closing")
        process.send_signal(signal.SIGINT)
        text, _ = process.communicate(timeout=60)
        assert process.returncode == pytest.ExitCode.INTERRUPTED
        assert text.rstrip().endswith("interrupted twice: ended at once")


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} never came"
        time.sleep(0.02)


def test_the_same_command_goes_on_with_what_was_not_run(project: Project) -> None:
    """A sample that was given up is not kept as if it were finished."""
    project.conftest(STOPS)
    project.file(BENCHMARK)
    assert project.run().ret == 1
    project.conftest()
    result = project.run()
    assert result.ret == 0
    result.stdout.fnmatch_lines(["resuming run *: 20 of 400 samples are kept"])
    first, second = (each["samples"] for each in project.results["benchmarks"])
    assert (first["right"], first["not_run"]) == (200, 0)
    assert (second["right"], second["not_run"]) == (200, 0)
    asked = {int(text) for text in project.probe["asked"]}
    assert asked == set(range(20, 200)), "what the first process was told is in the cache"
