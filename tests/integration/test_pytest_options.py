"""pytest's own options with benchmarks."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter

import pytest

from tests.integration.conftest import ARITHMETIC, Project

GATED = ARITHMETIC.replace("])\n", '], gates=["accuracy >= 0.5"])\n')


def node_ids(result: pytest.RunResult) -> list[str]:
    return [line for line in result.outlines if "::" in line and " " not in line]


def test_collect_only_needs_no_model(project: Project) -> None:
    project.file(GATED)
    result = project.run("--co", "-q", model=None)
    assert result.ret == 0
    assert node_ids(result) == [
        *(f"test_it.py::test_sums[s{n}]" for n in range(6)),
        "test_it.py::test_sums[gate:accuracy]",
    ]
    assert not (project.path / ".modeleval").exists()


def test_collect_only_shows_the_tree(project: Project) -> None:
    project.file(GATED)
    result = project.run("--co")
    result.stdout.fnmatch_lines(
        ["*<Module test_it.py>", "*<SampleItem test_sums[[]s0]>", "*<GateItem *gate:accuracy*>"]
    )
    assert not (project.path / "probe.json").exists()


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["-k", "s1 or s4"], "s1 s4"),
        (["-k", "sums and not s0 and not gate"], "s1 s2 s3 s4 s5"),
        (["--deselect", "test_it.py::test_sums[s2]"], "s0 s1 s3 s4 s5 gate:accuracy"),
        (["test_it.py::test_sums[s5]", "test_it.py::test_sums[s0]"], "s5 s0"),
        (["-k", "gate"], "s0 s1 s2 s3 s4 s5 gate:accuracy"),
        (["test_it.py::test_sums[gate:accuracy]"], "s0 s1 s2 s3 s4 s5 gate:accuracy"),
        (["-k", "nothing"], ""),
    ],
)
def test_selection(project: Project, arguments: list[str], expected: str) -> None:
    project.file(GATED)
    result = project.run("-v", *arguments)
    found = re.findall(r"^test_it.py::test_sums\[(\S+)\] [A-Z]", result.stdout.str(), re.M)
    assert sorted(found) == sorted(expected.split())
    assert result.ret == (0 if expected else 5)


def test_a_gate_whose_samples_were_deselected_has_no_effect(project: Project) -> None:
    project.file(GATED)
    result = project.run("--deselect", "test_it.py::test_sums[s0]", "-rs")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["SKIPPED*not judged: 1 of the 6 planned samples*"])


@pytest.mark.parametrize("arguments", [["-q"], ["-qq"], ["-v"], ["-vv"], ["-s"], ["-rA"], []])
def test_how_much_is_told(project: Project, arguments: list[str]) -> None:
    project.file(GATED)
    result = project.run(*arguments)
    assert result.ret == 0
    assert project.samples == {"planned": 6, "right": 3, "wrong": 3}
    text = result.stdout.str()
    if arguments in (["-v"], ["-vv"]):
        assert len(re.findall(r"\] RIGHT", text)) == 3
        assert len(re.findall(r"\] WRONG", text)) == 3
    if not arguments:
        result.stdout.fnmatch_lines(["test_it.py ...www.*"])
    if arguments != ["-qq"]:
        assert result.parseoutcomes() == {"passed": 4, "wrong": 3}


@pytest.mark.parametrize(
    "arguments",
    [
        ["-p", "no:terminal"],
        ["-p", "no:cacheprovider"],
        ["-p", "no:logging"],
        ["-p", "no:junitxml"],
        ["-p", "no:warnings"],
        ["-p", "no:skipping"],
        ["-p", "no:faulthandler"],
        ["-p", "no:tmpdir", "-p", "no:cacheprovider"],
        ["--setup-show"],
        ["-W", "error"],
        ["--import-mode=importlib"],
        ["--assert=plain"],
        ["--strict-markers", "--strict-config"],
        ["--log-cli-level=DEBUG"],
        ["--durations=3", "--durations-min=0"],
        ["--show-capture=no"],
        ["--no-summary", "--no-header"],
        ["--color=yes"],
        ["--verbosity=2", "--full-trace"],
        ["--no-fold-skipped"],
        ["--force-short-summary"],
        ["-p", "pytester"],
    ],
    ids=" ".join,
)
def test_options_that_change_nothing_for_a_benchmark(
    project: Project, arguments: list[str]
) -> None:
    project.file(GATED)
    result = project.run(*arguments)
    assert result.ret == 0, result.stderr.str()
    assert project.samples == {"planned": 6, "right": 3, "wrong": 3}


def test_without_captures(project: Project) -> None:
    project.file(GATED.replace("reply = ", "print('loud')\n    reply = "))
    result = project.run_subprocess("-p", "no:capture")
    assert project.samples == {"planned": 6, "right": 3, "wrong": 3}
    assert result.ret == 0


@pytest.mark.parametrize("style", ["auto", "long", "short", "line", "native", "no"])
def test_traceback_styles(project: Project, style: str) -> None:
    project.file(ARITHMETIC)
    result = project.run(f"--tb={style}", "--modeleval-wrong=fail")
    assert result.ret == 1
    text, _, _ = result.stdout.str().partition("= benchmarks =")
    assert ("the reply is wrong" in text) == (style != "no")
    assert ("assert reply.text == sample.target" in text) == (style not in ("no", "line"))


@pytest.mark.parametrize("option", ["--setup-only", "--setup-plan"])
def test_set_up_without_running(project: Project, option: str) -> None:
    project.file(GATED)
    project.run(option)
    if (project.path / "probe.json").exists():
        assert project.probe["asked"] == []


def test_durations_are_those_of_the_bodies(project: Project) -> None:
    project.conftest("""
import asyncio

class Backend(Probe):
    async def reply(self, text, number):
        await asyncio.sleep(0.2 if text == "1" else 0)
        return text
""")
    project.file(ARITHMETIC)
    result = project.run("--durations=1", "--durations-min=0")
    result.stdout.fnmatch_lines(["*s call*test_it.py::test_sums[[]s1]"])


def test_junitxml_counts_each_item_once(project: Project) -> None:
    project.file(
        GATED.replace("    assert", "    if sample.id == 's2': raise KeyError\n    assert")
    )
    result = project.run("--junitxml=junit.xml", "--max-errors=5")
    assert result.ret == 1, "an error leaves the gate undecided"
    suite = ElementTree.parse(project.path / "junit.xml").getroot().find("testsuite")
    assert suite is not None
    names = [case.get("name") for case in suite.iter("testcase")]
    assert names == [*(f"test_sums[s{n}]" for n in range(6)), "test_sums[gate:accuracy]"]
    properties = Counter((each.get("name"), each.get("value")) for each in suite.iter("property"))
    assert properties["accuracy", "1.0"] == 2
    assert suite.get("tests") == "7"


def test_junitxml_has_failures_where_they_were_asked_for(project: Project) -> None:
    project.file(ARITHMETIC)
    project.run("--junitxml=junit.xml", "--modeleval-wrong=fail")
    suite = ElementTree.parse(project.path / "junit.xml").getroot().find("testsuite")
    assert suite is not None
    failed = [case.get("name") for case in suite if case.find("failure") is not None]
    assert failed == ["test_sums[s3]", "test_sums[s4]", "test_sums[s5]"]


INTERRUPTED = """
import asyncio

class Backend(Probe):
    async def reply(self, text, number):
        if text in ("0", "1"):
            return text
        await self.until(lambda: len(self.asked) == 6)
        await asyncio.sleep(0.1)
        print("READY", flush=True)
        await asyncio.Event().wait()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT is sent to the process itself")
@pytest.mark.parametrize("kind, wait", [("async def", "await "), ("def", "")])
def test_ctrl_c_keeps_what_was_done(project: Project, kind: str, wait: str) -> None:
    project.conftest(INTERRUPTED)
    project.file(ARITHMETIC.replace("async def", kind).replace("await ", wait))
    command = [sys.executable, "-m", "pytest", "-s", "-p", "modeleval", "--model=probe:"]
    process = subprocess.Popen(
        command,
        cwd=project.path,
        env={**os.environ, "PYTHONPATH": str(project.path), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if "READY" in line:
                break
        process.send_signal(signal.SIGINT)
        text, _ = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 2
    assert "KeyboardInterrupt" in text
    assert "verdict: undecided (the run is incomplete: the run was interrupted)" in text
    assert project.samples == {"planned": 6, "right": 2, "not_run": 4}
    assert project.results["complete"] is False
