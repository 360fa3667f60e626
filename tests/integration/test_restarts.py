"""Engines of this process that die: started anew, and nothing is lost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Project

ENGINE = """
import os
from pathlib import Path
from pytest_modeleval.errors import EngineDied, ModelError
from pytest_modeleval.models.protocol import Identity

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")

class Engine(Probe):
    '''Dies where `dies` says so; what it is asked then never comes back.'''

    concurrency = 8
    starts = 0

    async def start(self):
        self.starts += 1
        self.dead = asyncio.Event()
        with open(f"events-{WORKER}", "a") as file:
            file.write("start\\n")

    async def aclose(self):
        with open(f"events-{WORKER}", "a") as file:
            file.write("close\\n")
        await super().aclose()

    async def reply(self, text, number):
        if self.dies(text, number):
            raise EngineDied("out of luck")
        return text

    def dies(self, text, number):
        return False

def pytest_modeleval_backends():
    return {"engine": BackendEntry("conftest:Engine", in_process=True)}

import asyncio
"""

SAMPLES = """
from pytest_modeleval import benchmark

@benchmark([{"id": f"s{n}", "input": str(n), "target": str(n)} for n in range(40)])
async def test_it(sample, model):
    reply = await model.chat(sample.input)
    assert reply.text == sample.target
"""


def engine(project: Project, text: str) -> None:
    body = "\n".join(f"    {line}" for line in text.strip().splitlines())
    project.conftest(f"{ENGINE}\nclass Engine(Engine):\n{body}\n")
    project.file(SAMPLES)


def events(project: Project, worker: str = "main") -> list[str]:
    return (project.path / f"events-{worker}").read_text().splitlines()


def attempts(project: Project) -> list[int]:
    from pytest_modeleval.results.details import read_details

    rows: list[dict[str, Any]] = read_details(project.path / "out").to_pylist()
    return [call["attempts"] for row in rows for call in row["calls"]]


RUN = ("--modeleval-out=out", "--modeleval-cache=off")


def test_one_that_dies_once(project: Project) -> None:
    """Eight are in flight, one of them finds out; seven would have waited for ever."""
    engine(
        project,
        """
async def reply(self, text, number):
    if self.starts == 1 and number >= 8:
        await self.until(lambda: self.in_flight == 8)
        if number < 15:
            await asyncio.Event().wait()
        raise EngineDied("out of luck")
    return text
""",
    )
    result = project.run(*RUN, model="engine:")
    assert result.ret == 0
    assert project.samples["right"] == 40
    assert events(project) == ["start", "close", "start", "close"]
    assert sorted(attempts(project)) == [1] * 32 + [2] * 8
    written = json.loads((project.path / "out/results.json").read_text("utf-8"))
    assert (written["restarts"], written["complete"]) == (1, True)
    result.stdout.fnmatch_lines(
        ["the engine of engine has died (out of luck): started anew, 1 of 3 times"]
    )
    assert len(project.probe["asked"]) == 48


def test_one_that_dies_always(project: Project) -> None:
    engine(project, "def dies(self, text, number):\n    return number >= 8")
    result = project.run(*RUN, model="engine:")
    assert result.ret == 1
    assert events(project) == ["start", "close"] * 4
    result.stdout.fnmatch_lines(
        [
            "*of 40 samples were not run: the engine of engine has died after 3 restarts, the "
            "most there are: out of luck"
        ]
    )
    (benchmark,) = project.results["benchmarks"]
    assert set(benchmark["samples"]) >= {"right", "not_run"}
    assert benchmark["samples"]["error"] == benchmark["samples"]["wrong"] == 0
    assert project.results["restarts"] == 3


@pytest.mark.parametrize(
    ("second_start", "sentence"),
    [
        ("self.identity = Identity('probe', 'another')", "and is another model since"),
        (
            "raise ModelError('no memory is left')",
            "and could not be started anew: no memory is left",
        ),
    ],
)
def test_one_that_does_not_come_back(project: Project, second_start: str, sentence: str) -> None:
    engine(
        project,
        f"""
async def start(self):
    await super().start()
    if self.starts == 2:
        {second_start}

def dies(self, text, number):
    return self.starts == 1 and number >= 8
""",
    )
    result = project.run(*RUN, model="engine:")
    assert result.ret == 1
    result.stdout.fnmatch_lines([f"*of 40 samples were not run: *(out of luck), {sentence}*"])
    assert events(project) == ["start", "close", "start", "close"]


def test_each_worker_has_its_own(project: Project) -> None:
    engine(
        project,
        """
def dies(self, text, number):
    return self.starts == 1 and number >= 2 and WORKER == "gw0"
""",
    )
    project.plugins.append("xdist")
    result = project.run(*RUN, "-n", "2", model="engine:")
    assert result.ret == 0
    assert project.samples["right"] == 40
    assert len(set(events(project, "gw1"))) == 2
    assert len(events(project, "gw1")) == 2
    restarts = project.results["restarts"]
    assert restarts == len(events(project, "gw0")) // 2 - 1
    assert result.stdout.str().count("started anew, 1 of 3 times") == restarts
