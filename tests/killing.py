"""Runs that are killed: real processes in a session of their own, and SIGKILL for whom it is said.

What came out is read from the run's folder, and compared with that of a run which nobody disturbed.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from pytest_modeleval.results.details import read_details
from pytest_modeleval.results.results_json import read_results

PATIENCE = 60.0
Victim = Literal["all", "controller", "worker"]


class Attempt:
    """A run of pytest as a process group of its own; its output is in `output`."""

    def __init__(
        self, folder: Path, arguments: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> None:
        self._output = folder / "output.txt"
        with self._output.open("w") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", "pytest", *arguments],
                cwd=folder,
                env={**os.environ, **(environment or {})},
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self._output.read_text(errors="replace")

    def wait(self) -> int:
        """The exit status; nothing of the run is left then."""
        try:
            status = self.process.wait(PATIENCE)
            until(lambda: not members(self.process.pid), "its processes end")
        except BaseException:
            print(self.output)
            self.kill("all")
            raise
        return status

    def kill_when(self, so_far: Callable[[], bool], victim: Victim) -> bool:
        """Kill once it is so far. False where the run has ended before."""
        while not so_far():
            if self.process.poll() is not None:
                return False
            time.sleep(0.001)
        self.kill(victim)
        return True

    def kill(self, victim: Victim) -> None:
        """A worker alone is survived by its run."""
        others = [pid for pid in members(self.process.pid) if pid != self.process.pid]
        if victim == "worker":
            for pid in others[:1]:
                os.kill(pid, signal.SIGKILL)
            return
        if victim == "all":
            for pid in others:
                _kill(pid)
        _kill(self.process.pid)
        self.process.wait()
        until(lambda: not members(self.process.pid), "its workers end")

    def interrupt(self) -> None:
        """Ctrl-C, as a terminal sends it: to all of them."""
        os.killpg(self.process.pid, signal.SIGINT)


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def members(group: int) -> list[int]:
    """The living processes of a process group."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(int(status.parent.name))
    return sorted(found)


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.005)


def outcome_of(folder: Path, *junit: Path) -> list[str]:
    """All that must be the same, however often a run was killed, line by line. Left out are times,
    the lines of skips, which nobody keeps, and what was paid: a reply that a killed process had
    got comes from the cache."""
    result = read_results(folder)
    found = [f"complete: {result.complete}", f"verdict: {result.verdict}"]
    for each in result.benchmarks:
        measured = {name for name in each.metrics if name.endswith("_s")} | {"cost"}
        metrics = {name: each.metrics[name] for name in each.metrics if name not in measured}
        parts = (each.samples, metrics, each.gates, each.model_identity, each.hashes)
        found += [f"{each.name} {each.model}: {part}" for part in parts]
    for row in read_details(folder).to_pylist():
        calls = [(call["messages"], call["reply"], call["usage"]) for call in row["calls"]]
        values = [row[name] for name in _COLUMNS]
        found.append(f"{values} {calls}")
    for path in (folder / "junit.xml", *junit):
        found += _without_times(path)
    return found


_COLUMNS = (
    *("benchmark", "model", "id", "epoch", "outcome", "scores"),
    *("input", "target", "metadata", "error", "explanation", "seed"),
)


def _without_times(path: Path) -> list[str]:
    text = path.read_text("utf-8")
    text = re.sub(r' (time|timestamp)="[^"]*"', "", text)
    text = re.sub(r"\.py:\d+: ", ".py: ", text)
    text = re.sub(r'<property name="(cost|\w+_s)[.\w]*" value="[^"]*"/>', "", text)
    # With several workers pytest's own file is in the order in which they reported.
    lines = text.replace("<testcase", "\n<testcase").replace("</testcase>", "</testcase>\n")
    return sorted(line for line in lines.splitlines() if line.strip())
