"""`--events`: what a program that watches a run is told."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.integration.conftest import ARITHMETIC, Project

PUBLISHED = Path(__file__).parents[2] / "docs" / "schemas" / "event.json"
GATED = ARITHMETIC.replace("range(6)]", 'range(6)], gates=["accuracy >= THRESHOLD"]')
PHASES = ["initializing", "loading_data", "running_evaluation"]
CLOSING = ["post_processing", "progress", "gate", "persisting_artifacts", "artifacts"]


def gated(threshold: float) -> str:
    return GATED.replace("THRESHOLD", str(threshold))


def events_of(text: str) -> list[dict[str, Any]]:
    """The events, each held against the published schema."""
    validator = jsonschema.Draft202012Validator(json.loads(PUBLISHED.read_text("utf-8")))
    found = [json.loads(line) for line in text.splitlines()]
    for each in found:
        validator.validate(each)
    assert [each["time"] for each in found] == sorted(each["time"] for each in found)
    return found


def events(project: Project) -> list[dict[str, Any]]:
    return events_of((project.path / "events.jsonl").read_text("utf-8"))


def steps(found: list[dict[str, Any]]) -> list[str]:
    """The phases, and other kinds by their name; progress only where it is the last word."""
    names = [each.get("phase", each["kind"]) for each in found]
    last = max((place for place, name in enumerate(names) if name == "progress"), default=-1)
    return [name for place, name in enumerate(names) if name != "progress" or place == last]


@pytest.mark.parametrize("processes", [(), ("-n2",)], ids=["alone", "workers"])
def test_a_good_run(project: Project, processes: tuple[str, ...]) -> None:
    project.plugins.append("xdist")
    project.file(gated(0.5))
    assert project.run("--events=events.jsonl", "--modeleval-out=run", *processes).ret == 0
    found = events(project)
    assert steps(found) == [*PHASES, *CLOSING, "completed"]
    results = json.loads((project.path / "run/results.json").read_text("utf-8"))
    assert [each["run_id"] for each in found][:2] == [None, None]
    assert {each["run_id"] for each in found[2:]} == {results["run_id"]}
    (progress,) = [each for each in found if each["kind"] == "progress"][-1:]
    assert [progress[name] for name in ("done", "planned", "right", "wrong", "error")] == [
        *(6, 6, 3, 3, 0)
    ]
    (benchmark,) = results["benchmarks"]
    (score,) = progress["scores"]
    assert (score["done"], score["n"]) == (6, 6)
    assert (score["accuracy"], score["lower"]) == (
        benchmark["metrics"]["accuracy"]["value"],
        benchmark["metrics"]["accuracy"]["lower"],
    )
    (gate,) = [each["gate"] for each in found if each["kind"] == "gate"]
    assert gate == benchmark["gates"][0]
    (files,) = [each for each in found if each["kind"] == "artifacts"]
    assert {Path(each).name for each in files["files"]} >= {"results.json", "details", "junit.xml"}
    assert all(Path(each).exists() for each in files["files"])
    assert (found[-1]["verdict"], found[-1]["exit_status"]) == ("passed", 0)


def test_a_gate_that_fails_is_a_verdict_and_no_failed_run(project: Project) -> None:
    (project.path / "events.jsonl").write_text("of an earlier run\n")
    project.file(gated(0.9))
    assert project.run("--events=events.jsonl").ret == 1
    found = events(project)
    assert steps(found) == [*PHASES, *CLOSING, "completed"]
    assert [each["gate"]["verdict"] for each in found if each["kind"] == "gate"] == ["failed"]
    assert (found[-1]["verdict"], found[-1]["exit_status"]) == ("failed", 1)


@pytest.mark.parametrize("seconds", [0, 1000])
def test_progress_comes_at_intervals(project: Project, seconds: int) -> None:
    project.conftest(f"import pytest_modeleval.status_events as told\ntold.EVERY = {seconds}")
    project.file(ARITHMETIC)
    project.run("--events=events.jsonl")
    found = events(project)
    assert [each.get("phase", each["kind"]) for each in found][2:4] == [
        *("running_evaluation", "progress")
    ]
    told = [each for each in found if each["kind"] == "progress"]
    scores = [score["done"] for each in told for score in each["scores"]]
    if seconds:
        assert len(told) == 2, "the first and the last word"
    else:
        assert scores == [1, 2, 3, 4, 5, 6], "a benchmark is told where it has come further"


def test_ctrl_c(project: Project) -> None:
    project.file(gated(0.5) + "\ndef test_then():\n    raise KeyboardInterrupt\n")
    result = project.run_subprocess("--events=events.jsonl")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    found = events(project)
    assert steps(found)[-2:] == ["artifacts", "interrupted"]
    assert (found[-1]["exit_status"], found[-1]["reason"]) == (2, "the run was interrupted")


def test_a_run_that_stops_early(project: Project) -> None:
    project.conftest(
        """
import asyncio
import pytest_modeleval.time_limit as limit
limit.GRACE = 0.1

class Backend(Probe):
    async def reply(self, text, number):
        await asyncio.Event().wait()
"""
    )
    project.file(gated(0.5))
    assert project.run("--events=events.jsonl", "--max-time=0.5").ret == 1
    found = events(project)
    assert steps(found) == [*PHASES, *CLOSING, "interrupted"]
    assert (found[-1]["verdict"], found[-1]["reason"]) == (
        *("undecided", "the 0.5 s of --max-time are over"),
    )


def test_a_run_that_cannot_begin(project: Project) -> None:
    project.file(ARITHMETIC)
    result = project.run("--events=events.jsonl", "--model=openai:x", "--resume=nothing")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    last = events(project)[-1]
    assert (last["phase"], last["verdict"], last["exit_status"]) == ("failed", None, 4)
    assert last["reason"].startswith("--resume nothing: there is no such run")


def test_a_file_that_cannot_be_collected(project: Project) -> None:
    project.file(ARITHMETIC)
    project.file("def test_broken(:", "test_other")
    assert project.run("--events=events.jsonl").ret == pytest.ExitCode.INTERRUPTED
    last = events(project)[-1]
    assert (last["phase"], last["reason"]) == ("failed", "1 error during collection")


def test_a_file_that_cannot_be_made_is_refused(project: Project) -> None:
    project.file(ARITHMETIC)
    result = project.run("--events=nowhere/events.jsonl")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: --events *nowhere/events.jsonl: it cannot be written: no such file or directory"]
    )
    assert not (project.path / ".modeleval").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_is_told_once_and_the_run_goes_on(project: Project) -> None:
    project.file(ARITHMETIC)
    result = project.run("--events=/dev/full")
    assert result.ret == 0
    told = [line for line in result.outlines if "--events /dev/full" in line]
    assert told == [
        "--events /dev/full: no space left on device: no more events are written, the run goes on"
    ]
    assert project.samples == {"planned": 6, "right": 3, "wrong": 3}


def test_standard_output_is_for_events_alone(project: Project) -> None:
    project.file(
        ARITHMETIC
        + """
def test_noise(capfd):
    import os
    with capfd.disabled():
        print("said aloud")
        os.write(1, b"written by a library\\n")
        os.system("echo said by a program")
"""
    )
    command = [
        *project.pytester._getpytestargs(),
        *project._arguments("echo:"),
        "--events=-",
    ]
    ran = subprocess.run(command, cwd=project.path, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0
    assert steps(events_of(ran.stdout))[-1] == "completed"
    for text in ("said aloud", "written by a library", "said by a program", "verdict: passed"):
        assert text in ran.stderr


def test_standard_output_cannot_be_named_in_the_table(project: Project) -> None:
    project.pytester.makepyprojecttoml('[tool.modeleval]\nevents = "-"\n')
    project.file(ARITHMETIC)
    result = project.run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(['ERROR: events = "-": *: say --events - on the command line*'])


def test_nothing_is_told_where_nothing_runs(project: Project) -> None:
    project.file(ARITHMETIC)
    assert project.run("--events=events.jsonl", "--co").ret == 0
    assert not (project.path / "events.jsonl").exists()
