"""The hooks of a session that evaluates a model; other sessions never load them."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import pytest

from pytest_modeleval import collection, reporting, runtest_protocol, verdicts
from pytest_modeleval.categories import category
from pytest_modeleval.comparisons import explained_comparisons
from pytest_modeleval.definition import definition_of
from pytest_modeleval.errors import ModelevalError
from pytest_modeleval.fixtures import on_background
from pytest_modeleval.garbage import collect_seldom, keep_aside
from pytest_modeleval.hardware import HardwareMonitor
from pytest_modeleval.interrupts import Interrupts
from pytest_modeleval.items import JudgedItem, MissingItem, SampleItem, is_kept
from pytest_modeleval.lookahead import InOrder
from pytest_modeleval.pack_locks import check_locks
from pytest_modeleval.plain_text import shown
from pytest_modeleval.progress import Progress
from pytest_modeleval.results.provenance import Provenance
from pytest_modeleval.resuming import Choice, look_round, settle_in_worker
from pytest_modeleval.scoreboard import Scoreboard
from pytest_modeleval.stash import RUN, SCOREBOARD, SETTINGS
from pytest_modeleval.time_limit import limited_time

if TYPE_CHECKING:
    from pytest_modeleval.controller import Controller


class Session:
    """Registered with the first benchmark or the first --model."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.run = config.stash[RUN]
        self.is_worker = hasattr(config, "workerinput")
        self.controller: Controller | None = None
        self.scoreboard = config.stash[SCOREBOARD] = Scoreboard(
            config.stash[SETTINGS], provenance_of(config)
        )
        self.choice = Choice(config, config.stash[SETTINGS])
        self.progress: Progress | None = None
        self.exit_status = 0
        self.interrupts = Interrupts()
        self.refused = False
        self.reason: str | None = None
        self.unwritten = False
        self.again: list[str] = []

    def pytest_configure(self, config: pytest.Config) -> None:
        """By now xdist has made `--dist` of `-n`."""
        collect_seldom(config)
        distributed = config.getoption("dist", "no") != "no" and not config.option.collectonly
        if distributed and not self.is_worker:
            from pytest_modeleval.controller import Controller

            self.controller = Controller(config, self.run, self.scoreboard, self.choice)
            config.pluginmanager.register(self.controller, "modeleval-controller")

    # ---------------------------------------------------------------- collection

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        collection.complete(self.run, session)
        if not session.testsfailed:
            try:
                collection.check_gates_used(self.run)
                if not self.config.option.collectonly:
                    check_locks(group for group in self.run.groups if group.selected)
            except ModelevalError as error:
                raise pytest.UsageError(shown(str(error))) from None
            if self.is_worker:
                self._tell_survey(session)

    def _tell_survey(self, session: pytest.Session) -> None:
        """In a worker: the controller settles which run this is as this process does."""
        given: dict[str, Any] | None = self.config.workerinput.get("modeleval_run")  # type: ignore[attr-defined]
        if given is None:
            return  # no model was named, which is refused later
        self.run.prepare(session)
        try:
            settle_in_worker(self.run, session.items, given)
        except ModelevalError as error:
            raise pytest.UsageError(shown(str(error))) from None

    # ---------------------------------------------------------------- running

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        if self.config.option.collectonly or self.run.settings.dry_run:
            return (yield)
        complete = False
        monitor = None if self.is_worker else HardwareMonitor()
        try:
            self._start(session)
        except BaseException as error:
            self.reason = str(error) or None
            self.run.stop()
            if monitor is not None:
                monitor.stop()
            raise
        try:
            if self.run.protocol.inline:
                result = yield
            elif not self.run.has_samples:  # they are in the workers, if anywhere
                with self._limited_time():
                    result = yield
            else:
                explained = explained_comparisons(self.config)
                keep_aside()
                with self._limited_time(), self.run.output(), explained:
                    result = yield
            self.reason = str(session.shouldstop or session.shouldfail or "") or None
            complete = self.reason is None
            return result
        except pytest.UsageError as error:
            self.refused = not list(self.scoreboard.tallies)  # a worker may, when others have begun
            self.reason = str(error)
            raise
        except BaseException as error:  # -x, pytest.exit, Ctrl-C, or worse
            self.reason = str(error) or "the run was interrupted"
            if type(error) is KeyboardInterrupt and not self.is_worker:
                self.interrupts.take()
            raise
        finally:
            self.run.stop()
            if monitor is not None:
                self.scoreboard.resources = monitor.stop()
                try:
                    self._finish(session, complete=complete)
                finally:
                    self.scoreboard.release()
                    self.choice.release()

    def _limited_time(self) -> AbstractContextManager[None]:
        """The controller keeps the time for its workers."""
        run = self.run
        halt = self.controller.halt if self.controller is not None else run.halt
        return limited_time(None if self.is_worker else run.settings.max_time, run.began, halt)

    def _start(self, session: pytest.Session) -> None:
        self.scoreboard.enough = (self.controller or self.run).enough
        if not self.is_worker:
            try:
                self.run.models.check_prices()
                self.scoreboard.plugins = self.run.contributed.records()
            except ModelevalError as error:
                raise pytest.UsageError(shown(str(error))) from None
        if self.controller is None:
            self.run.prepare(session)
        if self.controller is None and not self.is_worker:  # that loads models when it is dealt to
            try:
                self._begin(session)
            except ModelevalError as error:
                raise pytest.UsageError(shown(str(error))) from None
            finally:
                if self.scoreboard.files is None:
                    self.choice.release()
        for item in session.items:
            if isinstance(item, MissingItem):
                self.run.missing.append(item.plan)
                self.scoreboard.tally(item.plan)
        terminal = self.config.pluginmanager.getplugin("terminalreporter")
        if terminal is not None and not self.is_worker and not self.run.protocol.inline:
            status = self.controller.status if self.controller is not None else self.run.status
            self.progress = Progress(terminal, self.scoreboard, status)
            self.run.idlers.append(self.progress.update)

    def _begin(self, session: pytest.Session) -> None:
        """Settle which run this is, load the model of the first sample that is to run, and open
        the files."""
        ours = [item for item in session.items if isinstance(item, (SampleItem, MissingItem))]
        if not ours:
            return
        self.choice.find()
        survey = look_round(self.run, session.items, self.choice.unfinished)
        folder = self.choice.settle(survey)
        try:
            self.run.write_into(folder.path, folder.run_id)
            to_run = (each for each in ours if isinstance(each, SampleItem) and not is_kept(each))
            if (first := next(to_run, None)) is not None:
                self.run.start(first, InOrder(session.items))
            self.scoreboard.strict = self.run.strict
            for group in self.run.groups:
                if group.selected:
                    self.scoreboard.tally(group.plan)
            self.scoreboard.open_files(folder, self.choice.state(survey))
            self.scoreboard.expect(survey.selected, survey.kept)
            self.scoreboard.know_models(self.run.models.known())
        except BaseException:
            folder.abandon()
            raise
        self.choice.tell(self.config, survey)

    def _finish(self, session: pytest.Session, *, complete: bool) -> None:
        if self.progress is not None:
            self.progress.end()
        if self.refused:
            self.scoreboard.abandon(str(self.reason))
            return
        if complete and self.controller is not None and (left := self.controller.left()):
            complete = False
            verdicts.publish_left(session, left)
        if not list(self.scoreboard.tallies):
            return
        self.scoreboard.reach("post_processing")
        if self.controller is not None and complete:
            verdicts.publish(session, self.scoreboard)
        verdicts.publish_stopped(session, self.scoreboard)
        verdicts.publish_errors(session, self.scoreboard)
        self.scoreboard.restarts += self.run.models.restarts
        try:
            result = self.scoreboard.finish(complete=complete, reason=self.reason)
        except ModelevalError as error:
            self.reason = self.reason or str(error)
            if not self.unwritten:  # then that has ended the run, and is told
                verdicts.publish_unwritten(session, shown(str(error)))
            return
        if self.scoreboard.files is not None:
            self.config.hook.pytest_modeleval_finished(
                result=result, folder=self.scoreboard.files.folder
            )

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> bool | None:
        if self.progress is not None:
            if isinstance(item, (SampleItem, JudgedItem)):
                self.progress.take_turn()
            else:
                self.progress.give_way()
        if isinstance(item, SampleItem):
            return runtest_protocol.run_protocol(self.run, item, nextitem)
        return None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(
        self, fixturedef: Any, request: Any
    ) -> Generator[None, object, object]:
        if definition_of(getattr(request._pyfuncitem, "obj", None)) is None:
            return (yield)
        with on_background(self.run.background, fixturedef, request):
            return (yield)

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
        elif isinstance(item, JudgedItem) and call.when == "call":
            report.modeleval_gate = item.record  # type: ignore[attr-defined]
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        sample = getattr(report, "modeleval", None)
        if sample is not None and not self.is_worker:
            if report.outcome == "rerun":  # by pytest-rerunfailures: only the last try counts
                sample.results = []
            elif report.modeleval_outcome in ("wrong", "error"):
                self.again.append(report.nodeid)
            report.modeleval = None  # reports are kept to the end, and the rows are written now
            if self.controller is not None:
                self.controller.take(report, sample)
            try:
                self.scoreboard.take(report, sample)
            except ModelevalError as error:
                self.unwritten = True
                pytest.exit(str(error), returncode=1)
            if self.progress is not None and report.outcome != "rerun":
                self.progress.take(sample, report.duration)

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(
        self, report: Any, config: pytest.Config
    ) -> tuple[str, str, Any] | None:
        return category(report, letters=self.progress is None or self.progress.letters)

    # ---------------------------------------------------------------- the end

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        self.exit_status = exitstatus
        failed = getattr(self.config.pluginmanager.getplugin("lfplugin"), "lastfailed", None)
        if failed is not None:  # --lf shall run wrong samples again, though they did not fail
            failed.update(dict.fromkeys(self.again, True))

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        """Bodies that never end would keep the process from ending as well."""
        self.interrupts.forget()
        if stuck := self.run.stuck(hurried=self.interrupts.came):
            print(f"ended while still running: {', '.join(stuck)}", file=sys.stderr)
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(int(self.exit_status))

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        from pytest_modeleval.terminal import show_results

        if self.scoreboard.result is not None:
            show_results(terminalreporter, self.scoreboard)


def provenance_of(config: pytest.Config) -> Provenance:
    """Of the run that pytest was asked for."""
    asked = config.invocation_params
    return Provenance(config.rootpath, asked.dir, [str(each) for each in asked.args])
