"""Bodies run ahead of the reporter: how many, in which order, and what holds them."""

from __future__ import annotations

import re

import pytest

from tests.integration.conftest import Project

KINDS = pytest.mark.parametrize("kind, wait", [("async def", "await "), ("def", "")])


def benchmark(samples: int, kind: str = "async def", wait: str = "await ", name: str = "a") -> str:
    return f"""
from pytest_modeleval import benchmark

@benchmark([{{"id": f"{name}{{n}}", "input": f"{name}{{n}}"}} for n in range({samples})])
{kind} test_{name}(sample, model):
    assert ({wait}model.chat(sample.input)).text == sample.input
"""


def reported(result: pytest.RunResult) -> list[str]:
    return re.findall(r"\[(\w+)\] (?:RIGHT|WRONG|ERROR)", result.stdout.str())


@KINDS
def test_bodies_ask_the_model_at_once(project: Project, kind: str, wait: str) -> None:
    project.conftest("""
class Backend(Probe):
    async def reply(self, text, number):
        await self.until(lambda: self.peak == 16)
        return text
""")
    project.file(benchmark(16, kind, wait))
    assert project.run().ret == 0
    assert project.samples == {"planned": 16, "right": 16}


@KINDS
def test_concurrency_caps_the_requests_in_flight(project: Project, kind: str, wait: str) -> None:
    project.conftest("""
class Backend(Probe):
    async def reply(self, text, number):
        await self.until(lambda: self.peak >= 3)
        for _ in range(5):
            await asyncio.sleep(0)
        return text

import asyncio
""")
    project.file(benchmark(20, kind, wait))
    assert project.run("--concurrency=3").ret == 0
    assert project.probe["peak"] == 3


def test_reports_come_in_pytests_order_whatever_ends_first(project: Project) -> None:
    project.conftest("""
class Backend(Probe):
    async def reply(self, text, number):
        await self.until(lambda: len(self.answered) == 7 - number)
        return text
""")
    project.file(benchmark(8))
    result = project.run("-v")
    assert project.probe["answered"] == [f"a{n}" for n in reversed(range(8))]
    assert reported(result) == [f"a{n}" for n in range(8)]


HELD = """
import asyncio

class Backend(Probe):
    concurrency = 2

    async def reply(self, text, number):
        if number == 0:
            await self.until(lambda: len(self.answered) >= 31)
            for _ in range(200):
                await asyncio.sleep(0)
            self.notes["before_the_first"] = len(self.answered)
        return text
"""


def test_a_slow_reply_holds_up_only_what_is_16_windows_behind(project: Project) -> None:
    project.conftest(HELD)
    project.file(benchmark(100))
    assert project.run().ret == 0
    assert project.probe["before_the_first"] == 16 * 2 - 1
    assert project.samples == {"planned": 100, "right": 100}


COUNTED = """
import asyncio
from pytest_modeleval import benchmark

running = peak = 0

@benchmark([{"input": str(n)} for n in range(60)])
async def test_a(sample, model):
    global running, peak
    running += 1
    peak = max(peak, running)
    BODY
    running -= 1

def test_peak(record_property):
    print("peak", peak)
"""


def peak_of_bodies(project: Project, body: str) -> int:
    project.conftest("""
import asyncio

class Backend(Probe):
    concurrency = 2

    async def reply(self, text, number):
        for _ in range(5):
            await asyncio.sleep(0)
        return text
""")
    project.file(COUNTED.replace("BODY", body))
    result = project.run("-s")
    assert result.ret == 0
    found = re.search(r"peak (\d+)", result.stdout.str())
    assert found is not None
    return int(found[1])


def test_more_bodies_run_where_they_leave_the_model_idle(project: Project) -> None:
    assert peak_of_bodies(project, "for _ in range(20): await asyncio.sleep(0)") == 4 * 2


def test_no_more_bodies_run_than_keep_the_model_busy(project: Project) -> None:
    assert peak_of_bodies(project, "await model.chat(sample.input)") < 4 * 2


def test_a_finished_body_is_reported_at_once(project: Project) -> None:
    project.conftest("""
from pytest_modeleval import lookahead, watchdog

def look(*arguments):
    raise AssertionError("waited for a whole pulse")

lookahead.PULSE = PATIENCE
watchdog.Watchdog.look = look
""")
    project.file(benchmark(4))
    assert project.run().ret == 0


def test_a_body_may_ask_several_times(project: Project) -> None:
    project.conftest("""
class Backend(Probe):
    async def reply(self, text, number):
        await self.until(lambda: self.peak == 8)
        return text + "+"
""")
    project.file("""
from pytest_modeleval import benchmark

@benchmark([{"id": str(n), "input": "x"} for n in range(8)])
async def test_dialogue(sample, model):
    text = sample.input
    for turn in range(3):
        text = (await model.chat(text)).text
    assert text == "x+++"
""")
    assert project.run().ret == 0
    assert len(project.probe["asked"]) == 24
    assert project.samples["right"] == 8


def test_bodies_of_one_sample_may_ask_at_once(project: Project) -> None:
    project.conftest("""
class Backend(Probe):
    async def reply(self, text, number):
        await self.until(lambda: self.peak == 3)
        return text
""")
    project.file("""
import asyncio
from pytest_modeleval import benchmark

@benchmark([{"id": "only", "input": "x"}])
async def test_votes(sample, model):
    votes = await asyncio.gather(*(model.chat(str(n)) for n in range(3)))
    assert [vote.text for vote in votes] == ["0", "1", "2"]
""")
    assert project.run().ret == 0


TWO = benchmark(4, name="a") + benchmark(4, name="b")


def test_the_next_benchmark_starts_early_where_its_fixtures_have_values(project: Project) -> None:
    project.conftest("""
class Backend(Probe):
    async def reply(self, text, number):
        await self.until(lambda: self.peak == 8)
        return text
""")
    project.file(TWO)
    assert project.run().ret == 0
    assert {each["samples"]["right"] for each in project.results["benchmarks"]} == {4}


def test_the_next_benchmark_waits_where_its_fixtures_have_none(project: Project) -> None:
    project.file(
        TWO.replace("test_b(sample, model)", "test_b(sample, model, late)")
        + """
import pytest

@pytest.fixture(scope="module")
def late():
    print("set up")
    yield
    print("taken down")
"""
    )
    result = project.run("-s", "-v")
    assert result.ret == 0
    assert project.probe["asked"] == [f"{name}{n}" for name in "ab" for n in range(4)]
    result.stdout.fnmatch_lines(["*[[]a3]*", "*set up*", "*[[]b3]*taken down*"])


def test_ordinary_tests_stand_beside_benchmarks(project: Project) -> None:
    project.file(
        "def test_before(): pass\n"
        + benchmark(3, name="a")
        + "def test_between(): pass\n"
        + benchmark(3, "def", "", name="b")
        + "def test_after(): assert 1 == 2\n"
    )
    result = project.run("-v")
    assert result.ret == 1
    result.stdout.re_match_lines(
        [
            r".*test_before PASSED",
            r".*test_a\[a2\] RIGHT",
            r".*test_between PASSED",
            r".*test_b\[b2\] RIGHT",
            r".*test_after FAILED",
        ]
    )
    result.assert_outcomes(passed=8, failed=1)
