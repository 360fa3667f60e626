"""Status events of a run: JSON lines for a program that watches it.

These types are the format: its JSON Schema is made of them.
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import datetime, timezone
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from pytest_modeleval.errors import UsageError
from pytest_modeleval.results.record import GateRecord
from pytest_modeleval.results.results_json import to_json

VERSION = "1.0"

Phase = Literal[
    "initializing",
    "loading_data",
    "running_evaluation",
    "post_processing",
    "persisting_artifacts",
]
Ending = Literal["completed", "failed", "interrupted"]


class Told(Struct, frozen=True, kw_only=True, tag_field="kind"):
    """What every event has. `time` is in UTC, as ISO 8601 has it; `run_id` is null until it is
    settled which run this is: a new one, or an unfinished one that goes on."""

    schema_version: str
    time: str
    run_id: str | None


class PhaseBegan(Told, frozen=True, kw_only=True, tag="phase"):
    """The run has come to a phase; they come in this order, each once."""

    phase: Phase


class Score(Struct, frozen=True, kw_only=True):
    """What is known of a benchmark with a model: `done` of its `planned` samples are reported, and
    the accuracy with its 95 % interval over the `n` of them that were judged."""

    benchmark: str
    model: str
    done: int
    planned: int
    accuracy: float | None
    lower: float | None
    upper: float | None
    n: int


class Progressed(Told, frozen=True, kw_only=True, tag="progress"):
    """How far the run is, at most once a second. `done` counts samples whose bodies have ended,
    `right`, `wrong` and `error` those that are reported. `cost` is in US dollars, as far as it is
    known; `seconds_left` is an estimate. `scores` has the benchmarks that have come further since
    they were last told."""

    done: int
    planned: int
    right: int
    wrong: int
    error: int
    samples_per_s: float
    cost: float | None
    seconds_left: float | None
    scores: list[Score]


class PackScored(Told, frozen=True, kw_only=True, tag="pack"):
    """The score of a pack with a model, with its interval; without a score the `reason`."""

    name: str
    version: str
    model: str
    score: float | None
    lower: float | None
    upper: float | None
    reason: str | None


class GateJudged(Told, frozen=True, kw_only=True, tag="gate"):
    """The verdict of a gate, with all that results.json has of it. For a gate on a pack's score
    `benchmark` is the pack's file."""

    benchmark: str
    model: str
    gate: GateRecord


class FilesWritten(Told, frozen=True, kw_only=True, tag="artifacts"):
    """The run's folder and its files, as absolute paths."""

    folder: str
    files: list[str]


class Ended(Told, frozen=True, kw_only=True, tag="end"):
    """The last event. `completed`: every planned sample was run and every file is written, whatever
    the verdict; `interrupted`: some were not run; `failed`: the run could not do its work. `reason`
    says why it is not complete; `verdict` is null where nothing was run."""

    phase: Ending
    verdict: Literal["passed", "failed", "undecided"] | None
    exit_status: int
    reason: str | None


Event: TypeAlias = PhaseBegan | Progressed | PackScored | GateJudged | FilesWritten | Ended


class EventLog:
    """A file descriptor that takes events, a whole line or none. After the first that cannot be
    written it takes no more."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    @classmethod
    def open(cls, path: str) -> EventLog:
        """Begin the file anew. Raises UsageError where it cannot be written."""
        try:
            return cls(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o666))
        except OSError as error:
            raise UsageError(
                f"--events {path}: it cannot be written: {(error.strerror or str(error)).lower()}"
            ) from None

    def write(self, event: Event) -> str | None:
        """Append one line. Returns why no more is written, once, where that has just come out."""
        if self._descriptor is None:
            return None
        text = to_json(msgspec.to_builtins(event)) + "\n"
        line = text.encode("utf-8", "backslashreplace")
        try:
            written = os.write(self._descriptor, line)
            if written == len(line):
                return None
            with suppress(OSError):  # it is no file that could be cut
                os.ftruncate(self._descriptor, os.fstat(self._descriptor).st_size - written)
            reason = "the disk is full"
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
        self.close()
        return reason

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def now() -> str:
    """The time in UTC, to the millisecond: `2026-01-31T23:59:59.123Z`."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
