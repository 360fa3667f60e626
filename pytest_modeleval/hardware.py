"""What a run takes of its machine: processors, memory and GPUs, looked at from the background."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

INTERVAL_S = 1.0
SHARE = 0.01
"""Looking may take so much of one core, and no more: where it takes long, it is done less often."""


class HardwareMonitor:
    """Looks once a second at this process, all processes under it, and the GPUs that it may use.

    Nothing is imported and nothing looked at in the first second: a short run pays nothing.
    """

    def __init__(self) -> None:
        self._started = time.time()
        self._cpu_s = sum(os.times()[:2])
        self._ended = threading.Event()
        self._seen: dict[str, Any] | None = None
        self._thread = threading.Thread(target=self._look, name="modeleval-hardware", daemon=True)
        self._thread.start()

    def stop(self) -> dict[str, Any] | None:
        """Look no more. What was seen, as results.json has it; None after less than a second, or
        where psutil is not installed."""
        self._ended.set()
        self._thread.join(timeout=INTERVAL_S)
        return self._seen

    def _look(self) -> None:
        if self._ended.wait(INTERVAL_S):
            return
        try:
            processes = _Processes(self._started, self._cpu_s)
        except ImportError:
            return
        gpus = _gpus()
        looks = 0
        pause = 0.0
        while not self._ended.wait(pause):
            began = time.thread_time()
            processes.look()
            for gpu in gpus:
                gpu.look()
            looks += 1
            self._seen = {
                "looks": looks,
                **processes.seen,
                "gpus": [gpu.seen for gpu in gpus],
            }
            pause = max(INTERVAL_S, (time.thread_time() - began) / SHARE)


class _Level:
    """A quantity that goes up and down."""

    def __init__(self) -> None:
        self._sum = self._peak = 0.0
        self._count = 0

    def add(self, value: float) -> None:
        self._sum += value
        self._count += 1
        self._peak = max(self._peak, value)

    @property
    def seen(self) -> dict[str, float] | None:
        return {"mean": self._sum / self._count, "peak": self._peak} if self._count else None


class _Processes:
    """This process and all under it. Raises ImportError without psutil."""

    def __init__(self, started: float, cpu_s: float) -> None:
        import psutil

        self._gone = psutil.Error
        self._own = psutil.Process()
        self._started = self._last = started
        self._cpu_s = {(self._own.pid, self._own.create_time()): cpu_s}
        self._total_s = self._peak = 0.0
        self._memory = _Level()

    def look(self) -> None:
        now = time.time()
        used = memory = 0.0
        for process in [self._own, *self._own.children(recursive=True)]:
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    memory += process.memory_info().rss
                    key = (process.pid, process.create_time())
            except self._gone:
                continue
            cpu_s = times.user + times.system
            # One that was there before the run has done other things as well.
            before = cpu_s if key[1] < self._started else 0.0
            used += cpu_s - self._cpu_s.get(key, before)
            self._cpu_s[key] = cpu_s
        self._total_s += used
        self._peak = max(self._peak, used / (now - self._last) if now > self._last else 0.0)
        self._last = now
        self._memory.add(memory)

    @property
    def seen(self) -> dict[str, Any]:
        elapsed = self._last - self._started
        return {
            "cpu_cores": {
                "mean": self._total_s / elapsed if elapsed > 0 else 0.0,
                "peak": self._peak,
            },
            "memory_bytes": self._memory.seen,
        }


class _GPU:
    def __init__(self, nvml: Any, index: int, handle: Any) -> None:
        self._nvml = nvml
        self._handle = handle
        self._index = index
        self._name = str(nvml.nvmlDeviceGetName(handle))
        self._utilization = _Level()
        self._memory = _Level()

    def look(self) -> None:
        try:
            self._memory.add(self._nvml.nvmlDeviceGetMemoryInfo(self._handle).used)
            self._utilization.add(self._nvml.nvmlDeviceGetUtilizationRates(self._handle).gpu / 100)
        except self._nvml.NVMLError:
            pass  # not every GPU tells, and none a part of it (MIG)

    @property
    def seen(self) -> dict[str, Any]:
        return {
            "index": self._index,
            "name": self._name,
            "utilization": self._utilization.seen,
            "memory_bytes": self._memory.seen,
        }


def _gpus() -> list[_GPU]:
    """The GPUs that this process may use; none without NVIDIA's driver or nvidia-ml-py."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except ImportError:
        return []
    except pynvml.NVMLError:
        return []
    said = os.environ.get("CUDA_VISIBLE_DEVICES")
    visible = None if said is None else [part.strip() for part in said.split(",")]
    found = []
    for index in range(pynvml.nvmlDeviceGetCount()):
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        uuid = str(pynvml.nvmlDeviceGetUUID(handle))
        if visible is None or any(
            each == str(index) or uuid.startswith(each or " ") for each in visible
        ):
            found.append(_GPU(pynvml, index, handle))
    return found
