"""A benchmark's results with one model, counted up as its samples arrive."""

from __future__ import annotations

import time
from bisect import insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from pytest_modeleval.corpus import Corpus
from pytest_modeleval.gates import (
    Gate,
    Reference,
    Table,
    changed_samples,
    comparison,
    judge,
    not_judged,
    parse_gates,
)
from pytest_modeleval.gates.derived import CONFIDENCE, of_epochs
from pytest_modeleval.performance import Performance
from pytest_modeleval.recorder import BUILT_IN_METRICS, CALL_METRICS
from pytest_modeleval.results.digests import Totals
from pytest_modeleval.results.record import (
    BenchmarkResult,
    Calibration,
    Call,
    GateRecord,
    Metric,
    Outcome,
    SampleResult,
    Spending,
)
from pytest_modeleval.statistics.summary import summary

if TYPE_CHECKING:
    from pytest_modeleval.gates.early import EarlyStop

KEPT_ERRORS = 10
"""So many error messages of a benchmark, its first, are in results.json; the details have all."""


@dataclass(slots=True)
class Plan:
    """What a benchmark sets out to do with one model: plain values, so that a worker can send it.

    `columns` holds, for each planned sample, the metadata that gates slice by, `clusters` a number
    that it shares with those it belongs to, and `reference` the fields of what a baseline scored
    (`gates.Reference`), unless the baseline is `updating`. With an
    `order_seed` the samples run in the random order that it makes, until the gates are decided;
    `family` is how many gates of the run share the chance of a false alarm. `selected` is how
    many of the planned samples were asked for, `left_out` names the gates that were not.
    `corpus_metrics` are the fields of each `CorpusMetric`. `refusal`
    says why none can run; a benchmark whose dataset is not at hand has no samples, and is `skipped`
    where that was allowed. By `place` the plans of a run are ordered. `pack` are the
    fields of the pack (`pack_tally.PackPlan`) that it is a task of.
    """

    benchmark: str
    model: str
    node_prefix: str
    location: tuple[str, int | None, str]
    samples: int
    selected: int
    epochs: int
    few_shot: int = 0
    gates: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    columns: dict[str, list[Any]] = field(default_factory=dict)
    clusters: list[int] | None = None
    reference: dict[str, Any] | None = None
    updating: bool = False
    order_seed: str | None = None
    family: int = 1
    model_identity: dict[str, Any] = field(default_factory=dict)
    dataset_fingerprint: str | None = None
    corpus_metrics: list[dict[str, Any]] = field(default_factory=list)
    task_hash: str | None = None
    refusal: str | None = None
    skipped: bool = False
    place: int = 0
    pack: dict[str, Any] | None = None


@dataclass(slots=True)
class SampleReport:
    """What a test report carries to the process that counts: `report.modeleval`.

    `row` is the sample's place among the planned ones; the first report of a group in each process
    brings the group's plan along, and the first after a model has answered its identity, by alias.
    `stopped` says why the run was stopped before the sample was done, `kept` that its rows are in
    the details already.
    """

    row: int
    results: list[SampleResult]
    started: float
    plan: Plan | None = None
    stopped: str | None = None
    identities: dict[str, dict[str, Any]] | None = None
    kept: bool = False

    @property
    def was_run(self) -> bool:
        """Whether the sample ended in this very run."""
        return not self.kept and sample_outcome(self.results) != "not_run"


class Tally:
    """Counts, metrics and gates of one benchmark with one model. `row` counts planned samples."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.gates: Sequence[Gate] = parse_gates(plan.gates)
        self.table = Table(
            plan.samples, epochs=plan.epochs, columns=plan.columns, clusters=plan.clusters
        )
        self.reference = Reference(**plan.reference) if plan.reference else None
        self.early = self._early_stop()
        self.counts = {"right": 0, "wrong": 0, "error": 0, "skipped": 0}
        self.corpus = Corpus(plan.corpus_metrics)
        self.records: dict[str, GateRecord] = {}
        self.stopped: str | None = None
        self._errors: list[tuple[int, int, dict[str, Any]]] = []
        self.performance = Performance()
        self.digests = Totals()
        self.spending = Spending()
        self.roles: dict[str, Spending] = {}
        self.models: dict[str, Spending] = {}
        self.chose_by_letters = False
        self.ended_early = False
        self.started = 0.0
        self.ended = 0.0

    def _early_stop(self) -> EarlyStop | None:
        plan = self.plan
        if plan.order_seed is None or plan.selected < plan.samples or plan.refusal:
            return None
        from pytest_modeleval.gates.early import EarlyStop

        return EarlyStop(
            self.gates, self.table, self.reference, seed=plan.order_seed, family=plan.family
        )

    @property
    def done(self) -> int:
        return sum(self.counts.values())

    @property
    def not_needed(self) -> int:
        """The samples behind those with which all gates were decided."""
        stopped = self.early is not None and self.early.stopped
        return self.plan.selected - self.done if stopped else 0

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
            self.corpus.add(row, result)
            self._add_spending(result.calls)
            self.performance.add(result.calls)
            if result.outcome != "not_run":
                self.digests.add(result.digests)
            if result.outcome == "error":
                self._keep_error(row, result)
        outcome = sample_outcome(results)
        if outcome != "not_run":
            self.counts[outcome] += 1

    def judge(self, gate: Gate) -> GateRecord:
        """The gate's verdict now; it is kept under the gate's name."""
        missing = self.plan.samples - self.plan.selected
        early = self.early.record(gate) if self.early else None
        updating = self.plan.updating and gate.kind != "threshold"
        if self.plan.skipped:
            record = not_judged(gate, str(self.plan.refusal))
        elif self.plan.refusal:
            record = judge(gate, self.table, self.reference)
            record.verdict, record.reason = "undecided", self.plan.refusal
        elif updating:
            record = not_judged(gate, "the baseline is being written")
        elif missing:
            record = not_judged(
                gate, f"{missing} of the {self.plan.samples} planned samples were not selected"
            )
        elif gate.name in self.plan.left_out:
            record = not_judged(gate, "the gate was not selected")
        elif early is not None:
            record = early
        elif gate.term.metric in self.corpus.names:
            record = self.corpus.judge(gate, self.table)
        else:
            record = judge(gate, self.table, self.reference)
        left = self.plan.selected - self.done
        if record.verdict == "undecided" and left and self.stopped is not None:
            record.reason = f"{record.reason} ({self.stopped})"
        self.records[gate.name] = record
        return record

    def result(self) -> BenchmarkResult:
        """The entry of results.json; gates that nobody judged yet are judged now."""
        for gate in self.gates:
            if gate.name not in self.records:
                self.judge(gate)
        duration = self.ended - self.started
        tokens = self.performance.tokens
        return BenchmarkResult(
            name=self.plan.benchmark,
            model=self.plan.model,
            samples={
                "planned": self.plan.samples,
                "right": self.counts["right"],
                "wrong": self.counts["wrong"],
                "error": self.counts["error"],
                "skipped": self.counts["skipped"],
                "not_run": self.plan.selected - self.done - self.not_needed,
                "not_needed": self.not_needed,
                "deselected": self.plan.samples - self.plan.selected,
            },
            metrics=self.metrics() if self.done else {},
            gates=[self.records[gate.name] for gate in self.gates],
            usage=self.spending.usage,
            cost=self.spending.cost,
            saved=self.spending.saved,
            roles=self.roles,
            timing={
                "started": self.started or None,
                "duration_s": duration if self.done else None,
                "samples_per_s": self.done / duration if self.done and duration > 0 else None,
                "tokens_per_s": tokens / duration if tokens and duration > 0 else None,
            },
            performance=self.performance.record(self.table, duration) if self.done else {},
            errors=[error for _, _, error in self._errors],
            model_identity=self.plan.model_identity,
            few_shot=self.plan.few_shot,
            dataset_fingerprint=self.plan.dataset_fingerprint,
            hashes=self.digests.hashes(self.plan.task_hash),
            refusal=self.plan.refusal,
            choose_by="letters" if self.chose_by_letters else None,
            calibration=self._calibration(),
        )

    def metrics(self) -> dict[str, Metric]:
        """Each metric over the samples: accuracy, the benchmark's own, then what was measured."""
        names = self.table.metrics
        own = [name for name in names if name not in BUILT_IN_METRICS]
        measured = [name for name in CALL_METRICS if name in names]
        found = {}
        for name in ["accuracy", *self._of_epochs(), *own, *self.corpus.names, *measured]:
            if name in self.corpus.names:
                found.update(self.corpus.metric(name))
                continue
            metric = summary(name, self.table.values(name), self.table.clusters)
            if metric is not None:
                found[name] = metric
                if name == "accuracy" and self.early is not None and self.early.stopped:
                    metric.lower, metric.upper = self.early.accuracy_interval()
                if spread := self.table.spread(name):
                    metric.between, metric.within = spread
        return found

    def _of_epochs(self) -> list[str]:
        """What is told of repeated samples: all of their epochs together, and what gates ask."""
        epochs = self.plan.epochs
        told = [f"pass_at_{epochs}", f"pass_hat_{epochs}", "majority"] if epochs > 1 else []
        asked = [gate.term.metric for gate in self.gates if of_epochs(gate.term.metric)]
        return list(dict.fromkeys([*told, *asked]))

    def _calibration(self) -> Calibration | None:
        if CONFIDENCE not in self.table.metrics:
            return None
        from pytest_modeleval.gates.calibration import calibration

        return calibration(self.table)

    def _keep_error(self, row: int, result: SampleResult) -> None:
        """Those that come first in the plan, whenever they arrive."""
        told = {"id": result.id, "epoch": result.epoch, "error": result.error}
        insort(self._errors, (row, result.epoch, told), key=itemgetter(0, 1))
        del self._errors[KEPT_ERRORS:]

    def _add_spending(self, calls: Sequence[Call]) -> None:
        for call in calls:
            if call.kind == "letters":
                self.chose_by_letters = True
            self.spending.add(call)
            self.roles.setdefault(call.role, Spending()).add(call)
            self.models.setdefault(call.model, Spending()).add(call)


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
    """What a sample's calls to the model under test took: total latency, tokens, cost and
    time in the queue, and the mean times to the first and for each further token. What no call
    tells is left out."""
    own = [call for call in calls if call.role == "model"]
    found: dict[str, float] = {}
    for name in BUILT_IN_METRICS[1:]:
        values = [value for call in own if (value := _measured(call, name)) is not None]
        if values:
            mean = name in ("ttft_s", "tpot_s")
            found[name] = sum(values) / len(values) if mean else sum(values)
    return found


def _measured(call: Call, name: str) -> float | None:
    if name.endswith("_tokens"):
        return call.usage.get(name)
    if name == "queue_s" and call.cached:
        return None
    value: float | None = getattr(call, name)
    return value


def sentence(record: GateRecord) -> str:
    """The verdict as a person reads it."""
    if record.verdict in ("passed", "failed") and record.difference is not None:
        failed = "gate failed: " if record.verdict == "failed" else ""
        samples = changed_samples(record) if failed else []
        return "\n".join([f"{failed}{record.expression}: {comparison(record)}", *samples])
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
        level = 100 * (1 - (record.alpha or 0.05))
        interval = f" ({level:.4g} % interval {record.lower:.4g} to {record.upper:.4g})"
    margin = (
        f", {abs(record.slack):.4g} {'to spare' if record.slack >= 0 else 'short'}"
        if (record.slack is not None)
        else ""
    )
    return f"it is {record.value:.6g}{interval}{margin}"
