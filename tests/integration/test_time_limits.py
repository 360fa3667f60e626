"""The time that a whole run may take."""

from __future__ import annotations

import pytest

from tests.integration.conftest import Project
from tests.integration.test_stopping import BENCHMARK

WHEN_TOLD = """
import threading
import time
from pathlib import Path
from pytest_modeleval import time_limit

class WhenTold(threading.Timer):
    '''The time is over when so many processes say so.'''

    def run(self):
        while len(list(Path().glob("over-*"))) < PROCESSES and not self.finished.wait(0.01):
            pass
        if not self.finished.is_set():
            self.function(*self.args)

time_limit.threading = type("", (), {"Timer": WhenTold})
"""


SLOW = (
    WHEN_TOLD
    + """
import asyncio
import os

time_limit.GRACE = 1.0

class Backend(Probe):
    concurrency = 4

    async def reply(self, text, number):
        if int(text) >= 8:
            Path("over-" + os.environ.get("PYTEST_XDIST_WORKER", "")).touch()
            await asyncio.Event().wait()
        return text
"""
)
"""From the ninth on samples never end."""


class TestMaxTime:
    @pytest.mark.parametrize("processes", [(), ("-n2",)], ids=["alone", "-n2"])
    @pytest.mark.parametrize("kind", ["async", ""])
    def test_what_runs_is_given_up_and_the_rest_never_runs(
        self, project: Project, kind: str, processes: tuple[str, ...]
    ) -> None:
        project.plugins.append("xdist")
        project.conftest(f"PROCESSES = {len(processes) + 1}\n{SLOW}")
        source = BENCHMARK if kind else BENCHMARK.replace("async ", "").replace("await ", "")
        project.file(source)
        result = project.run("--max-time=2", *processes)
        assert result.ret == 1
        first, second = (each["samples"] for each in project.results["benchmarks"])
        assert (first["right"], first["error"], first["not_run"]) == (8, 0, 192)
        answered = 8 if processes else 0  # the other worker begins with the second
        assert (second["right"], second["not_run"]) == (answered, 200 - answered)
        assert project.results["complete"] is False
        assert project.results["stopped"] == "the 2 s of --max-time are over"
        result.stdout.fnmatch_lines(
            [
                "undecided: accuracy >= 0.5: 192 not run of 200 samples: *",
                f"{392 - answered} of 400 samples were not run: the 2 s of --max-time are over",
                "verdict: undecided (the run is incomplete: the 2 s of --max-time are over)",
            ]
        )

    def test_what_can_end_in_its_grace_does(self, project: Project) -> None:
        project.conftest(f"""
PROCESSES = 1
{WHEN_TOLD}
from pytest_modeleval.lookahead import Lookahead

halted = []
halt = Lookahead.halt
Lookahead.halt = lambda *arguments: (halt(*arguments), halted.append(True))

class Backend(Probe):
    concurrency = 2

    async def reply(self, text, number):
        if self.in_flight == 2:
            Path("over-").touch()
        await self.until(lambda: halted)
        return text
""")
        project.file(BENCHMARK)
        assert project.run("--max-time=1h").ret == 1
        first, _ = (each["samples"] for each in project.results["benchmarks"])
        assert (first["right"], first["error"], first["not_run"]) == (2, 0, 198)

    def test_a_run_that_is_in_time(self, project: Project) -> None:
        project.file(BENCHMARK)
        assert project.run("--max-time=1h").ret == 0

    @pytest.mark.parametrize(
        "body",
        [
            "async def test_it(sample):\n    threading.Event().wait()",
            "async def test_it(sample):\n    while True:\n        try:\n"
            "            await asyncio.sleep(60)\n"
            "        except asyncio.CancelledError:\n            pass",
            "def test_it(sample):\n    threading.Event().wait()",
        ],
        ids=["blocks the loop", "goes on", "blocks its thread"],
    )
    def test_what_cannot_be_cancelled_does_not_hold_up_the_end(
        self, project: Project, body: str, request: pytest.FixtureRequest
    ) -> None:
        project.conftest("""
from pytest_modeleval import lookahead, time_limit, watchdog

time_limit.GRACE = 0.3
lookahead.PULSE = 0.05
watchdog.still_in_threads.__defaults__ = (0.3,)
lookahead.Lookahead.cancel.__defaults__ = (0.3,)
""")
        project.file(f"""
import asyncio
import threading
from pytest_modeleval import benchmark

@benchmark([{{"id": str(n), "input": "a"}} for n in range(40)])
{body}
""")
        result = project.run_subprocess("--max-time=1")
        assert result.ret == 1
        assert project.samples == {"planned": 40, "not_run": 40}
        if "blocks" in request.node.name:
            result.stderr.fnmatch_lines(["ended while still running: test_it.py::test_it[[]0[]]*"])

    def test_while_the_model_loads(self, project: Project) -> None:
        project.conftest("""
import asyncio

class Backend(Probe):
    async def start(self):
        await asyncio.sleep(0.5)
""")
        project.file(BENCHMARK)
        project.plugins.append("xdist")
        for processes in ((), ("-n2",)):
            assert project.run("--max-time=0.2", *processes).ret == 1
            counts = [each["samples"] for each in project.results["benchmarks"]]
            assert [each["not_run"] for each in counts] == [200, 200]
