"""Bodies that take too long, that block, or that forget to await."""

from __future__ import annotations

import re

import pytest

from tests.integration.conftest import ARITHMETIC, Project

IMPATIENT = """
from pytest_modeleval import lookahead, watchdog

lookahead.PULSE = 0.05
watchdog.WARN_AFTER = 0.2
watchdog.GRACE = 0.3
watchdog.still_in_threads.__defaults__ = (0.3,)
lookahead.Lookahead.cancel.__defaults__ = (0.3,)
"""

SAMPLES = 'benchmark([{"id": f"s{n}", "input": str(n)} for n in range(4)]'


def test_an_async_body_that_takes_too_long_is_an_error(project: Project) -> None:
    project.file(f"""
import asyncio
from pytest_modeleval import benchmark

@{SAMPLES}, timeout=0.5)
async def test_it(sample, model):
    await model.chat(sample.input)
    try:
        if sample.id == "s1":
            await asyncio.Event().wait()
    finally:
        print(sample.id, "cleaned up")
""")
    result = project.run()
    assert result.ret == 1
    assert project.samples == {"planned": 4, "right": 3, "error": 1}
    assert project.errors == {"s1": "the body took longer than the 0.5 s that a sample is given"}
    result.stdout.fnmatch_lines(["*the body took longer than the 0.5 s*", "*s1 cleaned up*"])
    assert "pytest_modeleval/body.py" not in result.stdout.str()


def test_a_request_without_an_answer_is_given_up(project: Project) -> None:
    project.conftest("""
import asyncio

class Backend(Probe):
    async def reply(self, text, number):
        if text == "1":
            await asyncio.Event().wait()
        return text
""")
    for kind, wait in (("async def", "await "), ("def", "")):
        project.file(f"""
from pytest_modeleval import benchmark

@{SAMPLES})
{kind} test_it(sample, model):
    {wait}model.chat(sample.input)
""")
        assert project.run("--sample-timeout=0.6s", "--concurrency=2").ret == 1
        assert project.samples == {"planned": 4, "right": 3, "error": 1}
        assert sorted(project.probe["answered"]) == ["0", "1", "2", "3"]


def test_the_benchmarks_own_timeout_wins(project: Project) -> None:
    project.conftest("""
import asyncio

class Backend(Probe):
    async def reply(self, text, number):
        await asyncio.sleep(0.3)
        return text
""")
    project.file(f"""
from pytest_modeleval import benchmark

@{SAMPLES}, timeout=30)
async def test_it(sample, model):
    await model.chat(sample.input)
""")
    assert project.run("--sample-timeout=0.1").ret == 0


def test_an_abandoned_thread_is_named_and_the_process_ends(project: Project) -> None:
    project.conftest(IMPATIENT)
    project.file(f"""
import threading
from pytest_modeleval import benchmark

@{SAMPLES}, timeout=0.5)
def test_it(sample):
    if sample.id == "s1":
        threading.Event().wait()
""")
    result = project.run_subprocess()
    assert result.ret == 1
    assert project.samples == {"planned": 4, "right": 3, "error": 1}
    result.stderr.fnmatch_lines(["ended while still running: test_it.py::test_it[[]s1]"])


def test_a_body_that_blocks_the_loop_is_named_and_the_run_ends(project: Project) -> None:
    project.conftest(IMPATIENT)
    project.file(f"""
import threading
from pytest_modeleval import benchmark

@{SAMPLES}, timeout=0.5)
async def test_it(sample):
    if sample.id == "s1":
        threading.Event().wait()
""")
    result = project.run_subprocess()
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "*test_it.py::test_it[[]s1] has not awaited anything for *",
            "*test_it.py::test_it[[]s1] blocks the event loop and cannot be cancelled*",
        ]
    )
    assert project.samples == {"planned": 4, "right": 1, "not_run": 3}
    assert project.results["complete"] is False


def test_a_body_that_blocks_for_a_while_is_only_named(project: Project) -> None:
    project.conftest(IMPATIENT)
    project.file(f"""
import time
from pytest_modeleval import benchmark

@{SAMPLES})
async def test_it(sample):
    if sample.id == "s1":
        time.sleep(1)
""")
    result = project.run_subprocess()
    assert result.ret == 0
    assert len(re.findall(r"s1\] has not awaited anything", result.stdout.str())) == 1
    assert project.samples == {"planned": 4, "right": 4}


def test_a_body_that_forgets_await_is_told(project: Project) -> None:
    project.file(f"""
from pytest_modeleval import benchmark

@{SAMPLES})
async def test_it(sample, model):
    reply = model.chat(sample.input)
    assert reply.text == sample.input
""")
    result = project.run()
    assert result.ret != 0
    assert "await" in result.stdout.str()
    result.stdout.fnmatch_lines(["*await*"])


@pytest.mark.parametrize("kind", ["async def", "def"])
@pytest.mark.parametrize("value", ["sample.input == 'x'", "0", "''"])
def test_a_body_that_returns_a_value_is_an_error(project: Project, kind: str, value: str) -> None:
    project.file(f"""
from pytest_modeleval import benchmark

@{SAMPLES})
{kind} test_it(sample):
    return {value}
""")
    assert project.run().ret == 1
    assert project.samples == {"planned": 4, "error": 4}
    assert re.match(
        r"test_it returned .+: a benchmark judges its sample with assert", project.errors["s0"]
    )


def test_errors_of_any_kind_stay_with_their_sample(project: Project) -> None:
    project.file(f"""
import asyncio
from pytest_modeleval import benchmark

class Odd(BaseException):
    pass

@{SAMPLES})
async def test_it(sample):
    if sample.id == "s0":
        raise Odd("odd")
    if sample.id == "s1":
        raise SystemExit(3)
    if sample.id == "s2":
        raise asyncio.CancelledError
""")
    result = project.run()
    assert result.ret == 1
    assert project.errors["s0"] == "Odd: odd"
    assert project.errors["s1"] == "SystemExit: 3"
    assert project.samples == {"planned": 4, "right": 1, "error": 3}


def test_a_request_that_takes_too_long_is_asked_again(project: Project) -> None:
    """Of any backend: the first time this one never answers."""
    project.conftest("""
import asyncio

class Backend(Probe):
    async def reply(self, text, number):
        if self.asked.count(text) == 1:
            await asyncio.Event().wait()
        return text
""")
    project.file(ARITHMETIC)
    assert project.run("--request-timeout=0.2s").ret == 0
    assert sorted(project.probe["asked"]) == sorted(2 * [str(n) for n in range(6)])
    project.run("--request-timeout=0.2s", "--max-attempts=1")
    assert set(project.errors.values()) == {
        "probe did not finish its reply within 0.2 s: raise --request-timeout, or lower "
        "--concurrency"
    }
