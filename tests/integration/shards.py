"""Benchmarks of several workers that note who ran what."""

from __future__ import annotations

from collections import Counter

from tests.integration.conftest import Project

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
