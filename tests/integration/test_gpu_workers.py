"""Workers that have GPUs of their own."""

from __future__ import annotations

import os

import pytest

from pytest_modeleval.results.details import read_details
from tests.integration.conftest import Project
from tests.integration.shards import ANSWERS, benchmark_of


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
