"""What an xdist worker still has to run, in a form that lookahead can see and the tail be balanced.

xdist's own queue gives out one item after the other. This one takes its place: bodies further back
start ahead of their turn, and what has not started can be given back for another worker to run.
"""

from __future__ import annotations

import _thread
import signal
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from pytest_modeleval.group import SampleGroup
from pytest_modeleval.items import SampleItem, is_kept
from pytest_modeleval.journal import Journal
from pytest_modeleval.outbox import Outbox
from pytest_modeleval.run import Run

COMMAND = "modeleval"
"""The name of our scheduler's commands on xdist's channel."""


class WorkerQueue:
    """The queue of xdist's `WorkerInteractor`, and the `Upcoming` of this worker's lookahead.

    `get` belongs to the main thread, `put` and the commands to the thread that receives. What was
    given out to lookahead is always the front of the queue, and what of it has started the front
    of that: so only the end of the queue is ever given back.
    """

    def __init__(self, run: Run, session: pytest.Session) -> None:
        given: dict[str, Any] = session.config.workerinput  # type: ignore[attr-defined]
        self._run = run
        self._items = session.items
        path = given.get("modeleval_journal")
        self._balanced = path is not None
        self._journal: Journal | None = None
        if path is not None and Path(path).parent.is_dir():  # not on another machine
            self._journal = Journal(Path(path), len(session.items))
        self._queue: deque[Any] = deque()
        self._arrival = threading.Condition()
        self._given_out: dict[int, int] = {}
        self._looked = 0
        self._unseen: int | None = None
        self._deals = 0
        self._told = -1
        self._before: SampleGroup | None = None
        self._alone: set[int] = set()
        self._condemned: dict[int, str] = {}
        self._interactor = interactor_of(session.config)
        self._xdist_command: Callable[[Any], None] = self._interactor.handle_command
        self._interactor.torun = self
        self._interactor.handle_command = self._command
        self._interactor.steal = self._steal
        if self._balanced:
            self._interactor.sendevent = Outbox(self._interactor.sendevent).send
        signal.signal(signal.SIGINT, _interrupt_once)

    def close(self) -> None:
        """The main thread has left the loop: nothing is to keep it from ending in good order."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    # ---------------------------------------------------------------- xdist's queue

    def get(self) -> Any:
        """The index of the item after the one that runs next, or xdist's sign of the end. The
        models are loaded with the first sample."""
        with self._arrival:
            while not self._queue:
                self._tell_dry()
                self._arrival.wait()
            index = self._queue.popleft()
            seen = self._looked > 0
            self._looked -= seen
            self._unseen = None if seen or not isinstance(index, int) else index
        if self._run.lookahead is None and isinstance(index, int) and index not in self._condemned:
            item = self._items[index]
            if isinstance(item, SampleItem) and not (is_kept(item) or self._run.halted):
                self._run.start(item, self)
        return index

    def put(self, index: Any) -> None:
        with self._arrival:
            self._queue.append(index)
            self._arrival.notify()

    # ---------------------------------------------------------------- the item that runs now

    def begin(self) -> str | None:
        """xdist has come to its next item. Says why it must not be run, if so."""
        index: int = self._interactor.item_index
        if self._journal is not None and self._journal.is_blank(index):
            self._journal.start(index)
        return self._condemned.get(index)

    # ---------------------------------------------------------------- Upcoming

    def reached(self, item: SampleItem) -> None:
        self._given_out[id(item)] = self._interactor.item_index

    def next(self, most: int) -> Sequence[SampleItem]:
        found: list[SampleItem] = []
        if self._interactor.item_index in self._alone:
            return found
        with self._arrival:
            self._before = self._group_of(self._last_seen())
            if self._unseen is not None:
                if not self._give_out(self._unseen, found):
                    return found
                self._unseen = None
            if self._looked < len(self._queue):
                for index in islice(self._queue, self._looked, None):
                    if len(found) >= most or not self._give_out(index, found):
                        break
                    self._looked += 1
        return found

    def _give_out(self, index: Any, found: list[SampleItem]) -> bool:
        """Whether lookahead may go past this entry of the queue."""
        if not isinstance(index, int):
            return True
        if index in self._alone or index in self._condemned:
            return False
        item = self._items[index]
        group = self._group_of(index)
        if isinstance(item, SampleItem) and not is_kept(item):
            # What another worker gave back may lie behind the samples of a later group: by then
            # this one has been taken down.
            if not item.group.ready(stays=group is self._before):
                return False
            self._given_out[id(item)] = index
            found.append(item)
        self._before = group
        return True

    def _last_seen(self) -> Any:
        """The index before the first that lookahead has not been given."""
        if self._unseen is None and self._looked:
            return self._queue[self._looked - 1]
        following = self._interactor.nextitem_index
        seen = self._unseen is None and isinstance(following, int)
        return following if seen else self._interactor.item_index

    def _group_of(self, index: Any) -> SampleGroup | None:
        item = self._items[index] if isinstance(index, int) else None
        return item.group if isinstance(item, SampleItem) else None

    def started(self, item: SampleItem) -> None:
        if self._journal is not None:
            self._journal.start(self._given_out[id(item)])

    def ended(self, item: SampleItem) -> None:
        index = self._given_out.pop(id(item))
        if self._journal is not None:
            self._journal.end(index)

    def drained(self) -> None:
        if self._balanced and self._told != self._deals:
            with self._arrival:
                if next(self._unstarted(), None) is None:
                    self._tell_dry()

    # ---------------------------------------------------------------- giving back

    def _command(self, command: Any) -> None:
        """In the thread that receives: a command of xdist's, or of our own scheduler. What is no
        tuple says that the channel is closed: the controller was interrupted, or is dead."""
        if not isinstance(command, tuple):
            self._xdist_command(command)
            _interrupt()
        elif command[0] != COMMAND:
            self._xdist_command(command)
        elif "enough" in command[1]:
            self._run.enough(*command[1]["enough"])
        elif "halt" in command[1]:
            self._run.halt(command[1]["halt"], command[1]["grace"])
        elif "thieves" in command[1]:
            self._share(command[1]["thieves"])
        else:
            self._take(**command[1])
        if self._run.lookahead is not None:
            self._run.lookahead.grown()

    def _take(
        self, indices: Sequence[int], alone: Sequence[int], condemned: dict[int, str]
    ) -> None:
        with self._arrival:
            self._deals += 1
            self._alone.update(alone)
            self._condemned.update(condemned)
            self._queue.extend(indices)
            self._arrival.notify()

    def _share(self, thieves: int) -> None:
        """Give each of so many others as much of what has not started as is kept; 0 takes all."""
        with self._arrival:
            unstarted = sum(1 for _ in self._unstarted())
            most = unstarted if not thieves else -(-unstarted * thieves // (thieves + 1))
            self._tell(answer=True, given=self._withdraw(most))

    def _steal(self, wanted: Sequence[int]) -> None:
        """xdist's own command, of the scheduler that `--dist worksteal` chooses."""
        with self._arrival:
            given = self._withdraw(len(wanted), set(wanted))
        self._interactor.sendevent("unscheduled", indices=given)

    def _unstarted(self) -> Iterator[int]:
        """What could be given back, from the end of the queue."""
        waiting = self._run.lookahead.waiting if self._run.lookahead else 0
        for index in reversed(self._queue):
            if not isinstance(index, int):
                continue
            item = self._items[index]
            if isinstance(item, SampleItem) and self._is_given_out(item):
                if not waiting:
                    break
                waiting -= 1
            yield index

    def _is_given_out(self, item: SampleItem) -> bool:
        return item.body is not None or id(item) in self._given_out

    def _withdraw(self, most: int, wanted: Collection[int] | None = None) -> list[int]:
        """Take up to so many from the end, as far as they have not started."""
        given: list[int] = []
        kept: list[Any] = []
        while self._queue and len(given) < most:
            index = self._queue[-1]
            if isinstance(index, int):
                if wanted is not None and index not in wanted:
                    break
                if not self._take_back(index):
                    break
                given.append(index)
            else:
                kept.append(index)
            self._queue.pop()
        self._queue.extend(reversed(kept))
        self._looked = min(self._looked, len(self._queue))
        return given[::-1]

    def _take_back(self, index: int) -> bool:
        item = self._items[index]
        if not isinstance(item, SampleItem) or not self._is_given_out(item):
            return True
        lookahead = self._run.lookahead
        if lookahead is None or not lookahead.withdraw(item):
            return False
        del self._given_out[id(item)]
        return True

    def _tell_dry(self) -> None:
        """Once after each deal: nothing is left here that has not started."""
        if self._balanced and self._told != self._deals:
            self._told = self._deals
            self._tell(answer=False, given=[])

    def _tell(self, *, answer: bool, given: Sequence[int]) -> None:
        left = next(self._unstarted(), None) is not None
        word = {"answer": answer, "deals": self._deals, "left": left}
        self._interactor.sendevent("unscheduled", indices={**word, "given": given})


def _interrupt_once(signum: int, frame: object) -> None:
    """A Ctrl-C in a terminal comes twice: to this process, and as the end of the channel. And
    execnet sends another to whom does not end within five seconds: closing an engine takes long."""
    signal.signal(signum, signal.SIG_IGN)
    raise KeyboardInterrupt


def _interrupt() -> None:
    """The main thread, whatever it waits for."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:  # on Windows
        _thread.interrupt_main()


def interactor_of(config: pytest.Config) -> Any:
    """xdist's own plugin in this worker."""
    return next(
        plugin
        for plugin in config.pluginmanager.get_plugins()
        if type(plugin).__name__ == "WorkerInteractor"
    )
