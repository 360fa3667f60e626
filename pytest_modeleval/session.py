"""The hooks of a session that evaluates a model; other sessions never load them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Generator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from pytest_modeleval import collection, reporting, verdicts
from pytest_modeleval.comparisons import explained_comparisons
from pytest_modeleval.definition import definition_of
from pytest_modeleval.errors import ModelevalError
from pytest_modeleval.fixtures import on_background
from pytest_modeleval.garbage import rare_collections
from pytest_modeleval.items import GateItem, MissingItem, SampleItem
from pytest_modeleval.lookahead import InOrder
from pytest_modeleval.plain_text import encodable, shown
from pytest_modeleval.progress import Progress, status
from pytest_modeleval.results.record import Call, SampleResult
from pytest_modeleval.scoreboard import Scoreboard
from pytest_modeleval.stash import DIST_CHOSEN, RUN, SCOREBOARD, SETTINGS
from pytest_modeleval.tally import Plan, SampleReport

if TYPE_CHECKING:
    from pytest_modeleval.sharding import Journals, ShardScheduling
    from pytest_modeleval.worker_queue import WorkerQueue


class Session:
    """Registered with the first benchmark or the first --model."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.run = config.stash[RUN]
        self.is_worker = hasattr(config, "workerinput")
        self.is_controller = False
        self.scoreboard = config.stash[SCOREBOARD] = Scoreboard(
            config.stash[SETTINGS], config.rootpath
        )
        self.progress: Progress | None = None
        self.exit_status = 0
        self.refused = False
        self.ended: str | None = None
        self.again: list[str] = []
        self.queue: WorkerQueue | None = None
        self.scheduler: ShardScheduling | None = None
        self.journals: Journals | None = None

    # ---------------------------------------------------------------- collection

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        collection.complete(self.run, session)
        if self.is_worker:
            session.items[:] = [each for each in session.items if not isinstance(each, GateItem)]
        if not session.testsfailed:
            try:
                collection.check_gates_used(self.run)
            except ModelevalError as error:
                raise pytest.UsageError(shown(str(error))) from None

    # ---------------------------------------------------------------- running

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        if self.config.option.collectonly:
            return (yield)
        self.is_controller = self.config.pluginmanager.hasplugin("dsession")
        complete = False
        try:
            self._start(session)
        except BaseException:
            self.run.stop()
            raise
        try:
            if self.run.inline or not self.run.has_samples:
                result = yield
            else:
                explained = explained_comparisons(self.config)
                with rare_collections(), self.run.routing(), explained:
                    result = yield
            complete = not (session.shouldstop or session.shouldfail)
            return result
        except pytest.UsageError:
            self.refused = True  # by a worker, before any sample ran
            raise
        except pytest.exit.Exception as reason:
            self.ended = reason.msg
            raise
        finally:
            self.run.stop()
            if not self.is_worker:
                self._finish(session, complete=complete)

    def _start(self, session: pytest.Session) -> None:
        first = None if self.is_controller else self.run.prepare(session)
        if self.is_worker:  # it loads a model when it is given samples
            from pytest_modeleval.worker_queue import WorkerQueue

            self.queue = WorkerQueue(self.run, session)
        elif not self.is_controller:
            if first is not None:
                self.run.start(first, InOrder(session.items))
            self.scoreboard.strict = self.run.strict
            for group in self.run.groups:
                if group.selected:
                    self.scoreboard.tally(group.plan)
            self.scoreboard.know_models(self.run.known_models())
        for item in session.items:
            if isinstance(item, MissingItem):
                self.run.missing.append(item.plan)
                self.scoreboard.tally(item.plan)
        if not self.is_worker and (self.is_controller or list(self.scoreboard.tallies)):
            try:
                self.scoreboard.open_files()
            except ModelevalError as error:
                raise pytest.UsageError(shown(str(error))) from None
        terminal = self.config.pluginmanager.getplugin("terminalreporter")
        if terminal is not None and not self.is_worker and not self.run.inline:
            self.progress = Progress(terminal, self.scoreboard)

    def _finish(self, session: pytest.Session, *, complete: bool) -> None:
        if self.progress is not None:
            self.progress.end()
        if self.refused:
            return
        if complete and self.scheduler is not None and (left := self.scheduler.left()):
            complete = False
            verdicts.publish_left(session, left)
        if not list(self.scoreboard.tallies):
            return
        if self.is_controller and complete:
            verdicts.publish(session, self.scoreboard)
        verdicts.publish_errors(session, self.scoreboard)
        try:
            result = self.scoreboard.finish(complete=complete)
        except ModelevalError as error:
            raise pytest.UsageError(shown(str(error))) from None
        if self.scoreboard.files is not None:
            self.config.hook.pytest_modeleval_finished(
                result=result, folder=self.scoreboard.files.folder
            )

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> bool | None:
        if self.progress is not None:
            if isinstance(item, (SampleItem, GateItem)):
                self.progress.take_turn()
            else:
                self.progress.give_way()
        if self.queue is not None and (why := self.queue.begin()):
            return reporting.report_condemned(self.run, item, nextitem, why)
        if isinstance(item, SampleItem):
            return reporting.run_protocol(self.run, item, nextitem)
        return None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(
        self, fixturedef: Any, request: Any
    ) -> Generator[None, object, object]:
        if definition_of(getattr(request._pyfuncitem, "obj", None)) is None:
            return (yield)
        with on_background(self.run.background, fixturedef, request):
            return (yield)

    # ---------------------------------------------------------------- xdist's controller

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_setupnodes(self, specs: Sequence[Any]) -> None:
        """Each worker sees its own GPUs only, from its first line of Python on."""
        from pytest_modeleval.gpus import VISIBLE, check_enough, gpu_groups

        try:
            groups = gpu_groups(self.run.specs.values())
            check_enough(len(specs), groups)
        except ModelevalError as error:
            raise pytest.UsageError(shown(str(error))) from None
        for spec, group in zip(specs, groups):
            spec.env[VISIBLE] = group

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_newgateway(self, gateway: Any) -> None:
        from pytest_modeleval.gpus import VISIBLE

        if gpus := gateway.spec.env.get(VISIBLE):
            self.scoreboard.gpus[gateway.id] = gpus

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Before a worker starts."""
        if not self.config.stash[DIST_CHOSEN]:
            from pytest_modeleval.sharding import Journals

            self.journals = self.journals or Journals()
            node.workerinput["modeleval_journal"] = self.journals.path(node.gateway.id)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config) -> ShardScheduling | None:
        if self.config.stash[DIST_CHOSEN]:
            return None
        from pytest_modeleval.sharding import ShardScheduling

        self.scheduler = ShardScheduling(config)
        return self.scheduler

    # ---------------------------------------------------------------- reports

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Innermost, so that other plugins see a wrong sample as the run reports it."""
        report = yield
        if isinstance(item, SampleItem):
            if call.when == "call":
                reporting.complete_report(self.run, item, report, item.body)
                if report.passed:
                    call.excinfo = None  # a wrong answer is no failure that --pdb stops for
            elif call.when == "setup" and not report.passed:
                reporting.complete_unrun(item, report, call)
        elif isinstance(item, GateItem) and call.when == "call":
            tally = self.scoreboard.tally(item.group.plan)
            report.modeleval_gate = tally.records.get(item.gate.name)  # type: ignore[attr-defined]
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        sample = getattr(report, "modeleval", None)
        if self.scheduler is not None and is_final(report) and hasattr(report, "node"):
            self.scheduler.mark_reported(report.node, report.item_index)
        if sample is not None and not self.is_worker:
            if report.outcome == "rerun":  # by pytest-rerunfailures: only the last try counts
                sample.results = []
            elif report.modeleval_outcome in ("wrong", "error"):
                self.again.append(report.nodeid)
            report.modeleval = None  # reports are kept to the end, and the rows are written now
            try:
                self.scoreboard.take(report, sample)
            except ModelevalError as error:
                pytest.exit(str(error), returncode=1)
            if self.progress is not None:
                self.progress.update()

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(
        self, report: Any, config: pytest.Config
    ) -> tuple[str, str, Any] | None:
        return status(report, letters=self.progress is None or self.progress.letters)

    @pytest.hookimpl(wrapper=True)
    def pytest_report_to_serializable(self, report: Any) -> Generator[None, Any, Any]:
        """xdist takes plain values only, and no lone surrogates: JSON's escapes carry both."""
        sample = getattr(report, "modeleval", None)
        data = yield
        if data is not None and (report.sections or report.longrepr is not None):
            data = encodable(data)
        if sample is not None and data is not None:
            data["modeleval"] = json.dumps(asdict(sample), default=str)
        return data

    @pytest.hookimpl(wrapper=True)
    def pytest_report_from_serializable(self, data: dict[str, Any]) -> Generator[None, Any, Any]:
        text = data.get("modeleval")
        report = yield
        if isinstance(text, str):
            report.modeleval = _sample_report(json.loads(text))
        return report

    # ---------------------------------------------------------------- the end

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        self.exit_status = exitstatus
        failed = getattr(self.config.pluginmanager.getplugin("lfplugin"), "lastfailed", None)
        if failed is not None:  # --lf shall run wrong samples again, though they did not fail
            failed.update(dict.fromkeys(self.again, True))
        if self.is_worker:
            knows = self.run.lookahead is not None  # what the models refuse, too
            self.config.workeroutput["modeleval"] = json.dumps(  # type: ignore[attr-defined]
                {
                    "plans": [
                        *(asdict(each.plan) for each in self.run.groups if knows and each.selected),
                        *(asdict(plan) for plan in self.run.missing),
                    ],
                    "identities": self.run.known_models(),
                    "ended": self.ended,
                },
                default=str,
            )

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        text = getattr(node, "workeroutput", {}).get("modeleval")
        if text:
            told = json.loads(text)
            for plan in told["plans"]:
                self.scoreboard.tally(_plan(plan))
            self.scoreboard.know_models(told["identities"])
            if told["ended"] is not None:
                pytest.exit(told["ended"], returncode=1)

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        """Bodies that never end would keep the process from ending as well."""
        if self.journals is not None:
            self.journals.remove()
        if stuck := self.run.stuck():
            print(f"ended while still running: {', '.join(stuck)}", file=sys.stderr)
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(int(self.exit_status))

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        from pytest_modeleval.terminal import show_results

        if self.scoreboard.result is not None:
            show_results(terminalreporter, self.scoreboard)


def is_final(report: Any) -> bool:
    """Whether the item's result is in this report, and only its teardown can follow."""
    return report.outcome != "rerun" and (report.when == "call" or not report.passed)


def _sample_report(values: dict[str, Any]) -> SampleReport:
    plan = values["plan"]
    return SampleReport(
        values["row"],
        [
            SampleResult(**{**result, "calls": [Call(**call) for call in result["calls"]]})
            for result in values["results"]
        ],
        values["started"],
        _plan(plan) if plan else None,
    )


def _plan(values: dict[str, Any]) -> Plan:
    return Plan(**{**values, "location": tuple(values["location"])})
