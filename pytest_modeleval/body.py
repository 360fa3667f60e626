"""Running the author's function for one sample, and saying what became of it."""

from __future__ import annotations

import asyncio
import json
import time
from concurrent.futures import Executor
from contextvars import copy_context
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from pytest_modeleval.capture import sample_caplog
from pytest_modeleval.datasets.sample import Sample
from pytest_modeleval.errors import ModelevalError, SampleTimeout
from pytest_modeleval.group import SampleGroup
from pytest_modeleval.recorder import Recorder, current
from pytest_modeleval.results.record import Outcome, SampleResult

Failed = pytest.fail.Exception
Skipped = pytest.skip.Exception


class Body:
    """One sample's turn: every epoch of it, run and recorded."""

    __slots__ = (
        "cancelled",
        "done",
        "group",
        "in_thread",
        "recorders",
        "row",
        "sample",
        "seed",
        "task",
    )

    def __init__(self, group: SampleGroup, row: int, seed: int) -> None:
        self.group = group
        self.row = row
        self.seed = seed
        self.task: asyncio.Task[None] | None = None
        self.sample: Sample | None = None
        self.recorders: list[Recorder] = []
        self.in_thread = False
        self.cancelled = False
        self.done = False

    @property
    def name(self) -> str:
        return f"{self.group.node_prefix}{self.group.samples.id(self.row)}]"

    async def run(self, executor: Executor | None) -> None:
        """Run the epochs one after the other. Without an executor a plain `def` runs right here,
        and no time limit holds: that is how a debugger wants it."""
        group = self.group
        for epoch in range(group.epochs):
            recorder = Recorder(group.name, group.samples.id(self.row), epoch, self.seed)
            self.recorders.append(recorder)
            current.set(recorder)
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
            forgotten = recorder.take_unawaited()
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
        assert self.group.arguments is not None
        arguments = {**self.group.arguments, "sample": sample}
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

    def cancel(self) -> None:
        """Give the body up, for a reason that is not its own."""
        self.cancelled = True
        if self.task is not None:
            self.task.cancel()

    def _expire(self, recorder: Recorder) -> None:
        recorder.timed_out = True
        if self.task is not None:
            self.task.cancel()

    @property
    def exception(self) -> BaseException | None:
        """What the sample's report is about: the first error, else the first wrong answer."""
        raised = [each.exception for each in self.recorders if each.exception is not None]
        errors = [each for each in raised if outcome_of(each) == "error"]
        return next(iter(errors or raised), None)


def _raised(error: ModelevalError) -> BaseException:
    """The same with a traceback: pytest cannot report an exception that was never raised."""
    try:
        raise error
    except ModelevalError:
        return error


def outcome_of(error: BaseException | None) -> Outcome:
    """Right, wrong, error, skipped or not run, by what a body raised."""
    if error is None:
        return "right"
    if isinstance(error, (AssertionError, Failed)):
        return "wrong"
    if isinstance(error, Skipped):
        return "skipped"
    if isinstance(error, asyncio.CancelledError):
        return "not_run"
    return "error"


def results_of(body: Body, worker: str) -> list[SampleResult]:
    """The sample's rows of the details file, one an epoch."""
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
                input=_text(sample.input),
                target=_text(sample.target),
                metadata=sample.metadata,
                scores=scores,
                error=explain(recorder.exception) if outcome in ("error", "skipped") else None,
                seed=recorder.seed,
                cluster=None if cluster is None else _text(sample.metadata.get(cluster)),
                worker=worker,
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


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False, default=str)


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
