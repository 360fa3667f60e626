"""However a run with workers ends, no process of it is left: looked up in the process table."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Project

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="reads the process table in /proc"
)

ENGINE = """
import asyncio, os, subprocess, sys
from pathlib import Path

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")

class Backend(Probe):
    '''An engine with a process of its own, which ends when nobody holds its pipe any more.'''
    concurrency = 4

    async def start(self):
        self.process = subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
        )
        (self.folder / f"loading-{WORKER}").write_text(str(os.getpid()))
        if "LOADS_FOREVER" in os.environ:
            await asyncio.Event().wait()

    async def reply(self, text, number):
        (self.folder / f"asked-{WORKER}").write_text(str(os.getpid()))
        if "ANSWERS_NEVER" in os.environ:
            await asyncio.Event().wait()
        return text

    async def aclose(self):
        self.process.stdin.close()
        self.process.wait()
        (self.folder / f"closed-{WORKER}").touch()
"""

ECHOES = """
from pytest_modeleval import benchmark

@benchmark([{"id": f"s{n}", "input": str(n), "target": str(n)} for n in range(24)])
async def test_it(sample, model):
    assert (await model.chat(sample.input)).text == sample.target
"""


class Running:
    """A run with two workers, in a session of its own, as in a terminal of its own."""

    def __init__(self, project: Project, **environment: str) -> None:
        self.path = project.path
        command = [*project.pytester._getpytestargs(), *project._arguments("probe:"), "-n2"]
        self.controller = subprocess.Popen(
            command,
            cwd=project.path,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def workers(self, stage: str) -> list[int]:
        """The ids of both workers' processes, once they are so far."""
        paths = [self.path / f"{stage}-gw{number}" for number in (0, 1)]
        self.until(lambda: all(path.exists() and path.read_text() for path in paths))
        return [int(path.read_text()) for path in paths]

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.02)

    def processes(self) -> list[int]:
        """The processes of the run that live."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                state, _, _, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
                if int(session) == self.controller.pid and state != "Z":
                    found.append(int(folder.name))
            except OSError:  # ended meanwhile
                continue
        return found

    def kill(self) -> None:
        """What a test that failed has left."""
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.controller.communicate()

    def end(self) -> str:
        """What the controller said, when it and all others have ended."""
        output, _ = self.controller.communicate(timeout=60)
        self.until(lambda: not self.processes())
        return output


Start = Callable[..., Running]


@pytest.fixture
def project(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    project.plugins.append("xdist")
    project.conftest(ENGINE)
    project.file(ECHOES)
    return project


@pytest.fixture
def start(project: Project) -> Iterator[Start]:
    """Starts a run with environment variables of its own."""
    runs: list[Running] = []

    def start(**environment: str) -> Running:
        runs.append(Running(project, **environment))
        return runs[-1]

    yield start
    for run in runs:
        run.kill()


def closed(project: Project) -> set[str]:
    """Which workers' engines were closed in good order."""
    return {path.name.removeprefix("closed-") for path in project.path.glob("closed-*")}


def test_after_a_normal_end(project: Project, start: Start) -> None:
    run = start()
    assert "24 passed" in run.end()
    assert closed(project) == {"gw0", "gw1"}


STAGES = pytest.mark.parametrize(
    ("stage", "hang"), [("loading", "LOADS_FOREVER"), ("asked", "ANSWERS_NEVER")]
)


@STAGES
@pytest.mark.parametrize("whole_group", [False, True], ids=["controller", "terminal"])
def test_after_ctrl_c(
    project: Project, start: Start, stage: str, hang: str, whole_group: bool
) -> None:
    run = start(**{hang: "1"})
    run.workers(stage)
    assert len(run.processes()) == 5
    if whole_group:
        os.killpg(run.controller.pid, signal.SIGINT)
    else:
        run.controller.send_signal(signal.SIGINT)
    output = run.end()
    assert run.controller.returncode == pytest.ExitCode.INTERRUPTED, output
    assert "INTERNALERROR" not in output
    assert closed(project) == {"gw0", "gw1"}


@STAGES
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_after_the_controller_is_killed(
    project: Project, start: Start, stage: str, hang: str, how: signal.Signals
) -> None:
    run = start(**{hang: "1"})
    run.workers(stage)
    run.controller.send_signal(how)
    run.end()
    assert run.controller.returncode == -how
    assert closed(project) == {"gw0", "gw1"}, "the workers end by themselves, in good order"


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_after_a_worker_is_killed(project: Project, start: Start, how: signal.Signals) -> None:
    """Its engine's own process has to see to itself."""
    run = start(ANSWERS_NEVER="1")
    first, _ = run.workers("asked")
    os.kill(first, how)
    run.until((project.path / "asked-gw2").exists)
    run.until(lambda: len(run.processes()) == 5)
    run.controller.send_signal(signal.SIGINT)
    run.end()
    assert closed(project) == {"gw1", "gw2"}
