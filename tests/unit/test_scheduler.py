"""The scheduler, held against workers that are simulated: any order of events, and deaths."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_modeleval.journal import Journal, begun
from pytest_modeleval.sharding import ShardScheduling

CONFIG: Any = SimpleNamespace(
    getvalue=lambda name: ["2*popen"],
    pluginmanager=SimpleNamespace(getplugin=lambda name: SimpleNamespace(shouldstop=False)),
)


class Worker:
    """A worker with a window of 3; `queue` is what has not been reported, started ones first."""

    def __init__(self, name: str, folder: Path) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.workerinput = {"modeleval_journal": str(folder / name)}
        self.journal = Journal(folder / name, 100)
        self.shutting_down = False
        self.queue: list[int] = []
        self.started = 0
        self.deals = 0
        self.told = -1
        self.alone: set[int] = set()
        self.condemned: dict[int, str] = {}
        self.asked: list[int] = []

    def sendcommand(self, name: str, **told: Any) -> None:
        if "thieves" in told:
            self.asked.append(told["thieves"])
            return
        self.deals += 1
        self.queue += told["indices"]
        self.alone |= set(told["alone"])
        self.condemned |= told["condemned"]

    @property
    def room(self) -> bool:
        """Whether the next may start: what is alone waits for all before it, and all for it."""
        if self.started >= min(3, len(self.queue)):
            return False
        running = self.queue[: self.started]
        return not running or not self.alone.intersection([*running, self.queue[self.started]])

    def start(self) -> int:
        index = self.queue[self.started]
        self.started += 1
        if index not in self.condemned:
            self.journal.start(index)
        return index

    def word(self, given: list[int], *, answer: bool) -> dict[str, Any]:
        left = len(self.queue) - self.started
        return {"answer": answer, "deals": self.deals, "left": left, "given": given}


class Simulation:
    def __init__(self, folder: Path, seed: int, deadly: set[int]) -> None:
        self.random = random.Random(seed)
        self.folder = folder
        self.deadly = deadly
        self.names = iter(f"gw{number}" for number in range(1000))
        self.scheduler = ShardScheduling(CONFIG)
        self.workers: list[Worker] = []
        self.reported: Counter[int] = Counter()
        self.began: Counter[int] = Counter()
        self.errors: dict[int, str] = {}
        for _ in range(2):
            self.add()
        self.scheduler.schedule()

    def add(self) -> None:
        worker = Worker(next(self.names), self.folder)
        self.workers.append(worker)
        self.scheduler.add_node(worker)
        self.scheduler.add_node_collection(worker, [f"id{number}" for number in range(100)])

    def step(self) -> None:
        possible: list[tuple[Callable[[Worker], None], Worker]] = []
        for worker in self.workers:
            if worker.room:
                possible.append((self.start, worker))
            if worker.started:
                possible.append((self.report, worker))
            if worker.asked:
                possible.append((self.answer, worker))
            if worker.started == len(worker.queue) and worker.told != worker.deals:
                possible.append((self.tell, worker))
        action, worker = self.random.choice(possible)
        action(worker)

    def start(self, worker: Worker) -> None:
        index = worker.start()
        self.began[index] += index not in worker.condemned
        if index in self.deadly and index not in worker.condemned:
            self.die(worker)

    def die(self, worker: Worker) -> None:
        self.workers.remove(worker)
        assert self.scheduler.remove_node(worker) is None
        self.add()
        self.scheduler.schedule()

    def report(self, worker: Worker) -> None:
        index = worker.queue.pop(0)
        worker.started -= 1
        worker.journal.end(index)
        self.reported[index] += 1
        if index in worker.condemned:
            self.errors[index] = worker.condemned[index]
        self.scheduler.mark_reported(worker, index)
        if self.random.random() < 0.02:
            self.die(worker)  # after its result is in, and before xdist is told that it is done
        else:
            self.scheduler.mark_test_complete(worker, index)

    def answer(self, worker: Worker) -> None:
        thieves = worker.asked.pop()
        unstarted = len(worker.queue) - worker.started
        count = -(-unstarted * thieves // (thieves + 1))
        given = worker.queue[len(worker.queue) - count :]
        del worker.queue[len(worker.queue) - count :]
        self.scheduler.remove_pending_tests_from_node(worker, worker.word(given, answer=True))

    def tell(self, worker: Worker) -> None:
        worker.told = worker.deals
        self.scheduler.remove_pending_tests_from_node(worker, worker.word([], answer=False))

    def run(self) -> None:
        for _ in range(100_000):
            if self.scheduler.tests_finished:
                break
            self.step()
        assert self.scheduler.tests_finished, "the run hangs"
        for worker in list(self.workers):
            while worker in self.workers and worker.queue:
                if worker.started:
                    self.report(worker)
                else:
                    self.start(worker)


@pytest.mark.parametrize("seed", range(40))
def test_everything_is_reported_once(tmp_path: Path, seed: int) -> None:
    deadly = {random.Random(seed).randrange(100), 50} if seed % 2 else set()
    simulation = Simulation(tmp_path, seed, deadly)
    while simulation.scheduler.has_pending:
        simulation.run()
    assert simulation.reported == Counter(range(100))
    for index in deadly:
        assert f"id{index} has ended its worker process twice" in simulation.errors[index]
        assert simulation.began[index] == 2


def test_a_shard_at_once_and_a_share_of_it_for_who_has_started_all(tmp_path: Path) -> None:
    simulation = Simulation(tmp_path, 0, set())
    first, second = simulation.workers
    assert (first.queue, second.queue) == (list(range(50)), list(range(50, 100)))
    second.started = 50
    simulation.tell(second)
    assert first.asked == [1]


def test_a_worker_that_is_dead_before_xdist_knows(tmp_path: Path) -> None:
    simulation = Simulation(tmp_path, 0, set())
    first, second = simulation.workers

    def broken(name: str, **told: object) -> None:
        raise OSError("cannot send (already closed?)")

    first.sendcommand = broken  # type: ignore[method-assign]
    second.started = 50
    simulation.tell(second)
    simulation.die(first)
    assert second.queue[50:] + simulation.workers[1].queue == list(range(50))


def test_words_that_crossed_a_deal_do_not_count(tmp_path: Path) -> None:
    simulation = Simulation(tmp_path, 0, set())
    word = {"answer": False, "deals": 0, "left": 0, "given": []}
    for worker in simulation.workers:
        simulation.scheduler.remove_pending_tests_from_node(worker, word)
    assert not any(worker.asked for worker in simulation.workers), "nobody is hungry"
    assert not simulation.scheduler.tests_finished


def test_other_samples_on_another_worker(tmp_path: Path) -> None:
    scheduler = ShardScheduling(CONFIG)
    one, two = Worker("gw0", tmp_path), Worker("gw1", tmp_path)
    for worker in (one, two):
        scheduler.add_node(worker)
    scheduler.add_node_collection(one, ["t.py::test_a[1]", "t.py::test_b[1]"])
    with pytest.raises(pytest.UsageError, match=r"number 2 .* samples of t.py::test_b the same"):
        scheduler.add_node_collection(two, ["t.py::test_a[1]", "t.py::test_b[2]"])


class TestJournal:
    def test_what_had_begun(self, tmp_path: Path) -> None:
        journal = Journal(tmp_path / "gw0", 5)
        journal.start(1)
        journal.start(3)
        journal.end(1)
        assert begun(tmp_path / "gw0") == [3]
        assert journal.is_blank(0)
        assert not journal.is_blank(1)

    def test_a_worker_that_never_wrote(self, tmp_path: Path) -> None:
        assert begun(tmp_path / "gw0") == []
