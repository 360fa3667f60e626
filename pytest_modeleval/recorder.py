"""What one body did while it ran: its calls to models, its scores, and what it printed.

A body runs in a context of its own (an asyncio task or a thread), so a context variable tells
whose call, score or printed line it is, however many bodies run at once.
"""

from __future__ import annotations

import contextvars
import functools
import inspect
import json
import keyword
import logging
import math
import warnings
import zlib
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

from pytest_modeleval.errors import ModelevalError, StopRun
from pytest_modeleval.results.record import Call


@dataclass(slots=True, eq=False)
class Recorder:
    """The record of one epoch of one sample. Times are seconds; `started_at` is since 1970,
    `deadline` is of the monotonic clock. `sampling` is what the benchmark's pack says of every
    request to the model under test. `requests` are the numbers of the calls and the digests of what
    they sent. A call that ended in `stopped` makes the sample one that was not run, whatever the
    body made of it."""

    benchmark: str
    sample_id: str
    epoch: int = 0
    run_seed: int = 0
    sampling: Mapping[str, Any] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    requests: list[tuple[int, str]] = field(default_factory=list)
    scores: dict[str, float] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    stdout: list[str] = field(default_factory=list)
    stderr: list[str] = field(default_factory=list)
    log: list[logging.LogRecord] = field(default_factory=list)
    caplog: logging.Handler | None = None
    catching: list[list[warnings.WarningMessage]] = field(default_factory=list)
    warnings: list[warnings.WarningMessage] = field(default_factory=list)
    exception: BaseException | None = None
    stopped: StopRun | None = None
    timed_out: bool = False
    deadline: float | None = None
    started_at: float = 0.0
    duration: float = 0.0
    calls_begun: int = 0
    waiting: Future[Any] | None = None
    abandoned: bool = False
    asked: list[Any] = field(default_factory=list)

    @property
    def seed(self) -> int:
        """The seed that the first call to a model is given."""
        return self.seed_of_call(0)

    def seed_of_call(self, number: int) -> int:
        """31 bits from (run seed, sample id, epoch, call number), the same on every machine."""
        text = f"{self.run_seed}/{self.sample_id}/{self.epoch}/{number}"
        return zlib.crc32(text.encode()) & 0x7FFFFFFF

    def abandon(self) -> None:
        """Nobody waits for this body any more: its thread ends at its call to a model."""
        self.abandoned = True
        if self.waiting is not None:
            self.waiting.cancel()

    def begin_call(self) -> int:
        """The number of the call that starts now, counted from 0."""
        self.calls_begun += 1
        return self.calls_begun - 1

    def take_call(self, call: Call, number: int, request: str) -> None:
        """Keep a call that has ended, with the number that it began with and the digest of its
        request."""
        self.calls.append(call)
        self.requests.append((number, request))

    def take_unawaited(self) -> list[str]:
        """The calls to a model that the body made and never awaited: their answers never came."""
        asked, self.asked = self.asked, []
        forgotten = [each for each in asked if inspect.getcoroutinestate(each) == "CORO_CREATED"]
        for each in forgotten:
            each.close()
        return [each.cr_code.co_name for each in forgotten]


current: contextvars.ContextVar[Recorder | None] = contextvars.ContextVar(
    "modeleval_recorder", default=None
)


P = ParamSpec("P")
T = TypeVar("T")


def noticed(
    method: Callable[P, Coroutine[Any, Any, T]],
) -> Callable[P, Coroutine[Any, Any, T]]:
    """Make the recorder notice each call, so that one without `await` is an error and not a
    sample that looks right."""

    @functools.wraps(method)
    def call(*arguments: P.args, **named: P.kwargs) -> Coroutine[Any, Any, T]:
        answer = method(*arguments, **named)
        recorder = current.get()
        if recorder is not None:
            recorder.asked.append(answer)
        return answer

    return call


def score(name: str, value: float) -> float:
    """Record a metric of the current sample and return its value.

    `assert score("f1", f1) >= 0.5` records and judges in one line. A metric that is recorded twice
    keeps the later value. Raises ModelevalError outside a benchmark, for a name that is taken or
    that a gate could not name, and for a value that is not a finite number.
    """
    recorder = current.get()
    if recorder is None:
        raise ModelevalError(f"score({name!r}, …) was called outside the body of a benchmark")
    if name in BUILT_IN_METRICS:
        raise ModelevalError(f"score({name!r}, …): that metric is measured, choose another name")
    if name not in recorder.scores and not is_metric_name(name):
        raise ModelevalError(
            f"score({name!r:.60}, …): a gate could not name that; a metric's name is letters, "
            "digits and underscores, such as rouge_l"
        )
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ModelevalError(f"score({name!r}, {value!r:.60}): a score is a finite number")
    if name == "confidence" and not 0 <= number <= 1:
        raise ModelevalError(f"score('confidence', {value!r:.60}): a confidence is from 0 to 1")
    recorder.scores[name] = number
    return number


def record_value(name: str, value: Any) -> None:
    """Keep something of the current sample for a metric over all of them (`CorpusMetric`): a plain
    JSON value, such as the class that was predicted. A later value of the same name replaces it.

    Raises ModelevalError outside a benchmark, and for what JSON does not have.
    """
    recorder = current.get()
    if recorder is None:
        raise ModelevalError(
            f"record_value({name!r}, …) was called outside the body of a benchmark"
        )
    try:
        plain = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise ModelevalError(
            f"record_value({name!r:.60}, {value!r:.60}): expected a plain JSON value ({error})"
        ) from None
    recorder.values[str(name)] = plain


def is_metric_name(name: object) -> bool:
    """Whether a gate's expression can name it: what Python reads as a name, on its own."""
    return (
        isinstance(name, str)
        and name.isidentifier()
        and not keyword.iskeyword(name)
        and name not in ("baseline", "non_inferior")
    )


CALL_METRICS = ("latency_s", "ttft_s", "tpot_s", "prompt_tokens", "completion_tokens", "cost")
"""Measured over a sample's calls to the model under test, and shown."""

BUILT_IN_METRICS = ("accuracy", *CALL_METRICS, "queue_s")
"""What every sample has."""
