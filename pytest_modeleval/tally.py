"""A benchmark's results with one model, counted up as its samples arrive."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_modeleval.gates import Gate, Table, judge, not_judged, parse_gates
from pytest_modeleval.recorder import BUILT_IN_METRICS, CALL_METRICS
from pytest_modeleval.results.record import (
    BenchmarkResult,
    Call,
    GateRecord,
    Metric,
    Outcome,
    SampleResult,
)
from pytest_modeleval.statistics.summary import summary

KEPT_ERRORS = 10
"""So many error messages of a benchmark stand in results.json; the details have all."""


@dataclass(slots=True)
class Plan:
    """What a benchmark sets out to do with one model: plain values, so that a worker can send it.

    `columns` holds, for each planned sample, the metadata that gates slice by. `selected` is how
    many of the planned samples were asked for, `left_out` names the gates that were not. `refusal`
    says why none can run; a benchmark whose dataset is not at hand has no samples, and is `skipped`
    where that was allowed.
    """

    benchmark: str
    model: str
    node_prefix: str
    location: tuple[str, int | None, str]
    samples: int
    selected: int
    epochs: int
    gates: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    columns: dict[str, list[Any]] = field(default_factory=dict)
    model_identity: dict[str, Any] = field(default_factory=dict)
    dataset_fingerprint: str | None = None
    refusal: str | None = None
    skipped: bool = False


@dataclass(slots=True)
class SampleReport:
    """What a test report carries to the process that counts: `report.modeleval`.

    `row` is the sample's place among the planned ones; the first report of a group in each process
    brings the group's plan along.
    """

    row: int
    results: list[SampleResult]
    started: float
    plan: Plan | None = None


class Tally:
    """Counts, metrics and gates of one benchmark with one model. `row` counts planned samples."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.gates: Sequence[Gate] = parse_gates(plan.gates)
        self.table = Table(plan.samples, epochs=plan.epochs, columns=plan.columns)
        self.counts = {"right": 0, "wrong": 0, "error": 0, "skipped": 0}
        self.records: dict[str, GateRecord] = {}
        self.errors: list[dict[str, Any]] = []
        self.usage: dict[str, int] = {}
        self.cost: float | None = None
        self.started = 0.0
        self.ended = 0.0

    @property
    def done(self) -> int:
        return sum(self.counts.values())

    @property
    def accuracy(self) -> float | None:
        judged = self.counts["right"] + self.counts["wrong"] + self.counts["error"]
        return self.counts["right"] / judged if judged else None

    def add(self, row: int, results: Sequence[SampleResult], started: float) -> None:
        """Take in a sample: one result for each epoch. `started` is in seconds since 1970."""
        if not self.started or started < self.started:
            self.started = started
        self.ended = time.time()
        for result in results:
            self.table.record(row, result.outcome, {**result.scores, **call_metrics(result.calls)})
            self._add_usage(result.calls)
            if result.outcome == "error" and len(self.errors) < KEPT_ERRORS:
                self.errors.append({"id": result.id, "epoch": result.epoch, "error": result.error})
        outcome = sample_outcome(results)
        if outcome != "not_run":
            self.counts[outcome] += 1

    def judge(self, gate: Gate) -> GateRecord:
        """The gate's verdict now; it is kept under the gate's name."""
        missing = self.plan.samples - self.plan.selected
        if self.plan.skipped:
            record = not_judged(gate, str(self.plan.refusal))
        elif self.plan.refusal:
            record = judge(gate, self.table)
            record.verdict, record.reason = "undecided", self.plan.refusal
        elif missing:
            record = not_judged(
                gate, f"{missing} of the {self.plan.samples} planned samples were not selected"
            )
        elif gate.name in self.plan.left_out:
            record = not_judged(gate, "the gate was not selected")
        else:
            record = judge(gate, self.table)
        self.records[gate.name] = record
        return record

    def result(self) -> BenchmarkResult:
        """The entry of results.json; gates that nobody judged yet are judged now."""
        for gate in self.gates:
            if gate.name not in self.records:
                self.judge(gate)
        duration = self.ended - self.started
        tokens = self.usage.get("completion_tokens")
        return BenchmarkResult(
            name=self.plan.benchmark,
            model=self.plan.model,
            samples={
                "planned": self.plan.samples,
                "right": self.counts["right"],
                "wrong": self.counts["wrong"],
                "error": self.counts["error"],
                "skipped": self.counts["skipped"],
                "not_run": self.plan.selected - self.done,
                "deselected": self.plan.samples - self.plan.selected,
            },
            metrics=self.metrics() if self.done else {},
            gates=[self.records[gate.name] for gate in self.gates],
            usage=self.usage,
            cost=self.cost,
            timing={
                "started": self.started or None,
                "duration_s": duration if self.done else None,
                "samples_per_s": self.done / duration if self.done and duration > 0 else None,
                "tokens_per_s": tokens / duration if tokens and duration > 0 else None,
            },
            errors=self.errors,
            model_identity=self.plan.model_identity,
            dataset_fingerprint=self.plan.dataset_fingerprint,
            refusal=self.plan.refusal,
        )

    def metrics(self) -> dict[str, Metric]:
        """Each metric over the samples: accuracy, the benchmark's own, then what was measured."""
        names = self.table.metrics
        own = [name for name in names if name not in BUILT_IN_METRICS]
        measured = [name for name in CALL_METRICS if name in names]
        found = {}
        for name in ["accuracy", *own, *measured]:
            metric = summary(name, self.table.values(name))
            if metric is not None:
                found[name] = metric
        return found

    def _add_usage(self, calls: Sequence[Call]) -> None:
        for call in calls:
            for name, count in call.usage.items():
                if count is not None:
                    self.usage[name] = self.usage.get(name, 0) + count
            if call.cost is not None:
                self.cost = (self.cost or 0.0) + call.cost


def sample_outcome(results: Sequence[SampleResult]) -> Outcome:
    """A sample's outcome over its epochs: an error anywhere is an error, it is right only where
    every epoch is."""
    outcomes = {result.outcome for result in results}
    worst_first: tuple[Outcome, ...] = ("error", "not_run", "wrong", "skipped")
    for outcome in worst_first:
        if outcome in outcomes:
            return outcome
    return "right" if outcomes else "not_run"


def call_metrics(calls: Sequence[Call]) -> Mapping[str, float]:
    """What a sample's calls to the model under test took: total latency, tokens and cost, and the
    mean times to the first and for each further token. What no call tells is left out."""
    own = [call for call in calls if call.role == "model"]
    found: dict[str, float] = {}
    for name in CALL_METRICS:
        values = [value for call in own if (value := _measured(call, name)) is not None]
        if values:
            mean = name in ("ttft_s", "tpot_s")
            found[name] = sum(values) / len(values) if mean else sum(values)
    return found


def _measured(call: Call, name: str) -> float | None:
    if name.endswith("_tokens"):
        return call.usage.get(name)
    value: float | None = getattr(call, name)
    return value


def sentence(record: GateRecord) -> str:
    """The verdict as a person reads it."""
    if record.verdict == "passed":
        return f"{record.expression}: {_value(record)}"
    if record.verdict == "failed":
        return f"gate failed: {record.expression}: {_value(record)}"
    return f"{record.verdict}: {record.expression}: {record.reason}"


def _value(record: GateRecord) -> str:
    if record.value is None:
        return record.reason or ""
    interval = ""
    if record.lower is not None and record.upper is not None:
        interval = f" (95 % interval {record.lower:.4g} to {record.upper:.4g})"
    margin = (
        f", {abs(record.slack):.4g} {'to spare' if record.slack >= 0 else 'short'}"
        if (record.slack is not None)
        else ""
    )
    return f"it is {record.value:.6g}{interval}{margin}"
