"""Several workers: who runs what, and that the result is that of one process."""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from pytest_modeleval.results.details import read_details

if TYPE_CHECKING:
    from conftest import Project

NUMBERS = """
import os, signal
from pathlib import Path
from pytest_modeleval import benchmark

def note(sample):
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    with open(f"ran-{worker}", "a") as file:
        file.write(sample.id + "\\n")

def die_once(sample):
    if sample.id in os.environ.get("DEADLY", "").split():
        try:
            Path(f"died-{sample.id}").touch(exist_ok=False)
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def sharded(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    project.plugins.append("xdist")
    return project


def benchmark_of(count: int, body: str) -> str:
    samples = f'[{{"id": f"s{{n}}", "input": str(n), "target": str(n)}} for n in range({count})]'
    return f"{NUMBERS}\n@benchmark({samples})\nasync def test_it(sample, model):\n{body}"


ANSWERS = """
    note(sample)
    reply = await model.chat(sample.input)
    assert reply.text == sample.target
"""


def runs_of(project: Project) -> Counter[str]:
    """How often each body ran."""
    return Counter(
        line for path in project.path.glob("ran-*") for line in path.read_text().splitlines()
    )


def ran_on(project: Project, worker: str) -> list[str]:
    return (project.path / f"ran-{worker}").read_text().splitlines()


class TestShards:
    def test_each_worker_keeps_its_model_full(self, sharded: Project) -> None:
        sharded.conftest(
            """
import os
from pathlib import Path

class Backend(Probe):
    concurrency = 8

    async def reply(self, text, number):
        if number < 8:
            await self.until(lambda: self.peak == 8)
            Path("full-" + os.environ["PYTEST_XDIST_WORKER"]).touch()
            await self.until(lambda: len(list(Path().glob("full-*"))) == 2)
        return text
"""
        )
        sharded.file(benchmark_of(100, ANSWERS))
        sharded.run("-n", "2").assert_outcomes(passed=100)
        assert set(runs_of(sharded).values()) == {1}

    def test_what_has_not_started_goes_to_who_has_time(self, sharded: Project) -> None:
        """gw0 answers nothing until gw1 has done most of gw0's samples as well."""
        sharded.conftest(
            """
import os
from pathlib import Path

class Backend(Probe):
    concurrency = 2

    async def reply(self, text, number):
        Path(f"{os.environ['PYTEST_XDIST_WORKER']}-{text}").touch()
        if os.environ["PYTEST_XDIST_WORKER"] == "gw0":
            await self.until(lambda: len(list(Path().glob("gw1-*"))) >= 56)
        return text
"""
        )
        sharded.file(benchmark_of(64, ANSWERS))
        sharded.file("def test_plain():\n    pass", name="test_plain")
        sharded.run("-n", "2").assert_outcomes(passed=65)
        assert len(ran_on(sharded, "gw1")) >= 56
        assert set(runs_of(sharded).values()) == {1}

    @pytest.mark.parametrize("dist", ["worksteal", "load"])
    def test_a_scheduler_of_xdist_may_be_chosen(self, sharded: Project, dist: str) -> None:
        sharded.file(benchmark_of(40, ANSWERS))
        result = sharded.run("-n", "2", "--dist", dist, "-v")
        result.assert_outcomes(passed=40)
        result.stdout.fnmatch_lines(["scheduling tests via *" + dist.title()[:4] + "*"])
        assert set(runs_of(sharded).values()) == {1}

    def test_each_worker_for_everything_is_refused(self, sharded: Project) -> None:
        sharded.file(benchmark_of(4, ANSWERS))
        result = sharded.run("-n", "2", "--dist", "each")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["*--dist each would run and count every sample once for *"])
        assert not runs_of(sharded)

    def test_ordinary_tests_alone(self, sharded: Project) -> None:
        sharded.file("import pytest\n@pytest.mark.parametrize('n', range(9))\ndef test(n): pass")
        sharded.run("-n", "2").assert_outcomes(passed=9)

    def test_a_table_is_read_by_one_worker_for_all(
        self, sharded: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = sharded.path / "temporary"
        folder.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        sharded.conftest(
            """
from pytest_modeleval.datasets.csv import CsvDataset

read = CsvDataset._read

def noted(self):
    with open("reads", "a") as file:
        print("once", file=file)
    return read(self)

CsvDataset._read = noted
"""
        )
        (sharded.path / "data.csv").write_text("input\n" + "".join(f"q{n}\n" for n in range(50)))
        sharded.file(
            "from pytest_modeleval import benchmark\n@benchmark('data.csv')\n"
            "async def test_it(sample, model): await model.chat(sample.input)"
        )
        sharded.run("-n", "3").assert_outcomes(passed=50)
        assert (sharded.path / "reads").read_text() == "once\n"
        assert not list(folder.glob("modeleval-*"))

    def test_a_worker_without_samples_loads_no_model(self, sharded: Project) -> None:
        sharded.conftest(
            """
import os

class Backend(Probe):
    async def start(self):
        with open("loaded", "a") as file:
            print(os.environ["PYTEST_XDIST_WORKER"], file=file)
"""
        )
        sharded.file(benchmark_of(2, ANSWERS))
        sharded.run("-n", "3").assert_outcomes(passed=2)
        loaded = (sharded.path / "loaded").read_text().split()
        assert len(loaded) == len(set(loaded)) == 2

    def test_maxfail_ends_the_shards(self, sharded: Project) -> None:
        sharded.conftest("class Backend(Probe):\n    concurrency = 1\n")
        sharded.file(benchmark_of(400, "    note(sample)\n    raise RuntimeError('no')\n"))
        result = sharded.run("-n", "2", "-x")
        assert result.ret == pytest.ExitCode.INTERRUPTED
        assert sum(runs_of(sharded).values()) < 400

    def test_a_body_ends_the_run(self, sharded: Project) -> None:
        sharded.file(
            "import pytest\n"
            + benchmark_of(40, "    if sample.id == 's3':\n        pytest.exit('it is enough')\n")
        )
        result = sharded.run("-n", "2")
        result.stdout.fnmatch_lines(["*it is enough*"])
        assert result.ret != 0
        assert sharded.samples["not_run"] >= 1

    def test_xdist_switched_off(self, project: Project) -> None:
        project.file(benchmark_of(3, ANSWERS))
        project.run("-p", "no:xdist").assert_outcomes(passed=3)

    def test_xdist_not_installed(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        """As where somebody took it away: neither it nor execnet can be imported."""
        for name in ("xdist", "execnet"):
            package = project.path / "without" / name
            package.mkdir(parents=True)
            (package / "__init__.py").write_text("raise ModuleNotFoundError(__name__)")
        monkeypatch.setenv("PYTHONPATH", str(project.path / "without"))
        project.file(benchmark_of(3, ANSWERS))
        project.run_subprocess("-n", "2").stderr.fnmatch_lines(["*unrecognized arguments: -n*"])
        result = project.run_subprocess("--modeleval-out=out")
        result.assert_outcomes(passed=3)


SUMS = """
SAMPLES = [{"id": f"s{n}", "input": f"{n % 90}+{n % 7}=", "target": str(n % 90 + n % 7)}
           for n in range(150)]

@benchmark(SAMPLES, gates=["accuracy >= 0.5", "accuracy >= 0.999"])
async def test_sums(sample, model):
    die_once(sample)
    reply = await model.complete(sample.input, max_tokens=8, stop=[chr(10)])
    assert reply.text.strip() == sample.target
"""


def outcome_of_run(project: Project, folder: str) -> tuple[list[dict[str, Any]], Any]:
    rows = read_details(project.path / folder).to_pylist()
    told = json.loads((project.path / folder / "results.json").read_text())
    gates = {
        (benchmark["name"], benchmark["model"]): [
            {name: gate[name] for name in ("expression", "verdict", "value", "lower", "upper")}
            for gate in benchmark["gates"]
        ]
        for benchmark in told["benchmarks"]
    }
    return [_without_times(row) for row in rows], gates


def _without_times(row: dict[str, Any]) -> dict[str, Any]:
    kept = ("id", "model", "epoch", "outcome", "scores", "error", "seed", "target")
    found = {name: row[name] for name in kept if name in row}
    found["replies"] = [call["reply"] for call in row["calls"]]
    return found


def test_the_result_does_not_depend_on_the_workers(
    sharded: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("xllamacpp")
    replies = sharded.path / "replies.jsonl"
    lines = ({"id": f"s{n}", "reply": str(n % 90 + n % 7 + (n % 5 == 0))} for n in range(150))
    replies.write_text("".join(json.dumps(line) + "\n" for line in lines))
    sharded.file(NUMBERS + SUMS)
    found = {}
    for name, options, deadly in (
        ("0", ("-n", "0"), ""),
        ("1", ("-n", "1"), ""),
        ("2", ("-n", "2"), ""),
        ("4", ("-n", "4"), ""),
        ("killed", ("-n", "2"), "s5 s140"),
    ):
        monkeypatch.setenv("DEADLY", deadly)
        sharded.run(
            "--model=tiny", f"--model=replay:{replies}", "--concurrency=4",
            f"--modeleval-out={name}", *options, model=None,
        )  # fmt: skip
        found[name] = outcome_of_run(sharded, name)
    assert sorted(path.name for path in sharded.path.glob("died-*")) == ["died-s140", "died-s5"]
    rows, gates = found["0"]
    assert len(rows) == 300
    assert Counter(row["outcome"] for row in rows)["right"] > 150
    assert {gate["verdict"] for each in gates.values() for gate in each} == {"passed", "failed"}
    for name, other in found.items():
        assert other == (rows, gates), f"the run {name!r} differs"


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


class TestGpus:
    @pytest.fixture
    def gpus(self, sharded: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
        """A machine with four, and an engine that goes by the name of vllm."""
        program = sharded.path / "bin" / "nvidia-smi"
        program.parent.mkdir()
        lines = (f"echo '{number}, GPU-{letter * 4}'" for number, letter in enumerate("abcd"))
        program.write_text("\n".join(["#!/bin/sh", *lines]))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        sharded.conftest(
            """
import os

SEEN = os.environ.get("CUDA_VISIBLE_DEVICES", "all")  # as torch would, were it imported here

class Backend(Probe):
    concurrency = 2

    async def start(self):
        with open("started-" + os.environ.get("PYTEST_XDIST_WORKER", "main"), "w") as file:
            file.write(SEEN)

def pytest_modeleval_backends():
    entry = BackendEntry("conftest:Backend", in_process=True)
    return {"vllm": entry, "llamacpp": entry}
"""
        )
        sharded.file(benchmark_of(24, ANSWERS))
        return sharded

    def started(self, project: Project) -> dict[str, str]:
        return {
            path.name.removeprefix("started-"): path.read_text()
            for path in project.path.glob("started-*")
        }

    @pytest.mark.parametrize(
        ("visible", "size", "groups"),
        [
            (None, 2, ["0,1", "2,3"]),
            ("3,1", 1, ["3", "1"]),
            ("GPU-dddd,GPU-bbbb", 1, ["GPU-dddd", "GPU-bbbb"]),
            ("GPU-dddd,GPU-bbbb", 2, ["GPU-dddd,GPU-bbbb"]),
        ],
    )
    def test_a_worker_for_each(
        self,
        gpus: Project,
        monkeypatch: pytest.MonkeyPatch,
        visible: str | None,
        size: int,
        groups: list[str],
    ) -> None:
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        result = gpus.run(
            "-n", "auto", "--model-arg", f"tensor_parallel_size={size}", "--modeleval-out=out",
            model="vllm:x",
        )  # fmt: skip
        result.assert_outcomes(passed=24)
        pinned = {f"gw{number}": group for number, group in enumerate(groups)}
        assert self.started(gpus) == pinned
        told = ", ".join(f"{worker} {group}" for worker, group in pinned.items())
        result.stdout.fnmatch_lines([f"GPUs: {told}"])
        assert gpus.results["environment"]["gpus"] == pinned
        rows = read_details(gpus.path / "out").to_pylist()
        assert {row["worker"]: row["gpus"] for row in rows} == pinned

    def test_a_replacement_keeps_its_gpu(
        self, gpus: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-bbbb")
        monkeypatch.setenv("DEADLY", "s9")
        gpus.file(benchmark_of(24, "    die_once(sample)" + ANSWERS))
        gpus.run("-n", "auto", model="vllm:x").assert_outcomes(passed=24)
        assert self.started(gpus) == {"gw0": "GPU-bbbb", "gw1": "GPU-bbbb"}

    @pytest.mark.parametrize(
        ("visible", "arguments", "sentence"),
        [
            ("1,2", ("-n", "3"), "-n 3 asks for 3 workers, but the visible GPUs (1, 2)"),
            ("5", ("-n", "auto"), "CUDA_VISIBLE_DEVICES=5: there is no GPU 5; there are: 0, 1, "),
            (
                "0",
                ("-n", "auto", "--model-arg", "tensor_parallel_size=2"),
                "tensor_parallel_size asks for 2 GPUs",
            ),
        ],
    )
    def test_what_cannot_be_is_said_before_anything_loads(
        self,
        gpus: Project,
        monkeypatch: pytest.MonkeyPatch,
        visible: str | None,
        arguments: tuple[str, ...],
        sentence: str,
    ) -> None:
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        result = gpus.run(*arguments, model="vllm:x")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        assert sentence in result.stderr.str()
        assert not self.started(gpus)

    @pytest.mark.parametrize(("workers", "ran"), [("auto", {"main"}), ("2", {"gw0", "gw1"})])
    def test_an_api_needs_no_workers(self, gpus: Project, workers: str, ran: set[str]) -> None:
        gpus.run("-n", workers, model="echo:x").assert_outcomes(passed=24)
        assert {path.name.removeprefix("ran-") for path in gpus.path.glob("ran-*")} == ran

    def test_a_core_each_for_an_engine_on_the_cpu(self, gpus: Project) -> None:
        result = gpus.run("-n", "auto", "-v", model="llamacpp:x")
        result.assert_outcomes(passed=24)
        cores = min(len(os.sched_getaffinity(0)), 8)
        result.stdout.fnmatch_lines([f"created: {cores}/{cores} workers"])


def test_a_share_of_an_earlier_benchmark_waits_for_its_fixtures(sharded: Project) -> None:
    """gw1 comes from the first benchmark to the second and is then given a part of the first."""
    sharded.conftest(
        """
import asyncio, os

WORKER = os.environ.get("PYTEST_XDIST_WORKER")

class Backend(Probe):
    concurrency = 1 if WORKER == "gw0" else 64

    async def reply(self, text, number):
        # Of gw1: its very first sample, then what gw0 has given back.
        slow = 0.3 if number == 0 else 0.5 if int(text) < 25 else 0
        await asyncio.sleep(0.02 if WORKER == "gw0" else slow)
        return text
"""
    )
    sharded.file(
        """
import pytest
from pytest_modeleval import benchmark

class Service:
    open = True

@pytest.fixture
def service():
    service = Service()
    yield service
    service.open = False

def samples(count):
    return [{"id": f"s{n:02}", "input": str(n)} for n in range(count)]

@benchmark(samples(60), epochs=3)
async def test_first(sample, model, service):
    await model.chat(sample.input)
    assert service.open

@benchmark(samples(4))
async def test_second(sample, model):
    await model.chat(sample.input)
"""
    )
    assert sharded.run_subprocess("-n2", "--modeleval-cache=off").ret == 0
    first, second = sharded.results["benchmarks"]
    assert (first["samples"]["right"], second["samples"]["right"]) == (60, 4)
