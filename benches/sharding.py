"""What several workers cost and bring.

    python benches/sharding.py overhead   # per sample, and memory, beside plain parametrized tests
    python benches/sharding.py scaling    # simulated engines of 50 ms with a batch limit
    python benches/sharding.py tail       # samples of uneven length: how long workers stand idle

Each prints a table. CPU time and memory are of all processes together, by the kernel's account.
"""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PARAMETRIZED = """
import pytest

@pytest.mark.parametrize("number", range({count}))
def test_it(number):
    pass
"""

BENCHMARK = """
from pytest_modeleval import benchmark

@benchmark(({{"id": f"s{{n}}", "input": "x"}} for n in range({count})))
async def test_it(sample, model):
    pass
"""

ENGINE = """
import asyncio, os, random, time
from pytest_modeleval.models.catalog import BackendEntry
from pytest_modeleval.models.echo import EchoBackend

class Simulated(EchoBackend):
    '''A batch of so many rows; each takes its own time.'''

    async def generate(self, request):
        length = float(request.messages[-1].content)
        started = time.time()
        await asyncio.sleep(length)
        note(started, time.time())
        return await super().generate(request)

def note(started, ended):
    with open("busy-" + os.environ.get("PYTEST_XDIST_WORKER", "main"), "a") as file:
        file.write(f"{started} {ended}\\n")

def pytest_modeleval_backends():
    return {"simulated": BackendEntry("conftest:Simulated")}
"""

LENGTHS = """
from pytest_modeleval import benchmark

@benchmark([{{"id": f"s{{n}}", "input": str(each)}} for n, each in enumerate({lengths})])
async def test_it(sample, model):
    await model.chat(sample.input)
"""


def pytest_run(folder: Path, *arguments: str) -> tuple[float, float, int]:
    """Wall seconds, CPU seconds, and the largest process in MB."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    started, before = time.perf_counter(), _cpu()
    done = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    output, _ = done.communicate()
    if done.returncode:
        sys.exit(output.decode()[-2000:])
    wall, cpu = time.perf_counter() - started, _cpu() - before
    return wall, cpu, _memory(folder)


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


MEMORY = """
import os, resource

def pytest_unconfigure(config):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    with open("memory-" + os.environ.get("PYTEST_XDIST_WORKER", "main"), "w") as file:
        file.write(str(peak))
"""


def _memory(folder: Path) -> int:
    """The peak of a worker; of the one process where there are no workers."""
    peaks = {path.name: int(path.read_text()) for path in folder.glob("memory-*")}
    workers = [peak for name, peak in peaks.items() if name != "memory-main"]
    return max(workers or peaks.values(), default=0)


def overhead(counts: tuple[int, ...] = (1_000, 20_000, 100_000)) -> None:
    print(f"{'samples':>8} {'':28} {'µs/sample':>10} {'start s':>8} {'MB/worker':>10}")
    kinds = {
        "parametrize, -n 2": (PARAMETRIZED, ("-p", "xdist", "-n", "2")),
        "samples, one process": (BENCHMARK, ("-p", "modeleval", "--model=echo:x")),
        "samples, -n 2": (
            BENCHMARK, ("-p", "modeleval", "-p", "xdist", "-n", "2", "--model=echo:x"),
        ),
    }  # fmt: skip
    for name, (text, arguments) in kinds.items():
        _, start, _ = _overhead_of(text, 1, arguments)
        for count in counts:
            _, cpu, memory = _overhead_of(text, count, arguments)
            each = 1e6 * (cpu - start) / count
            print(f"{count:>8} {name:28} {each:>10.0f} {start:>8.2f} {memory:>10}", flush=True)


def _overhead_of(text: str, count: int, arguments: tuple[str, ...]) -> tuple[float, float, int]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_it.py").write_text(text.format(count=count))
        (folder / "conftest.py").write_text(MEMORY)
        return pytest_run(folder, *arguments)


def engines(lengths: list[float], workers: int, batch: int) -> list[list[tuple[float, float]]]:
    """When each worker's engine was busy with which sample."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "conftest.py").write_text(ENGINE)
        (folder / "test_it.py").write_text(LENGTHS.format(lengths=lengths))
        pytest_run(
            folder, "-p", "modeleval", "-p", "xdist", "-n", str(workers),
            "--model=simulated:x", f"--concurrency={batch}",
        )  # fmt: skip
        return [
            [tuple(map(float, line.split())) for line in path.read_text().splitlines()]  # type: ignore[misc]
            for path in sorted(folder.glob("busy-*"))
        ]


def scaling() -> None:
    """The more workers, the more samples. Eight small batches ask little of the processor, eight
    large ones more than two cores have."""
    for batch in (4, 16):
        print(f"batches of {batch}")
        _scaling(batch, each=125 * batch)


def _scaling(batch: int, each: int) -> None:
    """From the first request to the last reply."""
    print(f"{'workers':>8} {'samples/s':>10} {'of ideal':>9} {'of linear':>10}")
    alone = 0.0
    for workers in (1, 2, 4, 8):
        spans = engines([0.05] * each * workers, workers, batch)
        flat = [span for worker in spans for span in worker]
        took = max(end for _, end in flat) - min(start for start, _ in flat)
        rate = len(flat) / took
        alone = alone or rate
        ideal = workers * batch / 0.05
        print(f"{workers:>8} {rate:>10.0f} {rate / ideal:>9.3f} {rate / alone / workers:>10.3f}")


def tail(batch: int = 8, count: int = 8_000) -> None:
    """How long a worker has room while another still starts samples (that is for the scheduler to
    avoid), and how long the last one works when others are done (that takes as long as the last
    sample does)."""
    print(f"{'workers':>8} {'run s':>7} {'idle s':>7} {'of run':>7} {'done apart s':>13}")
    draw = random.Random(1)
    lengths = [min(draw.lognormvariate(-3, 1), 1.0) for _ in range(count)]
    for workers in (2, 4, 8):
        spans = engines(lengths, workers, batch)
        ends = [max(end for _, end in worker) for worker in spans]
        run = max(ends) - min(start for worker in spans for start, _ in worker)
        last_starts = [max(start for start, _ in worker) for worker in spans]
        idle = max(last_starts) - min(last_starts)
        apart = max(ends) - min(ends)
        print(
            f"{workers:>8} {run:>7.2f} {idle:>7.2f} {idle / run:>7.3f} {apart:>13.2f}", flush=True
        )


if __name__ == "__main__":
    {"overhead": overhead, "scaling": scaling, "tail": tail}[sys.argv[1]]()
