"""The records of a run: what the files hold, and what travels from a worker to the controller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

SCHEMA_VERSION = "1.0"
"""Of results.json and leaderboard.json: a new major number where a reader of the old one breaks."""

Outcome = Literal["right", "wrong", "error", "not_run", "skipped"]


@dataclass(slots=True)
class Call:
    """One call to a model. `messages` are dicts of role and content; a completion has one of role
    "prompt". `loglikelihoods` are dicts of continuation, sum, tokens, is_greedy. `step` names the
    step of a task that made it, where a task is a chain of steps; a body's own calls have none."""

    role: str
    model: str
    kind: Literal["chat", "complete", "loglikelihood"]
    messages: list[dict[str, Any]]
    reply: str | None = None
    tool_calls: list[dict[str, str]] = field(default_factory=list)
    loglikelihoods: list[dict[str, Any]] = field(default_factory=list)
    sampling: dict[str, Any] = field(default_factory=dict)
    usage: dict[str, int | None] = field(default_factory=dict)
    cost: float | None = None
    ttft_s: float | None = None
    tpot_s: float | None = None
    latency_s: float | None = None
    attempts: int = 1
    cached: bool = False
    step: str | None = None


@dataclass(slots=True)
class SampleResult:
    """What became of one epoch of one sample: a row of the details file.

    `input` and `target` are text (JSON where they are not strings); `error` is one sentence.
    """

    benchmark: str
    model: str
    id: str
    epoch: int
    outcome: Outcome
    input: str = ""
    target: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    error: str | None = None
    seed: int = 0
    cluster: str | None = None
    worker: str = "main"
    calls: list[Call] = field(default_factory=list)


@dataclass(slots=True)
class Metric:
    """A metric over a benchmark's samples; `lower` and `upper` are its 95 % interval, None where
    there are too few values."""

    value: float
    lower: float | None
    upper: float | None
    n: int


@dataclass(slots=True)
class GateRecord:
    """A gate's verdict. `slack` is value minus threshold in the gate's own direction (negative: it
    does not hold); `tolerance` is the margin of a regression gate."""

    name: str
    expression: str
    verdict: Literal["passed", "failed", "undecided", "not judged"]
    reason: str | None = None
    value: float | None = None
    threshold: float | None = None
    slack: float | None = None
    tolerance: float | None = None
    lower: float | None = None
    upper: float | None = None
    method: str | None = None
    alpha: float | None = None
    p_value: float | None = None


@dataclass(slots=True)
class BenchmarkResult:
    """One benchmark with one model: an entry of `benchmarks` in results.json. `refusal` says why
    none of it ran: its dataset is not at hand, or the model cannot do what it asks."""

    name: str
    model: str
    samples: dict[str, int]
    metrics: dict[str, Metric] = field(default_factory=dict)
    gates: list[GateRecord] = field(default_factory=list)
    usage: dict[str, int] = field(default_factory=dict)
    cost: float | None = None
    timing: dict[str, float | None] = field(default_factory=dict)
    errors: list[dict[str, Any]] = field(default_factory=list)
    model_identity: dict[str, Any] = field(default_factory=dict)
    dataset_fingerprint: str | None = None
    refusal: str | None = None


@dataclass(slots=True)
class RunResult:
    """A whole run: results.json is this, as it is.

    `samples` of a benchmark counts planned, right, wrong, error, not_run (and skipped).
    `errors` are the first few, each {id, epoch, error}; `timing` has started, duration_s,
    samples_per_s, tokens_per_s.
    """

    run_id: str
    complete: bool
    verdict: Literal["passed", "failed", "undecided"]
    environment: dict[str, Any]
    benchmarks: list[BenchmarkResult]
    schema_version: str = SCHEMA_VERSION
