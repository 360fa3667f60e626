"""One sample at a time, in the main thread: by node id, with --pdb, under a debugger."""

from __future__ import annotations

import pytest

from tests.integration.conftest import ARITHMETIC, Project

WHERE = """
import threading
from pytest_modeleval import benchmark

@benchmark([{"id": f"s{n}", "input": str(n), "target": "0"} for n in range(3)], timeout=0.2)
KIND test_it(sample, model):
    main = threading.current_thread() is threading.main_thread()
    print("main thread:", main)
    assert AWAITmodel.chat(sample.input)
"""

KINDS = pytest.mark.parametrize("kind, wait", [("async def", "(await "), ("def", "(")])


def where(kind: str, wait: str) -> str:
    return WHERE.replace("KIND", kind).replace(
        "AWAITmodel.chat(sample.input)", (f"{wait}model.chat(sample.input)).text == sample.target")
    )


@KINDS
def test_one_sample_by_node_id_runs_in_the_main_thread(
    project: Project, kind: str, wait: str
) -> None:
    project.file(where(kind, wait))
    result = project.run("test_it.py::test_it[s0]", "-s")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*main thread: True*"])
    assert project.samples == {"planned": 3, "right": 1, "deselected": 2}


@KINDS
def test_bodies_run_elsewhere_otherwise(project: Project, kind: str, wait: str) -> None:
    project.file(where(kind, wait))
    result = project.run("-s")
    assert "main thread: True" not in result.stdout.str()
    assert result.stdout.str().count("main thread: False") == 3


@KINDS
def test_with_pdb_all_bodies_run_in_the_main_thread(project: Project, kind: str, wait: str) -> None:
    project.file(where(kind, wait))
    assert project.run("-s", "--pdb").stdout.str().count("main thread: True") == 3


def test_two_node_ids_are_no_debugging(project: Project) -> None:
    project.file(where("async def", "(await "))
    result = project.run("test_it.py::test_it[s0]", "test_it.py::test_it[s1]", "-s")
    assert result.ret == 0
    assert result.stdout.str().count("main thread: False") == 2
    assert project.samples == {"planned": 3, "right": 1, "wrong": 1, "deselected": 1}


def test_one_sample_has_no_time_limit(project: Project) -> None:
    project.conftest("""
import asyncio

class Backend(Probe):
    async def reply(self, text, number):
        await asyncio.sleep(0.4)
        return text
""")
    project.file(where("async def", "(await "))
    assert project.run("test_it.py::test_it[s0]").ret == 0
    assert project.run().ret == 1
    assert "longer than the 0.2 s" in project.errors["s0"]


def test_a_miss_of_one_sample_is_red_and_shows_the_dialogue(project: Project) -> None:
    project.file("""
from pytest_modeleval import benchmark, Message

@benchmark([{"id": "s0", "input": "2+2=", "target": "four"}])
async def test_it(sample, model):
    reply = await model.chat([Message("system", "Answer briefly."), Message("user", sample.input)])
    assert reply.text == sample.target
""")
    result = project.run("test_it.py::test_it[s0]")
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "*assert reply.text == sample.target",
            "E*assert '2+2=' == 'four'",
            "test_it.py:6: AssertionError",
            "*prompt to probe*",
            "[[]system] Answer briefly.",
            "[[]user] 2+2=",
            "*reply*",
            "2+2=",
            "*expected*",
            "four",
        ]
    )
    result.assert_outcomes(failed=1)


def test_a_benchmark_of_one_sample_is_not_strict_by_itself(project: Project) -> None:
    project.file(ARITHMETIC.replace("range(6)", "range(3, 4)"))
    assert project.run("test_it.py").ret == 0
    assert project.run("test_it.py::test_sums").ret == 0
    assert project.run("test_it.py::test_sums[s3]").ret == 1


def test_caplog_and_output_in_the_main_thread(project: Project) -> None:
    project.file("""
import logging
from pytest_modeleval import benchmark

@benchmark([{"id": "s0", "input": ""}])
async def test_it(sample, caplog, tmp_path):
    logging.getLogger("body").warning("%s loud", "out")
    assert caplog.messages == ["out loud"]
    assert not list(tmp_path.iterdir())
    print("%s here" % "printed")
    raise RuntimeError
""")
    result = project.run("test_it.py::test_it[s0]")
    text = result.stdout.str()
    assert "RuntimeError" in project.errors["s0"]
    assert text.count("out loud") == 1 + 1  # in the source, and captured once
    assert text.count("printed here") == 1


def test_pdb_opens_where_an_error_was_raised(project: Project) -> None:
    project.file("""
from pytest_modeleval import benchmark

@benchmark([{"id": f"s{n}", "input": str(n)} for n in range(3)])
async def test_it(sample, model):
    reply = await model.chat(sample.input)
    if reply.text == "1":
        raise RuntimeError("stop here")
""")
    result = project.run_typing("p 'reply is', reply.text\nc\n", "--pdb")
    result.stdout.fnmatch_lines(
        ["*entering PDB*", '*raise RuntimeError("stop here")', "*('reply is', '1')*"]
    )
    result.assert_outcomes(passed=2, failed=1)
    assert project.samples == {"planned": 3, "right": 2, "error": 1}


def test_breakpoint_works_with_one_sample(project: Project) -> None:
    project.file("""
from pytest_modeleval import benchmark

@benchmark([{"id": f"s{n}", "input": str(n)} for n in range(3)])
def test_it(sample, model):
    breakpoint()
    assert model.chat(sample.input).text == "1"
""")
    result = project.run_typing("n\np 'still', sample.id\nc\n", "test_it.py::test_it[s1]")
    result.stdout.fnmatch_lines(["*('still', 's1')*"])
    assert result.ret == 0


@pytest.mark.parametrize("start", ["breakpoint()", "import pdb; pdb.set_trace()"])
@pytest.mark.parametrize("kind", ["async def", "def"])
def test_breakpoint_beside_other_bodies_is_refused(project: Project, kind: str, start: str) -> None:
    project.file(f"""
from pytest_modeleval import benchmark

@benchmark([{{"id": f"s{{n}}", "input": ""}} for n in range(3)])
{kind} test_it(sample):
    if sample.id == "s1":
        {start}
""")
    result = project.run()
    assert result.ret == 1
    assert project.samples == {"planned": 3, "right": 2, "error": 1}
    assert "name one sample by its node id" in project.errors["s1"]


def test_a_debugger_makes_bodies_run_in_the_main_thread(project: Project) -> None:
    project.conftest("""
import sys

def step(frame, event, argument):
    return None

def pytest_configure():
    sys.settrace(step)

def pytest_unconfigure():
    sys.settrace(None)
""")
    project.file(where("async def", "(await "))
    result = project.run_subprocess("-s")
    assert result.stdout.str().count("main thread: True") == 3
    assert project.samples == {"planned": 3, "right": 1, "wrong": 2}
