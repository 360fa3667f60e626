"""The controller's side of `pytest -n`: who runs what.

Every worker gets a contiguous shard at once, so that its lookahead sees a full window. A worker
that has started everything it was given says so; the one with the most left then gives back a part
of what it has not started. Nothing that has started is ever moved, so no body runs twice, except
where its worker dies: what such a worker had begun runs again, each alone, and what kills a worker
that ran nothing else is not tried a third time.

Where several models are engines of the workers' own processes, items are dealt stage by stage, a
stage for each engine: one of the next is dealt when all of this one have started, so that a worker
loads an engine once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
from xdist.workermanage import WorkerController, parse_tx_spec_config

from pytest_modeleval.journal import begun
from pytest_modeleval.outbox import unpacked
from pytest_modeleval.worker_queue import COMMAND


@dataclass(slots=True)
class Shard:
    """What one worker has been given and has not reported. `spent` says that all of it has
    started; `reported` are those whose result has come, while the worker still takes them down.
    `stage` counts the engines: which one it has come to."""

    pending: dict[int, None] = field(default_factory=dict)
    reported: set[int] = field(default_factory=set)
    deals: int = 0
    collected: bool = False
    spent: bool = True
    stage: int = 0


class ShardScheduling:
    """A scheduler for xdist's `DSession`; the methods are those of its `Scheduling` protocol."""

    def __init__(
        self,
        config: pytest.Config,
        *,
        in_order: bool = False,
        hear_status: Callable[[WorkerController, Any], None] = lambda node, status: None,
    ) -> None:
        """`in_order`: the workers go through the items together, none through a part of its own.
        `hear_status` is told how workers are doing: a `Status`, as a dict."""
        self._config = config
        self._in_order = in_order
        self._hear_status = hear_status
        self._expected = len(parse_tx_spec_config(config))
        self._collections = 0
        self._shards: dict[WorkerController, Shard] = {}
        self._collection: list[str] | None = None
        self._collector = ""
        self._waiting: list[int] = []
        self._asked: WorkerController | None = None
        self._alone: set[int] = set()
        self._condemned: dict[int, str] = {}
        self._stages: list[tuple[int, int]] = []
        self._coming = 0
        self._dealt = False
        self._stopped = False

    # ---------------------------------------------------------------- what xdist asks

    @property
    def nodes(self) -> list[WorkerController]:
        return list(self._shards)

    @property
    def collection_is_completed(self) -> bool:
        return self._collections >= self._expected

    @property
    def has_pending(self) -> bool:
        return bool(self._waiting) or any(shard.pending for shard in self._shards.values())

    def left(self) -> list[str]:
        """The ids of what no worker is left to run, each with the reason, if there is one."""
        left = [
            *self._waiting,
            *(index for shard in self._shards.values() for index in shard.pending),
        ]
        return [self._condemned.get(index, (self._collection or ())[index]) for index in left]

    @property
    def tests_finished(self) -> bool:
        """Whether every item has at least started: the workers may then run to their ends."""
        return (
            self.collection_is_completed
            and not self._waiting
            and self._asked is None
            and all(shard.spent for shard in self._shards.values())
        )

    # ---------------------------------------------------------------- workers come

    def add_node(self, node: WorkerController) -> None:
        self._shards[node] = Shard()

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        """Raises pytest.UsageError where it differs from what the others have."""
        if self._collection is None:
            self._collection = list(collection)
            self._collector = node.gateway.id
        elif collection != self._collection:
            raise pytest.UsageError(
                _difference(self._collector, self._collection, node.gateway.id, collection)
            )
        self._collections += 1
        self._coming = max(self._coming - 1, 0)
        self._shards[node].collected = True

    def schedule(self) -> None:
        if not self._dealt and self._collection is not None:
            self._dealt = True
            self._waiting = list(range(len(self._collection)))
        self._balance()

    # ---------------------------------------------------------------- work goes on

    def mark_test_complete(
        self, node: WorkerController, item_index: int, duration: float = 0
    ) -> None:
        shard = self._shards[node]
        del shard.pending[item_index]
        shard.reported.discard(item_index)
        if not self._stopped and self._config.pluginmanager.getplugin("dsession").shouldstop:
            self._stop()

    def mark_reported(self, node: WorkerController, item_index: int) -> None:
        """The item's result is in: should the worker die now, it is not run again."""
        if node in self._shards:
            self._shards[node].reported.add(item_index)

    def mark_test_pending(self, item: str) -> None:
        """For plugins that want a crashed item run again."""
        assert self._collection is not None
        self._waiting.append(self._collection.index(item))
        self._balance()

    def remove_pending_tests_from_node(self, node: WorkerController, indices: Any) -> None:
        """A worker's word: which engines its items need, before it is given any; what its tests
        came to; how it is doing; what it gives back, and whether it has anything left to give."""
        if "stages" in indices:
            self._stages = indices["stages"]
            return
        if "status" in indices:
            self._hear_status(node, indices["status"])
            return
        if "events" in indices:
            self._hear(node, indices["events"])
            return
        if indices["answer"] and self._asked is node:
            self._asked = None
        shard = self._shards.get(node)
        if shard is None:
            return
        shard.spent = shard.deals == indices["deals"] and not indices["left"]
        for index in indices["given"]:
            del shard.pending[index]
        if not self._stopped:
            self._waiting.extend(indices["given"])
            self._balance()

    def _hear(self, node: WorkerController, events: list[bytes]) -> None:
        """As xdist does with an event of each test."""
        session = self._config.pluginmanager.getplugin("dsession")
        for name, event in unpacked(events):
            if name == "testreport":
                report = self._config.hook.pytest_report_from_serializable(
                    config=self._config, data=event["data"]
                )
                session.worker_testreport(node, report)
            else:
                getattr(session, f"worker_{name}")(node, **event)

    def _balance(self) -> None:
        """Deal what waits; ask who has most for a share, where others have nothing to do."""
        waiting: dict[int, list[int]] = {}
        for index in self._waiting:
            waiting.setdefault(self._stage_of(index), []).append(index)
        self._waiting = []
        dealt = False
        for stage, indices in sorted(waiting.items()):
            if takers := self._takers(stage):
                self._deal(stage, indices, self._hungry(takers) or takers)
                dealt = True
            else:
                self._waiting += indices
        if not dealt and self._asked is None:
            self._ask()

    def _ask(self) -> None:
        full = [node for node in self._up() if not self._shards[node].spent]
        by_stage = sorted(full, key=lambda node: self._shards[node].stage)
        for stage, nodes in groupby(by_stage, key=lambda node: self._shards[node].stage):
            if thieves := len(self._hungry(self._takers(stage))):
                self._asked = max(nodes, key=lambda node: len(self._shards[node].pending))
                send(self._asked, thieves=thieves)
                return

    def _up(self) -> list[WorkerController]:
        return [
            node
            for node, shard in self._shards.items()
            if shard.collected and not node.shutting_down
        ]

    def _hungry(self, nodes: Sequence[WorkerController]) -> list[WorkerController]:
        return [node for node in nodes if self._shards[node].spent]

    def _stage_of(self, index: int) -> int:
        place = bisect_right(self._stages, index, key=itemgetter(0))
        return self._stages[place - 1][1] if place else 0

    def _takers(self, stage: int) -> list[WorkerController]:
        """Who may be given items of a stage: workers that are there already, and those before it
        once all that is before it has started. Nobody goes back, for that would load an engine a
        second time, unless nobody else is left or to come."""
        up = self._up()
        there = [node for node in up if self._shards[node].stage == stage]
        before = [node for node in up if self._shards[node].stage < stage]
        if len(self._hungry(before)) == len(before):
            there += before
        return there if there or before or self._coming else up

    def _deal(self, stage: int, waiting: list[int], nodes: Sequence[WorkerController]) -> None:
        # What must run alone holds up what is behind it, so it is spread out, and comes last.
        rest = [index for index in waiting if index not in self._alone]
        alone = [index for index in waiting if index in self._alone]
        count = len(nodes)
        for place, node in enumerate(nodes):
            if self._in_order:
                share = rest[place::count]
            else:
                share = rest[len(rest) * place // count : len(rest) * (place + 1) // count]
            share += alone[place::count]
            if not share:
                continue
            shard = self._shards[node]
            shard.pending.update(dict.fromkeys(share))
            shard.deals += 1
            shard.spent = False
            shard.stage = max(shard.stage, stage)
            send(
                node,
                indices=share,
                alone=[index for index in share if index in self._alone],
                condemned={
                    index: self._condemned[index] for index in share if index in self._condemned
                },
            )

    def _stop(self) -> None:
        """xdist ends the run early (-x, --maxfail): nothing more is to start."""
        self._stopped = True
        for node in self._shards:
            send(node, thieves=0)

    # ---------------------------------------------------------------- workers go

    def remove_node(self, node: WorkerController) -> str | None:
        """A worker has ended or died. What it had not reported is dealt again; nobody is named
        here, since what is to blame is reported as any other item, by the worker that gets it."""
        shard = self._shards.pop(node)
        if self._asked is node:
            self._asked = None
        self._coming += not hasattr(node, "workeroutput")  # it has died, and is replaced
        left = [index for index in shard.pending if index not in shard.reported]
        if left:
            self._suspect(node, set(left))
            self._waiting.extend(left)
        self._balance()
        return None

    def _suspect(self, node: WorkerController, left: set[int]) -> None:
        assert self._collection is not None
        for index in begun(Path(node.workerinput["modeleval_journal"])):
            if index not in left:
                continue
            if index in self._alone:
                name = self._collection[index]
                self._condemned[index] = (
                    f"{name} has ended its worker process twice, the second time "
                    f"({node.gateway.id}) while nothing else ran: it is not tried again"
                )
                self._alone.discard(index)
            else:
                self._alone.add(index)


def send(node: WorkerController, **command: object) -> None:
    """Give a worker's queue (worker_queue.py) a command. A worker that is dead already cannot be
    told; xdist is about to say so, by `remove_node`."""
    with suppress(OSError):
        node.sendcommand(COMMAND, **command)


def _difference(first: str, own: Sequence[str], second: str, other: Sequence[str]) -> str:
    """Which benchmark's samples are not the same in both workers."""
    place = next(
        (place for place, (one, two) in enumerate(zip(own, other)) if one != two),
        min(len(own), len(other)),
    )
    ids = [found[place] if place < len(found) else "nothing" for found in (own, other)]
    name = next((text.partition("[")[0] for text in ids if text != "nothing"), "")
    return (
        f"workers {first} and {second} collected different tests: number {place + 1} is {ids[0]} "
        f"in {first} and {ids[1]} in {second}. Make the samples of {name} the same in every "
        "process, in the same order: no random draws, no sets, no file that changes meanwhile"
    )
