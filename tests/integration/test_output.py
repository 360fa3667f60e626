"""What a body prints, logs, warns and raises belongs to its own sample."""

from __future__ import annotations

import re

import pytest

from tests.integration.conftest import Project

CROWD = """
import logging, sys, warnings
from pytest_modeleval import benchmark

@benchmark([{"id": f"s{n}", "input": str(n)} for n in range(64)])
KIND test_crowd(sample, model):
    print(f"printed by {sample.id}.")
    sys.stderr.writelines(["complained ", f"by {sample.id}.\\n"])
    logging.getLogger("body").warning("logged by %s.", sample.id)
    warnings.warn(f"warned by {sample.id}.")
    AWAITmodel.chat(sample.input)
    print(f"printed again by {sample.id}.")
    if sample.id in ("s20", "s40"):
        raise RuntimeError(f"raised by {sample.id}.")
"""

TOGETHER = """
class Backend(Probe):
    async def reply(self, text, number):
        await self.until(lambda: self.peak == 64)
        return text
"""


def failure_of(result: pytest.RunResult, sample: str) -> str:
    """What pytest shows under the heading of one failed item."""
    _, _, rest = result.stdout.str().partition(f"[{sample}] ____")
    return re.split(r"\n(?:____|====)", rest)[0]


@pytest.mark.parametrize("kind, wait", [("async def", "await "), ("def", "")])
def test_64_bodies_at_once_keep_their_output_apart(project: Project, kind: str, wait: str) -> None:
    project.conftest(TOGETHER)
    project.file(CROWD.replace("KIND", kind).replace("AWAIT", wait))
    result = project.run()
    assert project.samples == {"planned": 64, "right": 62, "error": 2}
    for name in ("s20", "s40"):
        shown = failure_of(result, name)
        assert {*re.findall(r"by (s\d+)\.", shown)} == {name}
        for verb in ("printed", "printed again", "complained", "logged", "raised"):
            assert f"{verb} by {name}." in shown
    warned = re.findall(r"warned by (s\d+)\.\n", result.stdout.str())
    assert sorted(warned) == sorted(f"s{n}" for n in range(64))
    result.assert_outcomes(passed=62, failed=2, warnings=64)


def test_warnings_name_their_sample(project: Project) -> None:
    project.file("""
import warnings
from pytest_modeleval import benchmark

@benchmark([{"id": f"s{n}", "input": ""} for n in range(3)])
async def test_it(sample):
    if sample.id == "s1":
        warnings.warn("mind the gap")
""")
    result = project.run()
    result.stdout.fnmatch_lines(["test_it.py::test_it[[]s1]", "*test_it.py:7: *mind the gap"])


def test_a_warning_turned_into_an_error_belongs_to_its_sample(project: Project) -> None:
    project.file("""
import warnings
from pytest_modeleval import benchmark

@benchmark([{"id": f"s{n}", "input": ""} for n in range(3)])
async def test_it(sample):
    if sample.id == "s1":
        warnings.warn("mind the gap")
""")
    project.run("-W", "error")
    assert project.samples == {"planned": 3, "right": 2, "error": 1}
    assert project.errors == {"s1": "UserWarning: mind the gap"}


@pytest.mark.parametrize("kind, wait", [("async def", "await "), ("def", "")])
def test_a_body_may_expect_warnings_of_its_own(project: Project, kind: str, wait: str) -> None:
    project.conftest("""
class Backend(Probe):
    async def reply(self, text, number):
        await self.until(lambda: self.peak == 6)
        return text
""")
    project.file(f"""
import warnings
import pytest
from pytest_modeleval import benchmark

@benchmark([{{"id": f"s{{n}}", "input": str(n)}} for n in range(6)])
{kind} test_it(sample, model):
    with pytest.warns(UserWarning) as caught:
        {wait}model.chat(sample.input)
        warnings.warn(f"by {{sample.id}}")
        if sample.id == "s3":
            assert len(caught) == 1
    assert [str(each.message) for each in caught] == [f"by {{sample.id}}"]
""")
    project.run("--modeleval-wrong=fail").assert_outcomes(passed=6)


def test_a_traceback_ends_in_the_authors_line_with_assertion_detail(project: Project) -> None:
    project.file("""
from pytest_modeleval import benchmark

def check(reply, target):
    assert reply.strip() == target

@benchmark([{"id": "direct", "input": "4"}, {"id": "helped", "input": "5"}])
async def test_it(sample, model):
    reply = await model.chat(sample.input)
    if sample.id == "direct":
        assert reply.text == "3 apples"
    check(reply.text, "7")
""")
    result = project.run("--modeleval-wrong=fail")
    assert result.ret == 1
    direct = failure_of(result, "direct")
    assert '>           assert reply.text == "3 apples"' in direct
    assert "AssertionError: assert '4' == '3 apples'" in direct
    assert direct.rstrip().endswith("test_it.py:10: AssertionError")
    helped = failure_of(result, "helped")
    assert 'check(reply.text, "7")' in helped
    assert "AssertionError: assert '5' == '7'" in helped
    assert helped.rstrip().endswith("test_it.py:4: AssertionError")
    assert "pytest_modeleval" not in direct + helped


@pytest.mark.parametrize("kind", ["async def", "def"])
def test_outcomes_that_pytest_raises_belong_to_their_sample(project: Project, kind: str) -> None:
    project.file(f"""
import pytest
from pytest_modeleval import benchmark

@benchmark([{{"id": name, "input": ""}} for name in ("skip", "fail", "xfail", "raises", "fine")])
{kind} test_it(sample):
    if sample.id == "skip":
        pytest.skip("not for me")
    if sample.id == "fail":
        pytest.fail("a bad reply")
    if sample.id == "xfail":
        pytest.xfail("known")
    if sample.id == "raises":
        with pytest.raises(ValueError):
            pass
""")
    result = project.run("-v", "-rs")
    result.stdout.fnmatch_lines(
        [
            "*[[]skip] SKIPPED (not for me)*",
            "*[[]fail] WRONG*",
            "*[[]xfail] XFAIL*(known)*",
            "*[[]raises] WRONG*",
            "*[[]fine] RIGHT*",
            "SKIPPED*not for me*",
        ]
    )
    assert project.samples == {"planned": 5, "right": 1, "wrong": 3, "skipped": 1}
    assert result.ret == 0


def test_exit_in_a_body_ends_the_run(project: Project) -> None:
    project.file("""
import pytest
from pytest_modeleval import benchmark

@benchmark([{"id": f"s{n}", "input": ""} for n in range(5)])
async def test_it(sample):
    if sample.id == "s2":
        pytest.exit("enough", returncode=7)
""")
    result = project.run()
    assert result.ret == 7
    result.stdout.fnmatch_lines(["*Exit: enough*"])
    assert project.samples == {"planned": 5, "right": 2, "not_run": 3}


def test_logs_below_the_level_asked_for_are_left_out(project: Project) -> None:
    project.file("""
import logging
from pytest_modeleval import benchmark

@benchmark([{"id": "s0", "input": ""}])
async def test_it(sample):
    logging.getLogger("body").info("%s detail", "in")
    logging.getLogger("body").warning("%s loud", "out")
    raise RuntimeError
""")
    shown = failure_of(project.run(), "s0")
    assert "out loud" in shown and "in detail" not in shown
    shown = failure_of(project.run("--log-level=INFO"), "s0")
    assert "out loud" in shown and "in detail" in shown


@pytest.mark.parametrize("capture", ["no", "sys", "fd", "tee-sys"])
def test_every_way_of_capturing_works(project: Project, capture: str) -> None:
    project.file("""
import os
from pytest_modeleval import benchmark

@benchmark([{"id": f"s{n}", "input": ""} for n in range(4)])
async def test_it(sample, model):
    print(f"printed by {sample.id}.")
    await model.chat(sample.input)
    if sample.id == "s1":
        raise RuntimeError
""")
    result = project.run_subprocess(f"--capture={capture}")
    result.assert_outcomes(passed=3, failed=1)
    live = result.stdout.str().partition("= FAILURES =")[0]
    assert ("printed by s0." in live) == (capture in ("no", "tee-sys"))
    assert ("printed by s1." in failure_of(result, "s1")) == (capture != "no")


def test_bodies_leave_nothing_with_the_ordinary_test_that_runs_meanwhile(
    project: Project,
) -> None:
    project.file("""
import logging, threading, warnings
from pytest_modeleval import benchmark

begun, told = threading.Event(), threading.Event()

@benchmark([{"id": "a0", "input": ""}])
async def test_a(sample):
    pass

def test_meanwhile(caplog, recwarn):
    begun.set()
    assert told.wait(10)
    assert caplog.messages == [] and len(recwarn) == 0
    assert 0, "shown"

@benchmark([{"id": "b0", "input": ""}])
def test_b(sample):
    assert begun.wait(10)
    print("%s by b0." % "printed")
    logging.getLogger("body").warning("%s by b0.", "logged")
    warnings.warn("warned by b0.")
    told.set()
""")
    result = project.run()
    result.assert_outcomes(passed=2, failed=1, warnings=1)
    shown, _, _ = result.stdout.str().partition("= warnings summary =")
    assert "AssertionError: shown" in shown
    assert "by b0." not in shown


def test_output_of_ordinary_tests_is_still_theirs(project: Project) -> None:
    project.file("""
from pytest_modeleval import benchmark

@benchmark([{"id": f"s{n}", "input": ""} for n in range(4)])
async def test_a(sample):
    print(f"printed by {sample.id}.")

def test_plain(capsys):
    print("printed by plain.")
    assert capsys.readouterr().out == "printed by plain.\\n"

def test_failing():
    print("printed by failing.")
    assert 0

@benchmark([{"id": f"s{n}", "input": ""} for n in range(4)])
async def test_b(sample):
    print(f"printed by {sample.id}.")
""")
    result = project.run()
    result.assert_outcomes(passed=9, failed=1)
    _, _, shown = result.stdout.str().partition("FAILURES")
    assert re.findall(r"printed by \w+\.\n", shown) == ["printed by failing.\n"]
