"""Which GPUs there are, and which of them each worker of `pytest -n` has for itself.

torch is not asked: importing it here would settle what its process sees, and costs seconds.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence

from pytest_modeleval.errors import UsageError
from pytest_modeleval.models.catalog import BackendEntry, ModelSpec, in_process

VISIBLE = "CUDA_VISIBLE_DEVICES"

MOST_CPU_WORKERS = 8
"""Workers of `-n auto` for an engine that computes on the CPU; each loads a model of its own."""


def auto_workers(models: Iterable[ModelSpec], backends: Mapping[str, BackendEntry]) -> int:
    """How many workers serve the models best; 0 is this process alone. Raises UsageError."""
    models = list(models)
    groups = gpu_groups(models)
    if groups:
        return len(groups)
    for spec in models:
        # vllm and transformers without a GPU use every core already.
        if in_process(spec, backends) and spec.backend not in ("vllm", "transformers"):
            return min(_cores(), MOST_CPU_WORKERS)
    return 0


def gpu_groups(models: Iterable[ModelSpec]) -> list[str]:
    """The GPUs of each worker, as CUDA_VISIBLE_DEVICES has them; none where no model wants a GPU
    of its own, or there is none. Raises UsageError for GPUs that cannot be meant."""
    sizes = [size for spec in models if (size := gpus_for(spec))]
    if not sizes:
        return []
    gpus = visible_gpus()
    size = max(sizes)
    if not gpus:
        return []
    if len(gpus) % size:
        raise UsageError(
            f"tensor_parallel_size asks for {size} GPUs for each copy of the model, which does not "
            f"divide the {len(gpus)} visible here ({', '.join(gpus)}): choose another, or set "
            f"{VISIBLE} to a multiple of {size}"
        )
    return [",".join(gpus[start : start + size]) for start in range(0, len(gpus), size)]


def gpus_for(spec: ModelSpec) -> int:
    """How many GPUs one copy of the model takes; 0 where it is none, or names its device itself."""
    if spec.backend == "transformers":
        return int(spec.arguments.get("device", "auto") in ("auto", "cuda"))
    if spec.backend != "vllm":
        return 0
    count = 1
    for name in ("tensor_parallel_size", "pipeline_parallel_size"):
        value = spec.arguments.get(name, 1)
        if not isinstance(value, int) or value < 1:
            raise UsageError(f"{name}={value!r}: expected a whole number of GPUs, 1 or more")
        count *= value
    return count


def visible_gpus() -> list[str]:
    """The caller's own CUDA_VISIBLE_DEVICES, indices or UUIDs, else every GPU of the machine.
    Raises UsageError for one that the machine does not have."""
    said = os.environ.get(VISIBLE)
    if said is None:
        return [index for index, _ in _installed() or ()]
    wanted = [part.strip() for part in said.split(",") if part.strip()]
    if wanted in ([], ["-1"]):
        return []
    installed = _installed()
    if installed is None:
        return wanted  # nvidia-smi is not there to ask; CUDA will tell
    for gpu in wanted:
        if not any(_is(gpu, *each) for each in installed):
            there = ", ".join(index for index, _ in installed) or "none"
            raise UsageError(f"{VISIBLE}={said}: there is no GPU {gpu}; there are: {there}")
    return wanted


def _is(gpu: str, index: str, uuid: str) -> bool:
    """CUDA takes the beginning of a UUID for the whole; a MIG slice is not listed by nvidia-smi's
    query."""
    if gpu.startswith("MIG-"):
        return True
    return gpu == index or (gpu.startswith("GPU-") and uuid.startswith(gpu))


def _installed() -> list[tuple[str, str]] | None:
    """Index and UUID of each GPU; None where nobody can be asked."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    try:
        answer = subprocess.run(
            [program, "--query-gpu=index,uuid", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    rows = (line.partition(",") for line in answer.stdout.splitlines())
    return [(index.strip(), uuid.strip()) for index, comma, uuid in rows if comma]


def check_enough(workers: int, groups: Sequence[str]) -> None:
    """Raises UsageError where a worker would have to share its GPUs."""
    if groups and workers > len(groups):
        each = len(groups[0].split(","))
        raise UsageError(
            f"-n {workers} asks for {workers} workers, but the visible GPUs "
            f"({', '.join(groups)}) are enough for {len(groups)}"
            + (f" of {each} GPUs each" if each > 1 else "")
            + f": use -n {len(groups)} or -n auto"
        )


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1
