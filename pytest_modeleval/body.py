"""Running the author's function for one sample, and saying what became of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from contextvars import copy_context
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from pytest_modeleval.capture import sample_caplog
from pytest_modeleval.datasets.sample import Sample, as_text, cluster_name
from pytest_modeleval.errors import ModelevalError, SampleTimeout, StopRun
from pytest_modeleval.group import SampleGroup
from pytest_modeleval.recorder import Recorder, current
from pytest_modeleval.results.record import Outcome, SampleResult
from pytest_modeleval.sample_digests import digests_of

Failed = pytest.fail.Exception
Skipped = pytest.skip.Exception

MOST_EXPLAINED = 5_000
"""Characters of a failing assertion's message that are kept: a reply may be in it."""


class Body:
    """One sample's turn: every epoch of it, run and recorded. `never` says that it was given up
    before it began."""

    __slots__ = (
        "cancelled",
        "done",
        "given",
        "group",
        "in_thread",
        "kept",
        "never",
        "recorders",
        "row",
        "sample",
        "seed",
        "task",
    )

    def __init__(self, group: SampleGroup, row: int, seed: int) -> None:
        self.group = group
        self.given = group.arguments  # which the group may have let go before the last epoch
        self.row = row
        self.seed = seed
        self.task: asyncio.Task[None] | None = None
        self.sample: Sample | None = None
        self.recorders: list[Recorder] = []
        self.in_thread = False
        self.never = False
        self.cancelled = False
        self.done = False
        self.kept: list[SampleResult] | None = None

    @classmethod
    def of_kept(cls, group: SampleGroup, row: int) -> Body:
        """As if it had run: the body of a sample that an earlier process of this run has finished.
        What it printed and its traceback are gone."""
        body = cls(group, row, 0)
        body.kept = group.kept_results(row)
        recorder = Recorder(group.name, group.samples.id(row), started_at=time.time())
        recorder.exception = _as_raised(body.kept)
        body.recorders.append(recorder)
        body.done = True
        return body

    @property
    def name(self) -> str:
        return f"{self.group.node_prefix}{self.group.samples.id(self.row)}]"

    async def run(self, executor: Executor | None) -> None:
        """Run the epochs one after the other. Without an executor a plain `def` runs right here,
        and no time limit holds: that is how a debugger wants it."""
        group = self.group
        for epoch in range(group.epochs):
            recorder = Recorder(
                group.name,
                group.samples.id(self.row),
                epoch,
                self.seed,
                group.definition.sampling,
            )
            self.recorders.append(recorder)
            current.set(recorder)
            if group.telemetry is None:
                await self._record_epoch(recorder, executor)
            else:
                with group.telemetry.sample(recorder, group.model) as span:
                    await self._record_epoch(recorder, executor)
                    span.judged(outcome_of(recorder.exception), recorder)
            if isinstance(recorder.exception, StopRun):
                break

    async def _record_epoch(self, recorder: Recorder, executor: Executor | None) -> None:
        group = self.group
        recorder.started_at = time.time()
        started = time.perf_counter()
        try:
            await self._run_epoch(recorder, executor)
        except asyncio.CancelledError as error:
            if self.cancelled:
                recorder.exception = error
                raise
            recorder.exception = _raised(
                SampleTimeout(
                    f"the body took longer than the {group.timeout:g} s that a sample is given"
                )
                if recorder.timed_out
                else ModelevalError("the body was cancelled from within: CancelledError")
            )
            # An epoch that ran out of time must not cancel the next one.
            getattr(self.task, "uncancel", int)()
        except BaseException as error:
            recorder.exception = error
        finally:
            recorder.duration = time.perf_counter() - started
            if recorder.stopped is not None:
                recorder.exception = recorder.stopped
        forgotten = recorder.take_unawaited()
        if isinstance(recorder.exception, StopRun):
            return
        if forgotten and outcome_of(recorder.exception) in ("right", "wrong"):
            recorder.exception = _raised(
                ModelevalError(
                    f"{group.template.originalname} never awaits model.{forgotten[0]}(…): "
                    f"write await model.{forgotten[0]}(…)"
                )
            )

    async def _run_epoch(self, recorder: Recorder, executor: Executor | None) -> None:
        group = self.group
        sample = self.sample = group.samples.sample(self.row, recorder.epoch)
        arguments = self._arguments(sample, recorder)
        limit = None
        if group.timeout is not None and executor is not None:
            recorder.deadline = time.monotonic() + group.timeout
            limit = asyncio.get_running_loop().call_later(group.timeout, self._expire, recorder)
        try:
            async with sample.resources:
                returned = await self._call(recorder, arguments, executor)
        finally:
            if limit is not None:
                limit.cancel()
        if returned is not None:
            raise ModelevalError(
                f"{group.template.originalname} returned {_brief(returned)}: a benchmark judges "
                "its sample with assert, and records a metric with score(name, value)"
            )

    def _arguments(self, sample: Sample, recorder: Recorder) -> dict[str, Any]:
        """The fixtures' values, with what must be each sample's own."""
        assert self.given is not None
        arguments = {**self.given, "sample": sample}
        if "tmp_path" in arguments:
            own = mkdtemp(prefix=f"{self.row}-{recorder.epoch}-", dir=arguments["tmp_path"])
            arguments["tmp_path"] = Path(own)
        if "caplog" in arguments:
            arguments["caplog"] = sample_caplog(recorder)
        return arguments

    async def _call(
        self, recorder: Recorder, arguments: dict[str, Any], executor: Executor | None
    ) -> Any:
        function = self.group.function
        if self.group.is_async:
            return await function(**arguments)
        if executor is None:
            return function(**arguments)

        def in_thread() -> Any:
            self.in_thread = True
            try:
                return function(**arguments)
            finally:
                self.in_thread = False

        context = copy_context()
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(executor, context.run, in_thread)
        except asyncio.CancelledError:
            recorder.abandon()
            raise

    def give_up(self) -> None:
        """It has not begun, and never will."""
        self.never = self.done = True

    def cancel(self, stopped: str | None = None) -> None:
        """Give the body up, for a reason that is not its own: where it is given, the sample is
        reported as not run."""
        self.cancelled = True
        if stopped is not None and self.recorders:
            self.recorders[-1].stopped = StopRun(stopped)
        if self.task is not None:
            self.task.cancel()

    def _expire(self, recorder: Recorder) -> None:
        recorder.timed_out = True
        if self.task is not None:
            self.task.cancel()

    @property
    def is_instant(self) -> bool:
        """Whether it took no time: what it asked for was in the cache."""
        calls = [call for recorder in self.recorders for call in recorder.calls]
        return bool(calls) and all(call.cached for call in calls)

    @property
    def exception(self) -> BaseException | None:
        """What the sample's report is about: the first error, else the first wrong answer."""
        raised = [each.exception for each in self.recorders if each.exception is not None]
        errors = [each for each in raised if outcome_of(each) == "error"]
        stops = [each for each in raised if isinstance(each, StopRun)]
        return next(iter(errors or stops or raised), None)


def _raised(error: BaseException) -> BaseException:
    """The same with a traceback: pytest cannot report an exception that was never raised."""
    try:
        raise error
    except BaseException:
        return error


def _as_raised(results: Sequence[SampleResult]) -> BaseException | None:
    """What the body must have raised, by its results."""
    for result in results:
        if result.outcome == "wrong":
            return _raised(AssertionError(result.explanation or ""))
        if result.outcome == "skipped":
            return _raised(Skipped(result.error or "", _use_item_location=True))
    return None


def outcome_of(error: BaseException | None) -> Outcome:
    """Right, wrong, error, skipped or not run, by what a body raised."""
    if error is None:
        return "right"
    if isinstance(error, (AssertionError, Failed)):
        return "wrong"
    if isinstance(error, Skipped):
        return "skipped"
    if isinstance(error, (asyncio.CancelledError, StopRun)):
        return "not_run"
    return "error"


def results_of(body: Body, worker: str, gpus: str | None) -> list[SampleResult]:
    """The sample's rows of the details file, one an epoch."""
    if body.kept is not None:
        return body.kept
    group = body.group
    sample = body.sample or group.samples.sample(body.row)
    cluster = group.definition.cluster
    rows = []
    for recorder in body.recorders:
        outcome = outcome_of(recorder.exception)
        scores: dict[str, float] = {}
        if outcome in ("right", "wrong", "error"):
            scores = {"accuracy": float(outcome == "right"), **recorder.scores}
        rows.append(
            SampleResult(
                benchmark=group.name,
                model=group.model,
                id=sample.id,
                epoch=recorder.epoch,
                outcome=outcome,
                input=as_text(sample.input),
                target=as_text(sample.target),
                metadata=sample.metadata,
                scores=scores,
                values=recorder.values,
                error=explain(recorder.exception)
                if outcome in ("error", "skipped", "not_run")
                else None,
                explanation=_explanation(recorder.exception) if outcome == "wrong" else None,
                seed=recorder.seed,
                cluster=None if cluster is None else cluster_name(sample.metadata.get(cluster)),
                worker=worker,
                gpus=gpus,
                digests=digests_of(sample, recorder),
                calls=recorder.calls,
            )
        )
    return rows


def explain(error: BaseException | None) -> str:
    """One sentence; our own errors are one already."""
    if error is None:
        return ""
    if isinstance(error, (ModelevalError, Skipped, Failed)):
        return str(error)
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, AttributeError) and "'coroutine' object" in text:
        text += " (is an await missing?)"
    return text


def _explanation(error: BaseException | None) -> str:
    text = str(error)
    return text if len(text) <= MOST_EXPLAINED else f"{text[:MOST_EXPLAINED]}…"


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def unrun_result(group: SampleGroup, row: int, outcome: Outcome, why: str) -> SampleResult:
    """The row of a sample whose body never ran."""
    return SampleResult(
        benchmark=group.name,
        model=group.model,
        id=group.samples.id(row),
        epoch=0,
        outcome=outcome,
        scores={"accuracy": 0.0} if outcome == "error" else {},
        error=why,
    )
