"""The hooks of an evaluation in the controller of pytest-xdist, which runs nothing itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_modeleval.datasets.shared import FOLDER as TABLES
from pytest_modeleval.errors import ModelevalError
from pytest_modeleval.gpus import VISIBLE, check_enough, gpu_groups
from pytest_modeleval.journal import WorkerNotes
from pytest_modeleval.models.status import Status, combined
from pytest_modeleval.plain_text import shown
from pytest_modeleval.resuming import Choice, Survey
from pytest_modeleval.run import Run
from pytest_modeleval.scoreboard import Scoreboard
from pytest_modeleval.sharding import ShardScheduling, send
from pytest_modeleval.stash import DIST_CHOSEN
from pytest_modeleval.tally import SampleReport
from pytest_modeleval.wire import farewell, sample_report


class Controller:
    """Starts the workers, each with GPUs of its own, deals to them and hears what they report."""

    def __init__(
        self, config: pytest.Config, run: Run, scoreboard: Scoreboard, choice: Choice
    ) -> None:
        self.config = config
        self.run = run
        self.scoreboard = scoreboard
        self.scheduler: ShardScheduling | None = None
        self.choice = choice
        self.notes = WorkerNotes()
        self.shards = not config.stash[DIST_CHOSEN]
        self.nodes: list[Any] = []
        self.halted: dict[str, object] = {}
        self.decided: list[tuple[str, str]] = []
        self.statuses: dict[str, Status] = {}
        self.reported: Counter[str] = Counter()

    # ---------------------------------------------------------------- workers start

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_setupnodes(self, specs: Sequence[Any]) -> None:
        """Each worker sees its own GPUs only, from its first line of Python on. The response cache
        is there before any of them looks for it."""
        if self.config.option.dist == "each":
            raise pytest.UsageError(
                "--dist each would run and count every sample once for each worker: leave it out"
            )
        if self.run.cache is not None:
            self.run.cache.open()
            self.run.cache.close()
        try:
            groups = gpu_groups(self.run.models.specs.values())
            check_enough(len(specs), groups)
            self.choice.find()
        except ModelevalError as error:
            raise pytest.UsageError(shown(str(error))) from None
        if self.shards:
            for spec in specs:
                spec.env[TABLES] = self.notes.folder
        for spec, group in zip(specs, groups):
            spec.env[VISIBLE] = group

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_newgateway(self, gateway: Any) -> None:
        if gpus := gateway.spec.env.get(VISIBLE):
            self.scoreboard.gpus[gateway.id] = gpus

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput["modeleval_gpus"] = self.scoreboard.gpus.get(node.gateway.id)
        worker = node.gateway.id
        node.workerinput["modeleval_run"] = self.choice.for_worker(self.notes.survey(worker))
        if self.run.telemetry is not None:
            node.workerinput["modeleval_trace"] = self.run.telemetry.traceparent
        if self.shards:
            node.workerinput["modeleval_journal"] = self.notes.journal(worker)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any) -> None:
        """The first worker that has collected tells which run this is; all come to the same."""
        if self.scoreboard.files is not None:
            return
        file = Path(self.notes.survey(node.gateway.id))
        survey = Survey.from_json(file.read_text("utf-8")) if file.is_file() else Survey([])
        try:
            folder = self.choice.settle(survey)
            self.run.write_into(folder.path, folder.run_id)
            self.scoreboard.open_files(folder, self.choice.state(survey))
            self.scoreboard.expect(survey.selected, survey.kept)
            # as the worker that runs it will find
            self.scoreboard.strict = survey.selected == self.run.asked.count == 1
        except ModelevalError as error:
            raise pytest.UsageError(shown(str(error))) from None
        self.choice.tell(self.config, survey)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config) -> ShardScheduling | None:
        if self.shards:
            in_order = self.run.settings.early_stop
            self.scheduler = ShardScheduling(config, in_order=in_order, hear_status=self.hear)
        return self.scheduler

    # ---------------------------------------------------------------- workers report

    @pytest.hookimpl(wrapper=True)
    def pytest_report_from_serializable(self, data: dict[str, Any]) -> Generator[None, Any, Any]:
        text = data.get("modeleval")
        report = yield
        if isinstance(text, str):
            report.modeleval = sample_report(text)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        if self.scheduler is not None and is_final(report) and hasattr(report, "node"):
            self.scheduler.mark_reported(report.node, report.item_index)

    def take(self, report: Any, sample: SampleReport) -> None:
        """A sample has come in."""
        if sample.was_run:
            self.reported[report.node.gateway.id] += 1
        if sample.stopped is not None and not self.halted:
            self.halt(sample.stopped)

    # ---------------------------------------------------------------- how they are doing

    def hear(self, node: Any, status: dict[str, Any]) -> None:
        """A worker's word, every second."""
        self.statuses[node.gateway.id] = Status(**status)
        self.run.idle()

    def status(self) -> Status:
        """All workers together. What a dead one had not reported runs again."""
        reported = self.reported
        alive = [
            replace(status, ended=max(status.ended, reported[worker]))
            for worker, status in self.statuses.items()
        ]
        gone = sum(count for worker, count in reported.items() if worker not in self.statuses)
        return combined([Status(ended=gone), *alive])

    # ---------------------------------------------------------------- the run stops early

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodeready(self, node: Any) -> None:
        self.nodes.append(node)
        if self.halted:
            send(node, **self.halted)
        for each in self.decided:
            send(node, enough=each)

    def enough(self, benchmark: str, model: str) -> None:
        """All gates of a benchmark are decided: no worker needs to go on with it."""
        self.decided.append((benchmark, model))
        for node in list(self.nodes):
            send(node, enough=(benchmark, model))

    def halt(self, reason: str, grace: float | None = None) -> None:
        """Nothing more is to be run: the workers report what they still have as not run. From any
        thread."""
        self.halted = {"halt": reason, "grace": grace}
        for node in list(self.nodes):
            send(node, **self.halted)

    # ---------------------------------------------------------------- workers end

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self.statuses.pop(node.gateway.id, None)
        text = getattr(node, "workeroutput", {}).get("modeleval")
        if text:
            told = farewell(text)
            for plan in told.plans:
                self.scoreboard.tally(plan)
            self.scoreboard.know_models(told.identities)
            self.scoreboard.provenance.packages.update(told.packages)
            self.scoreboard.restarts += told.restarts
            for notice in told.notices:
                if notice not in self.run.notices:
                    self.run.warn(notice)
            if told.ended is not None:
                pytest.exit(told.ended, returncode=1)

    def left(self) -> Sequence[str]:
        """What no worker is left to run, each with the reason, if there is one."""
        return self.scheduler.left() if self.scheduler is not None else ()

    def pytest_unconfigure(self) -> None:
        self.notes.remove()


def is_final(report: Any) -> bool:
    """Whether the item's result is in this report, and only its teardown can follow."""
    return report.outcome != "rerun" and (report.when == "call" or not report.passed)
