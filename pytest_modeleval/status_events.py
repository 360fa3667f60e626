"""`--events`: the hooks that tell a program how a run is doing, as JSON lines."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import pytest

from pytest_modeleval.errors import UsageError
from pytest_modeleval.progress_counts import Counts
from pytest_modeleval.results.events import (
    VERSION,
    Ended,
    Ending,
    Event,
    EventLog,
    FilesWritten,
    GateJudged,
    PackScored,
    Phase,
    PhaseBegan,
    Progressed,
    Score,
    now,
)
from pytest_modeleval.results.record import RunResult
from pytest_modeleval.stash import RUN, STDOUT
from pytest_modeleval.statistics.intervals import wilson_interval
from pytest_modeleval.tally import Tally

if TYPE_CHECKING:
    from pytest_modeleval.models.status import Status
    from pytest_modeleval.session import Session

EVERY = 1.0
"""Seconds from one word about progress to the next, at least."""

PACK_FIELDS = ("name", "version", "model", "score", "lower", "upper", "reason")
PHASES: tuple[Phase, ...] = get_args(Phase)
Kind = TypeVar("Kind", bound=Event)


def set_stdout_apart(config: pytest.Config) -> None:
    """Events have standard output to themselves: what anything else writes there, pytest, a
    library or a program that a test starts, goes to standard error. Raises pytest.UsageError where
    one of them is closed."""
    try:
        config.stash[STDOUT] = apart = os.dup(1)
        sys.stdout.flush()
        os.dup2(2, 1)
    except (OSError, AttributeError):  # sys.stdout is None then
        raise pytest.UsageError("--events -: standard output or standard error is closed") from None

    def restore() -> None:
        sys.stdout.flush()
        os.dup2(apart, 1)
        os.close(apart)

    config.add_cleanup(restore)


class StatusEvents:
    """Registered behind the session's own hooks, so that it comes before them; in the process that
    reports."""

    def __init__(self, config: pytest.Config, session: Session, path: str) -> None:
        self.config = config
        self.session = session
        self.scoreboard = session.scoreboard
        self.log = _open(config, path)
        self.path = path
        self.counts = Counts(time.monotonic())
        self._phases = 0
        self._written = False
        self._collected = True
        self._looked = -math.inf
        self._told: dict[tuple[str, str], int] = {}
        self.scoreboard.reach = self.reach
        config.stash[RUN].idlers.append(self.update)

    def reach(self, phase: Phase) -> None:
        """The run has come to a phase, and through those before it."""
        if phase == "persisting_artifacts":
            self._tell_outcome()
        place = PHASES.index(phase) + 1
        for each in PHASES[self._phases : place]:
            self._tell(PhaseBegan, phase=each)
        self._phases = max(self._phases, place)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        self.reach("initializing")

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        self.reach("loading_data")

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self) -> None:
        """Where the first benchmark that was collected has brought this in."""
        self.reach("loading_data")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._collected = self._collected and not report.failed

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self, report: Any) -> Generator[None, object, object]:
        sample = getattr(report, "modeleval", None)
        if sample is None or report.outcome == "rerun":
            return (yield)
        self.counts.add(sample, report.duration)
        result = yield
        self.update()
        return result

    def update(self) -> None:
        """Time has passed."""
        if time.monotonic() - self._looked >= EVERY:
            self._tell_progress()

    @pytest.hookimpl(trylast=True)
    def pytest_modeleval_finished(self, result: RunResult, folder: Path) -> None:
        self._written = True
        files = self.scoreboard.files
        written = [str(path.absolute()) for path in files.written] if files is not None else []
        self._tell(FilesWritten, folder=str(folder.absolute()), files=written)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        result = self.scoreboard.result
        self._tell(
            Ended,
            phase=self._ending(result, int(exitstatus)),
            verdict=None if result is None else result.verdict,
            exit_status=int(exitstatus),
            reason=self._reason(result),
        )

    def pytest_unconfigure(self) -> None:
        self.log.close()

    def _ending(self, result: RunResult | None, exit_status: int) -> Ending:
        unwritten = result is not None and not self._written
        broken = exit_status in (pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR)
        stopped = exit_status == pytest.ExitCode.INTERRUPTED
        if unwritten or broken or self.session.unwritten or (stopped and not self._collected):
            return "failed"
        if stopped or (result is not None and not result.complete):
            return "interrupted"
        return "completed" if result is not None or exit_status == 0 else "failed"

    def _reason(self, result: RunResult | None) -> str | None:
        if result is not None and not result.complete and result.stopped is not None:
            return result.stopped
        if result is None and self.session.reason is None:
            return "no sample was run"
        return self.session.reason

    def _tell_progress(self) -> None:
        self._looked = moment = time.monotonic()
        self.counts.look(moment, self._status(), *self.scoreboard.expected)
        tallies = list(self.scoreboard.tallies)
        costs = [tally.spending.cost for tally in tallies if tally.spending.cost is not None]
        self._tell(
            Progressed,
            done=self.counts.done,
            planned=self.counts.planned,
            right=sum(tally.counts["right"] for tally in tallies),
            wrong=sum(tally.counts["wrong"] for tally in tallies),
            error=sum(tally.counts["error"] for tally in tallies),
            samples_per_s=self.counts.rate(moment),
            cost=sum(costs) if costs else None,
            seconds_left=self.counts.seconds_left,
            scores=[_score(tally) for tally in tallies if self._has_moved(tally)],
        )

    def _tell_outcome(self) -> None:
        result = self.scoreboard.result
        assert result is not None  # it is told before it is written
        self._tell_progress()
        for pack in result.packs:
            values = {name: getattr(pack, name) for name in PACK_FIELDS}
            self._tell(PackScored, **values)
        judged = [(each.name, each.model, each.gates) for each in result.benchmarks]
        judged += [(pack.file, pack.model, pack.gates) for pack in result.packs]
        for name, model, gates in judged:
            for gate in gates:
                self._tell(GateJudged, benchmark=name, model=model, gate=gate)

    def _has_moved(self, tally: Tally) -> bool:
        key = (tally.plan.benchmark, tally.plan.model)
        before, self._told[key] = self._told.get(key, 0), tally.done
        return before != tally.done

    def _status(self) -> Status:
        controller = self.session.controller
        return (controller or self.session.run).status()

    def _tell(self, kind: type[Kind], **values: Any) -> None:
        files = self.scoreboard.files
        run_id = files.run_id if files is not None else None
        problem = self.log.write(kind(schema_version=VERSION, time=now(), run_id=run_id, **values))
        if problem is not None:
            self.session.run.warn(
                f"--events {self.path}: {problem}: no more events are written, the run goes on"
            )


def _open(config: pytest.Config, path: str) -> EventLog:
    if path != "-":
        return EventLog.open(path)
    if STDOUT not in config.stash:
        raise UsageError(
            'events = "-": standard output is set apart before the table is read: say --events - '
            "on the command line, or MODELEVAL_EVENTS=-"
        )
    return EventLog(os.dup(config.stash[STDOUT]))


def _score(tally: Tally) -> Score:
    right = tally.counts["right"]
    judged = right + tally.counts["wrong"] + tally.counts["error"]
    lower, upper = wilson_interval(right, judged, 0.95)[:2] if judged else (None, None)
    return Score(
        benchmark=tally.plan.benchmark,
        model=tally.plan.model,
        done=tally.done,
        planned=tally.plan.selected,
        accuracy=tally.accuracy,
        lower=lower,
        upper=upper,
        n=judged,
    )
