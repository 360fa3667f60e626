"""The hooks of an evaluation in a worker of pytest-xdist."""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import pytest

from pytest_modeleval.items import JudgedItem, SampleItem
from pytest_modeleval.plain_text import encodable
from pytest_modeleval.results.packages import imported_packages
from pytest_modeleval.run import Run
from pytest_modeleval.runtest_protocol import report_condemned
from pytest_modeleval.stash import RUN
from pytest_modeleval.wire import Farewell, packed
from pytest_modeleval.worker_queue import WorkerQueue, interactor_of

TELL_EVERY = 1.0
"""Seconds from one word about how this worker is doing to the next."""


class Worker:
    """Registered behind the session's own hooks, so that it comes before them."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.run = config.stash[RUN]
        self.queue: WorkerQueue | None = None
        self.ended: str | None = None

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Before xdist's own, which sends the ids of what is left."""
        session.items[:] = [each for each in session.items if not isinstance(each, JudgedItem)]
        if "modeleval_journal" in self.config.workerinput:  # type: ignore[attr-defined]
            stages = engine_stages(self.run, session.items)
            interactor_of(self.config).sendevent("unscheduled", indices={"stages": stages})

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Innermost: the queue is closed before the models are."""
        self.queue = WorkerQueue(self.run, session)
        over = threading.Event()
        if "modeleval_journal" in self.config.workerinput:  # type: ignore[attr-defined]
            threading.Thread(target=self._tell_status, args=(over,), daemon=True).start()
        try:
            return (yield)
        finally:
            over.set()
            self.queue.close()

    def _tell_status(self, over: threading.Event) -> None:
        """To the controller, for the user to see; also while no sample is reported."""
        interactor = interactor_of(self.config)
        while not over.wait(TELL_EVERY):
            if self.run.lookahead is not None:
                with suppress(OSError):  # the controller is gone
                    interactor.sendevent(
                        "unscheduled", indices={"status": asdict(self.run.status())}
                    )

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> bool | None:
        if self.queue is not None and (why := self.queue.begin()):
            return report_condemned(self.run, item, nextitem, why)
        return None

    @pytest.hookimpl(wrapper=True)
    def pytest_report_to_serializable(self, report: Any) -> Generator[None, Any, Any]:
        sample = getattr(report, "modeleval", None)
        data = yield
        if data is not None and (report.sections or report.longrepr is not None):
            data = encodable(data)
        if sample is not None and data is not None:
            data["modeleval"] = packed(sample)
        return data

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        if isinstance(excinfo.value, pytest.exit.Exception):
            self.ended = excinfo.value.msg

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        knows = self.run.lookahead is not None  # what the models refuse, too
        plans = [group.plan for group in self.run.groups if knows and group.selected]
        self.config.workeroutput["modeleval"] = packed(  # type: ignore[attr-defined]
            Farewell(
                [*plans, *self.run.missing],
                self.run.models.known(),
                self.ended,
                self.run.notices,
                imported_packages(),
                self.run.models.restarts,
            )
        )


def engine_stages(run: Run, items: Sequence[pytest.Item]) -> list[tuple[int, int]]:
    """Where one in-process engine takes over from another: the index of the item, and which engine
    it is, counted from 0 in the order of the items."""
    engines: dict[str, int] = {}
    stages: list[tuple[int, int]] = []
    stage = 0
    for index, item in enumerate(items):
        if isinstance(item, SampleItem) and run.models.is_in_process(item.group.model):
            own = engines.setdefault(item.group.model, len(engines))
            if own != stage:
                stage = own
                stages.append((index, stage))
    return stages
