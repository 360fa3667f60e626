"""Several workers: who runs what, and that the result is that of one process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections import Counter
from pathlib import Path
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

    def test_ordinary_tests_alone(self, sharded: Project) -> None:
        sharded.file("import pytest\n@pytest.mark.parametrize('n', range(9))\ndef test(n): pass")
        sharded.run("-n", "2").assert_outcomes(passed=9)

    def test_more_workers_than_samples(self, sharded: Project) -> None:
        sharded.file(benchmark_of(2, ANSWERS))
        sharded.run("-n", "3").assert_outcomes(passed=2)

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

    def test_without_xdist(self, project: Project) -> None:
        project.file(benchmark_of(3, ANSWERS))
        project.run("-p", "no:xdist").assert_outcomes(passed=3)


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
        sharded.run_subprocess(
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

    @pytest.mark.parametrize("workers", ["1", "2"])
    def test_who_kills_two_workers_is_an_error(self, sharded: Project, workers: str) -> None:
        body = (
            "    note(sample)\n    if sample.id == 's7':\n        os._exit(9)\n"
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

    def test_the_controller_is_interrupted_while_models_load(self, sharded: Project) -> None:
        sharded.conftest(
            """
import asyncio, os
from pathlib import Path

class Backend(Probe):
    async def start(self):
        Path("loading").write_text(str(os.getpid()))
        os.rename("loading", f"loading-{os.environ['PYTEST_XDIST_WORKER']}")
        await asyncio.Event().wait()
"""
        )
        sharded.file(benchmark_of(4, ANSWERS))
        command = [*sharded.pytester._getpytestargs(), *sharded._arguments("probe:"), "-n", "1"]
        controller = subprocess.Popen(
            command, cwd=sharded.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        loading = sharded.path / "loading-gw0"
        while not loading.exists() and controller.poll() is None:
            pass
        controller.send_signal(signal.SIGINT)
        output, _ = controller.communicate(timeout=30)
        assert controller.returncode == pytest.ExitCode.INTERRUPTED, output.decode()
        assert not _alive(int(loading.read_text()))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or " Z " not in state.read_text()


class TestGpus:
    @pytest.fixture
    def two_gpus(self, sharded: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
        """A machine with two, and an engine that goes by the name of vllm."""
        program = sharded.path / "bin" / "nvidia-smi"
        program.parent.mkdir()
        program.write_text("#!/bin/sh\necho '0, GPU-aaaa'\necho '1, GPU-bbbb'\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        sharded.conftest(
            """
import os

class Backend(Probe):
    concurrency = 2

    async def start(self):
        with open("started-" + os.environ.get("PYTEST_XDIST_WORKER", "main"), "w") as file:
            file.write(os.environ.get("CUDA_VISIBLE_DEVICES", "all"))

def pytest_modeleval_backends():
    return {"vllm": BackendEntry("conftest:Backend", in_process=True)}
"""
        )
        sharded.file(benchmark_of(24, ANSWERS))
        return sharded

    def started(self, project: Project) -> dict[str, str]:
        return {
            path.name.removeprefix("started-"): path.read_text()
            for path in project.path.glob("started-*")
        }

    def test_a_worker_for_each(self, two_gpus: Project) -> None:
        result = two_gpus.run("-n", "auto", model="vllm:x")
        result.assert_outcomes(passed=24)
        assert self.started(two_gpus) == {"gw0": "0", "gw1": "1"}
        result.stdout.fnmatch_lines(["GPUs: gw0 0, gw1 1"])
        assert two_gpus.results["environment"]["gpus"] == {"gw0": "0", "gw1": "1"}

    def test_a_replacement_keeps_its_gpu(
        self, two_gpus: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-bbbb")
        monkeypatch.setenv("DEADLY", "s9")
        two_gpus.file(benchmark_of(24, "    die_once(sample)" + ANSWERS))
        two_gpus.run("-n", "auto", model="vllm:x").assert_outcomes(passed=24)
        assert self.started(two_gpus) == {"gw0": "GPU-bbbb", "gw1": "GPU-bbbb"}

    @pytest.mark.parametrize(
        ("visible", "arguments", "sentence"),
        [
            (None, ("-n", "3"), "-n 3 asks for 3 workers, but the visible GPUs (0, 1)"),
            ("5", ("-n", "auto"), "CUDA_VISIBLE_DEVICES=5: there is no GPU 5; there are: 0, 1"),
            (
                "0",
                ("-n", "auto", "--model-arg", "tensor_parallel_size=2"),
                "tensor_parallel_size asks for 2 GPUs",
            ),
        ],
    )
    def test_what_cannot_be_is_said_before_anything_loads(
        self,
        two_gpus: Project,
        monkeypatch: pytest.MonkeyPatch,
        visible: str | None,
        arguments: tuple[str, ...],
        sentence: str,
    ) -> None:
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        result = two_gpus.run(*arguments, model="vllm:x")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        assert sentence in result.stderr.str()
        assert not self.started(two_gpus)

    def test_an_api_needs_no_workers(self, two_gpus: Project) -> None:
        two_gpus.run("-n", "auto", model="echo:x").assert_outcomes(passed=24)
        assert [path.name for path in two_gpus.path.glob("ran-*")] == ["ran-main"]
