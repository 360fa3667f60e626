"""Workers that die, hang, cannot load or do not agree."""

from __future__ import annotations

import pytest

from pytest_modeleval.results.details import read_details
from tests.integration.conftest import Project
from tests.integration.shards import ANSWERS, benchmark_of, runs_of


class TestDeath:
    def test_what_died_with_a_worker_runs_again(
        self, sharded: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DEADLY", "s30")
        sharded.file(benchmark_of(60, "    die_once(sample)" + ANSWERS))
        result = sharded.run("-n", "1")
        result.assert_outcomes(passed=60)
        assert sharded.samples == {"planned": 60, "right": 60}

    @pytest.mark.parametrize(
        ("workers", "death"),
        [
            ("1", "os._exit(9)"),
            ("2", "os.kill(os.getpid(), signal.SIGKILL)"),  # as the kernel does without memory
            ("2", "os.abort()"),
        ],
    )
    def test_who_kills_two_workers_is_an_error(
        self, sharded: Project, workers: str, death: str
    ) -> None:
        body = (
            f"    note(sample)\n    if sample.id == 's7':\n        {death}\n"
            + ANSWERS.partition("\n    note(sample)\n")[2]
        )
        sharded.file(benchmark_of(30, body))
        sharded.file("def test_plain():\n    pass", name="test_plain")
        result = sharded.run("-n", workers)
        result.assert_outcomes(passed=30, failed=1)
        assert result.ret == 1
        assert sharded.samples == {"planned": 30, "right": 29, "error": 1}
        assert "s7" in sharded.errors
        assert "has ended its worker process twice" in sharded.errors["s7"]
        assert runs_of(sharded)["s7"] == 2

    def test_no_memory_left_in_python_is_an_error_only(self, sharded: Project) -> None:
        sharded.file(
            benchmark_of(8, "    if sample.id == 's2':\n        bytearray(1 << 62)\n" + ANSWERS)
        )
        sharded.run("-n", "2", "--max-worker-restart=0").assert_outcomes(passed=7, failed=1)
        assert list(sharded.errors) == ["s2"]
        assert sharded.errors["s2"].startswith("MemoryError")

    def test_an_ordinary_test_that_kills(self, sharded: Project) -> None:
        sharded.file(benchmark_of(5, ANSWERS))
        sharded.file("import os\ndef test_plain():\n    os._exit(1)", name="test_plain")
        result = sharded.run("-n", "2")
        result.assert_outcomes(passed=5, failed=1)
        result.stdout.fnmatch_lines(["*test_plain has ended its worker process twice*"])

    def test_a_bound_on_restarts(self, sharded: Project) -> None:
        sharded.file(benchmark_of(5, "    os._exit(1)\n"))
        result = sharded.run("-n", "1", "--max-worker-restart=1")
        assert result.ret != 0
        result.stdout.fnmatch_lines(["*maximum crashed workers reached: 1*"])
        result.stdout.fnmatch_lines(["*5 tests were not run, since too many workers died*"])

    def test_a_model_that_ends_its_process_while_it_loads(self, sharded: Project) -> None:
        sharded.conftest(
            """
import os

class Backend(Probe):
    async def start(self):
        os._exit(1)
"""
        )
        sharded.file(benchmark_of(5, ANSWERS))
        result = sharded.run("-n", "1", "--max-worker-restart=2")
        assert result.ret != 0
        result.stdout.fnmatch_lines(["*5 tests were not run, since too many workers died*"])


class TestRefusals:
    def test_a_model_that_loads_on_one_worker_only(self, sharded: Project) -> None:
        sharded.conftest(
            """
import os
from pytest_modeleval.errors import ModelError

class Backend(Probe):
    async def start(self):
        if os.environ["PYTEST_XDIST_WORKER"] == "gw1":
            raise ModelError("probe: the second engine has no memory left")
"""
        )
        sharded.file(benchmark_of(40, ANSWERS))
        result = sharded.run("-n", "2")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["*the second engine has no memory left*"])

    def test_a_model_that_loads_on_one_worker_only_once_others_are_done(
        self, sharded: Project
    ) -> None:
        sharded.conftest(
            """
import os
from pathlib import Path
from pytest_modeleval.errors import ModelError

class Backend(Probe):
    concurrency = 1

    async def start(self):
        if os.environ["PYTEST_XDIST_WORKER"] == "gw1":
            await self.until(Path("reported").exists)
            raise ModelError("probe: the second engine has no memory left")

    async def reply(self, text, number):
        if number == 1:
            await self.until(lambda: False)
        return text

def pytest_runtest_logreport(report):
    if "PYTEST_XDIST_WORKER" not in os.environ and report.when == "call":
        Path("reported").touch()
"""
        )
        sharded.file(benchmark_of(40, ANSWERS))
        result = sharded.run("-n", "2", "--modeleval-out=out")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["*the second engine has no memory left*"])
        kept = read_details(sharded.path / "out").to_pylist()
        assert [row["outcome"] for row in kept] == ["right"]

    def test_samples_that_differ_between_workers(self, sharded: Project) -> None:
        sharded.file(
            "import os\nfrom pytest_modeleval import benchmark\n"
            '@benchmark([{"id": os.environ["PYTEST_XDIST_WORKER"], "input": "1"}])\n'
            "async def test_drawn(sample, model): pass"
        )
        result = sharded.run("-n", "2")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(
            ["*collected different tests*samples of test_it.py::test_drawn*"]
        )


class TestHostile:
    def test_a_lone_surrogate_and_a_body_that_hangs(self, sharded: Project) -> None:
        sharded.conftest(
            """
class Backend(Probe):
    async def reply(self, text, number):
        if text == "1":
            await asyncio.Event().wait()
        return "\\ud800" if text == "0" else text
"""
        )
        path = sharded.path / "conftest.py"
        path.write_text("import asyncio\n" + path.read_text())
        sharded.file(
            benchmark_of(
                4,
                "    reply = await model.chat(sample.input)\n    print(reply.text)\n"
                "    assert reply.text == sample.target, reply.text\n",
            )
        )
        result = sharded.run("-n", "2", "--sample-timeout=1", "--modeleval-out=out", "-rA")
        assert result.ret == 1
        assert sharded.samples == {"planned": 4, "right": 2, "wrong": 1, "error": 1}
        assert "longer than the 1 s" in sharded.errors["s1"]

    def test_a_body_that_holds_the_interpreter(self, sharded: Project) -> None:
        """Nothing in Python can end an endless regular expression, but the worker can be."""
        sharded.conftest(
            "from pytest_modeleval import watchdog\nwatchdog.PULSE, watchdog.GRACE = 0.1, 0.5\n"
        )
        body = (
            "    if sample.id == 's3':\n"
            "        import re\n"
            "        re.fullmatch('(a+)+', 'a' * 50 + 'b')\n"
        )
        sharded.file(benchmark_of(20, body + ANSWERS))
        result = sharded.run_subprocess("-n", "2", "--sample-timeout=0.5")
        assert result.ret == 1
        assert sharded.samples == {"planned": 20, "right": 19, "error": 1}
        assert "s3" in sharded.errors
        assert "has ended its worker process twice" in sharded.errors["s3"]
        result.stderr.fnmatch_lines(["Timeout (0:00:0*", "*test_it.py*in test_it"])

    def test_a_thread_that_hangs(self, sharded: Project) -> None:
        sharded.conftest(
            "from pytest_modeleval import lookahead, watchdog\n"
            "watchdog.still_in_threads.__defaults__ = (0.3,)\n"
            "lookahead.Lookahead.cancel.__defaults__ = (0.3,)\n"
        )
        sharded.file(
            "import threading\n"
            + benchmark_of(
                8, "    if sample.id == 's3':\n        threading.Event().wait()\n"
            ).replace("async def", "def")
        )
        result = sharded.run_subprocess("-n", "2", "--sample-timeout=0.5")
        assert result.ret == 1
        assert sharded.samples == {"planned": 8, "right": 7, "error": 1}
        assert "longer than the 0.5 s" in sharded.errors["s3"]
