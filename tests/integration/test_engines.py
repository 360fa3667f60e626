"""Several models that are engines of this process: one after the other, also with workers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Project

ENGINE = """
import os
from pathlib import Path

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")

def note(event):
    with open(f"events-{WORKER}", "a") as file:
        file.write(event + "\\n")

def loaded(worker, model):
    events = Path(f"events-{worker}")
    return events.exists() and f"load {model}" in events.read_text()

def answered(model, worker):
    return len(list(Path().glob(f"{model}-{worker}-*")))

class Engine(Probe):
    '''Notes when it is loaded and ended, and what it is asked.'''

    concurrency = 2

    async def start(self):
        note(f"load {self.identity.name}")

    async def aclose(self):
        note(f"end {self.identity.name}")

    async def reply(self, text, number):
        model = self.identity.name
        await self.pace(model, text)
        Path(f"{model}-{WORKER}-{number}").touch()
        return text

    async def pace(self, model, text):
        pass

def pytest_modeleval_backends():
    return {"engine": BackendEntry("conftest:Engine", in_process=True)}
"""

BENCHMARKS = """
import os, signal
from pathlib import Path
from pytest_modeleval import benchmark

def samples(numbers):
    return [{"id": f"s{n}", "input": str(n), "target": str(n)} for n in numbers]

@benchmark(samples(range(32)))
async def test_first(sample, model):
    reply = await model.chat(sample.input)
    if sample.id == os.environ.get("DEADLY") and model.identity.name == "one":
        try:
            with open("died", "x") as file:
                file.write(os.environ["PYTEST_XDIST_WORKER"])
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

@benchmark(samples(range(32, 64)))
async def test_second(sample, model):
    reply = await model.chat(sample.input)
    assert reply.text == sample.target

def test_plain():
    pass
"""

BOTH = ("--model=engine:one", "--model=engine:two")


def events(project: Project, worker: str) -> list[str]:
    return (project.path / f"events-{worker}").read_text().splitlines()


ONE_AFTER_THE_OTHER = ["load one", "end one", "load two", "end two"]


@pytest.fixture
def engines(project: Project) -> Project:
    project.plugins.append("xdist")
    project.file(BENCHMARKS)
    return project


@pytest.mark.parametrize("slow", ["gw0", "gw1"])
def test_no_worker_goes_back(engines: Project, slow: str) -> None:
    """One worker answers nothing of a model until the other has done most of that."""
    engines.conftest(
        ENGINE
        + f"""
    async def pace(self, model, text):
        if WORKER == {slow!r}:
            await self.until(lambda: answered(model, "gw*") >= 50)
        elif model == "two":
            await self.until(lambda: loaded({slow!r}, "two"))
Engine.pace = pace
""".replace("\n    ", "\n")
    )
    engines.run("-n", "2", *BOTH, model=None).assert_outcomes(passed=129)
    for worker in ("gw0", "gw1"):
        assert events(engines, worker) == ONE_AFTER_THE_OTHER


def test_what_died_late_waits_for_a_new_worker(
    engines: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker dies with a sample of the first model when the other has come to the second."""
    monkeypatch.setenv("DEADLY", "s0")
    engines.conftest(
        ENGINE
        + """
async def pace(self, model, text):
    if (model, text) == ("one", "0") and not Path("died").exists():
        await self.until(lambda: loaded("gw0", "two") or loaded("gw1", "two"))
    elif model == "two":
        await self.until(lambda: Path("died").exists())
Engine.pace = pace
"""
    )
    engines.run("-n", "2", *BOTH, model=None).assert_outcomes(passed=129)
    dead = (engines.path / "died").read_text()
    assert events(engines, dead) == ["load one"]
    assert events(engines, {"gw0": "gw1", "gw1": "gw0"}[dead]) == ONE_AFTER_THE_OTHER
    assert events(engines, "gw2")[:2] == ["load one", "end one"]


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_benchmark_that_asks_no_model_leaves_none_behind(engines: Project, workers: str) -> None:
    """The first engine is loaded for it all the same, and ended before the second."""
    engines.conftest(ENGINE)
    engines.file(
        "from pytest_modeleval import benchmark\n"
        "import pytest\n"
        "@benchmark([{'id': 'a', 'input': ''}, {'id': 'b', 'input': ''}])\n"
        "async def test_it(sample, modeleval_alias): pass\n"
        "@benchmark([{'id': 'a', 'input': ''}, {'id': 'b', 'input': ''}])\n"
        "async def test_two(sample, models): pass\n"
    )
    result = engines.run("-n", workers, *BOTH, "-k", "one-a or two-b", model=None)
    assert result.ret == 0
    for path in engines.path.glob("events-*"):
        held = 0
        for event in path.read_text().splitlines():
            held += 1 if event.startswith("load") else -1
            assert held <= 1, path.read_text()
        assert held == 0, os.fspath(path)
