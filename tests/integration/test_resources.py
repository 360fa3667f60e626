"""What a run takes of its machine."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from tests.integration.conftest import Project

BUSY = """
import os, subprocess, sys, time
from pytest_modeleval import benchmark

SPIN = "import time; b = b'x' * 60_000_000\\nwhile time.process_time() < 1: pass"

@benchmark([{"id": f"s{n}", "input": "a", "target": ""} for n in range(2)])
def test_it(sample, model):
    model.chat("a")
    if "CHILD" in os.environ and sample.id == "s0":
        subprocess.run([sys.executable, "-c", SPIN])
    time.sleep(SECONDS)
"""

NVML = """
class NVMLError(Exception): pass
class Memory: used = 3_000_000_000
class Rates:
    def __init__(self): Rates.gpu = getattr(Rates, "gpu", 0) + 50
def nvmlInit(): pass
def nvmlDeviceGetCount(): return 3
def nvmlDeviceGetHandleByIndex(index): return index
def nvmlDeviceGetUUID(handle): return f"GPU-{handle}abc"
def nvmlDeviceGetName(handle): return "H" + str(handle)
def nvmlDeviceGetMemoryInfo(handle): return Memory
def nvmlDeviceGetUtilizationRates(handle):
    if handle == 2: raise NVMLError()
    return Rates()
"""


@pytest.fixture(autouse=True)
def often(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten looks a second, so that a short run has some."""
    project.conftest(
        "from pytest_modeleval import hardware\nhardware.INTERVAL_S = 0.1\nhardware.SHARE = 1\n"
    )
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def resources(project: Project) -> Any:
    return project.results["resources"]


@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["one process", "a worker"])
def test_all_processes_of_the_run(
    project: Project, monkeypatch: pytest.MonkeyPatch, workers: tuple[str, ...]
) -> None:
    """A child, or a child of the worker, works for a second and holds 60 MB."""
    project.plugins = ["xdist"] * bool(workers)
    project.file(BUSY.replace("SECONDS", "0.5"))
    assert project.run_subprocess(*workers).ret == 0
    alone = resources(project)["memory_bytes"]["peak"]
    monkeypatch.setenv("CHILD", "1")
    began = time.monotonic()
    assert project.run_subprocess(*workers).ret == 0
    took = time.monotonic() - began
    found = resources(project)
    assert found["looks"] >= 3
    assert 0.8 / took < found["cpu_cores"]["mean"] <= found["cpu_cores"]["peak"]
    assert alone > (1 + len(workers)) * 20e6
    assert found["memory_bytes"]["peak"] > alone + 50e6
    assert found["memory_bytes"]["mean"] < found["memory_bytes"]["peak"]


def test_a_short_run_has_none(project: Project) -> None:
    project.conftest()
    project.file(BUSY.replace("SECONDS", "0"))
    project.run()
    assert resources(project) is None


def test_without_psutil(project: Project) -> None:
    (project.path / "psutil.py").write_text("raise ImportError")
    project.file(BUSY.replace("SECONDS", "0.5"))
    assert project.run_subprocess().ret == 0
    assert resources(project) is None


@pytest.mark.parametrize(
    ("visible", "indices"),
    [(None, [0, 1, 2]), ("1,2", [1, 2]), ("GPU-0a", [0]), ("", []), ("-1", [])],
)
def test_gpus(
    project: Project, monkeypatch: pytest.MonkeyPatch, visible: str | None, indices: list[int]
) -> None:
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    (project.path / "pynvml.py").write_text(NVML)
    project.file(BUSY.replace("SECONDS", "0.5"))
    assert project.run_subprocess().ret == 0
    gpus = resources(project)["gpus"]
    assert [gpu["index"] for gpu in gpus] == indices
    for gpu in gpus:
        assert gpu["name"] == f"H{gpu['index']}"
        assert gpu["memory_bytes"] == {"mean": 3e9, "peak": 3e9}
        assert (gpu["utilization"] is None) == (gpu["index"] == 2)


def test_no_driver(project: Project) -> None:
    (project.path / "pynvml.py").write_text(
        NVML.replace("def nvmlInit(): pass", "def nvmlInit(): raise NVMLError('no driver')")
    )
    project.file(BUSY.replace("SECONDS", "0.5"))
    assert project.run_subprocess().ret == 0
    assert resources(project)["gpus"] == []


def test_nothing_is_left_behind(project: Project) -> None:
    project.file(BUSY.replace("SECONDS", "0"))
    project.run()
    project.run(model="openai:x")
    assert "modeleval-hardware" not in {thread.name for thread in threading.enumerate()}
