"""Sums and buckets that processes share, in a real file."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_modeleval.errors import StopRun
from pytest_modeleval.models.shared_state import SharedState

ADD = """
import sys
from pathlib import Path
from pytest_modeleval.models.shared_state import SharedState
state = SharedState(Path(sys.argv[1]))
print("ready", flush=True)
for _ in range(int(sys.argv[2])):
    state.add({"cost": 0.5, "tokens": 3})
    state.take("requests", 1, per_minute=60)
print("done", flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.sqlite"


def adding(path: Path, times: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", ADD, str(path), str(times)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_sums_are_of_all_that_was_added(path: Path) -> None:
    state = SharedState(path)
    assert state.totals() == {}
    assert state.add({"cost": 0.25}) == {"cost": 0.25}
    assert state.add({"cost": 0.5, "tokens": 7}) == {"cost": 0.75, "tokens": 7}
    assert state.totals() == {"cost": 0.75, "tokens": 7}


def test_no_file_is_made_before_the_first_call(path: Path) -> None:
    state = SharedState(path)
    assert not path.exists()
    state.close()
    assert not path.exists()


def test_processes_that_add_at_once_lose_nothing(path: Path) -> None:
    processes = [adding(path, 200) for _ in range(4)]
    assert [process.wait(timeout=60) for process in processes] == [0] * 4
    assert SharedState(path).totals() == {"cost": 400, "tokens": 2400}
    # 800 seconds' worth was taken, however the processes took turns, and one may be used at once.
    assert SharedState(path).take("requests", 1, per_minute=60) > 700


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_killed_process_leaves_a_file_that_others_go_on_with(path: Path) -> None:
    process = adding(path, 1_000_000)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    mine = SharedState(path)
    before = mine.totals().get("tokens", 0)
    while mine.totals().get("tokens", 0) == before:
        pass
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    mine.close()
    found = SharedState(path).totals()
    assert found["tokens"] > before
    assert found["cost"] == found["tokens"] / 6  # each addition is whole or was not made


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_is_used_at_its_rate_in_the_order_of_asking(path: Path) -> None:
    clock = Clock()
    one, other = SharedState(path, clock=clock), SharedState(path, clock=clock)
    waits = [each.take("r", 1, per_minute=120) for each in (one, other, one, other, one)]
    # Two a second: one second's worth at once, the rest one half second after the other.
    assert waits == pytest.approx([0, 0, 0.5, 1.0, 1.5])
    clock.now += 60
    assert one.take("r", 1, per_minute=120) == 0
    assert one.take("another", 1, per_minute=120) == 0


def test_a_bucket_that_rests_gains_no_more_than_it_holds(path: Path) -> None:
    clock = Clock()
    state = SharedState(path, clock=clock)
    state.take("r", 1, per_minute=60, burst=10)
    clock.now += 3600
    waits = [state.take("r", 5, per_minute=60, burst=10) for _ in range(3)]
    assert waits == pytest.approx([0, 0, 5])


def test_what_was_not_used_is_given_back(path: Path) -> None:
    state = SharedState(path, clock=Clock())
    state.take("tokens", 100, per_minute=60, burst=100)
    state.take("tokens", -40, per_minute=60, burst=100)
    assert state.take("tokens", 40, per_minute=60, burst=100) == pytest.approx(0)
    assert state.take("tokens", 1, per_minute=60, burst=100) == pytest.approx(1)


def test_buckets_do_not_outlast_the_clock_that_they_go_by(path: Path) -> None:
    clock = Clock()
    state = SharedState(path, clock=clock)
    assert state.take("r", 600, per_minute=60) == pytest.approx(599)
    clock.now = 5.0  # the machine was started anew
    assert state.take("r", 1, per_minute=60) == 0


def test_a_file_that_cannot_be_used_stops_the_run_with_a_sentence(path: Path) -> None:
    path.write_bytes(b"this is no database, it is a text" * 100)
    with pytest.raises(StopRun, match=r"state\.sqlite: file is not a database"):
        SharedState(path).add({"cost": 1})
    with pytest.raises(StopRun, match="unable to open"):
        SharedState(path.parent / "nowhere" / "state.sqlite").totals()


def test_a_failed_addition_leaves_the_file_as_it_was(path: Path) -> None:
    state = SharedState(path)
    state.add({"cost": 1})
    with sqlite3.connect(path) as other:
        other.execute(
            "CREATE TRIGGER full BEFORE UPDATE ON totals BEGIN SELECT RAISE(FAIL, 'x'); END"
        )
    other.close()
    with pytest.raises(StopRun):
        state.add({"tokens": 1, "cost": 1})
    assert state.totals() == {"cost": 1}
