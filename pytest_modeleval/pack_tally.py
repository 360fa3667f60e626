"""A pack's score with one model, made of its tasks' results, and the gates on it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from pytest_modeleval.gates import Gate, not_judged, parse_gates
from pytest_modeleval.gates.derived import of_epochs
from pytest_modeleval.gates.evaluation import compare_value, holds
from pytest_modeleval.gates.gate import number
from pytest_modeleval.registry.reading import SCORE
from pytest_modeleval.results.record import GateRecord, PackResult, PackTaskResult
from pytest_modeleval.statistics.combination import Estimate, weighted_mean
from pytest_modeleval.statistics.summary import metric_interval
from pytest_modeleval.tally import Tally

METHOD = "MOVER"
"""Of the interval: the method of variance estimates recovery."""


@dataclass(slots=True)
class PackPlan:
    """What a pack sets out to do with one model: plain values, so that a worker can send it.

    `tasks` have name, metric, weight, and the names of their `benchmarks`. `policy` is that of the
    pack, with the names of all required tasks. `left_out` names the gates that were not selected.
    """

    name: str
    version: str
    file: str
    hash: str
    model: str
    node_prefix: str
    location: tuple[str, int | None, str]
    aggregate: str
    policy: dict[str, Any]
    tasks: list[dict[str, Any]]
    gates: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Task:
    """What is known of a task: its estimate, and how low and high it may be, whatever became of
    samples that have no value. `problem` says why there is none."""

    estimate: Estimate | None = None
    low: float = -math.inf
    high: float = math.inf
    problem: str | None = None


class PackTally:
    """A pack's score and gates, of the tallies of its benchmarks with one model."""

    def __init__(self, plan: PackPlan) -> None:
        self.plan = plan
        self.gates: Sequence[Gate] = parse_gates(plan.gates)
        self.tallies: Sequence[Tally] = ()
        self.records: dict[str, GateRecord] = {}

    def judge(self, gate: Gate) -> GateRecord:
        """The gate's verdict now; it is kept under the gate's name."""
        self.records[gate.name] = self._judge(gate)
        return self.records[gate.name]

    def result(self) -> PackResult:
        """The entry of results.json; gates that nobody judged yet are judged now."""
        for gate in self.gates:
            if gate.name not in self.records:
                self.judge(gate)
        plan = self.plan
        tasks = {task["name"]: self._task(task) for task in plan.tasks}
        score = self._score(tasks)
        estimate = score.estimate or Estimate(math.nan, None, None)
        return PackResult(
            name=plan.name,
            version=plan.version,
            file=plan.file,
            hash=plan.hash,
            model=plan.model,
            aggregate=plan.aggregate,
            policy=plan.policy,
            score=None if score.estimate is None else estimate.value,
            lower=estimate.lower,
            upper=estimate.upper,
            reason=score.problem or self._not_selected() or self._against_policy(tasks),
            tasks=[self._task_result(task, tasks[task["name"]]) for task in plan.tasks],
            gates=[self.records[gate.name] for gate in self.gates],
        )

    def _judge(self, gate: Gate) -> GateRecord:
        if gate.name in self.plan.left_out:
            return not_judged(gate, "the gate was not selected")
        if missing := self._not_selected():
            return not_judged(gate, missing)
        tasks = {task["name"]: self._task(task) for task in self.plan.tasks}
        record = GateRecord(gate.name, gate.expression, "undecided", threshold=gate.threshold)
        of = gate.term.metric
        found = self._score(tasks) if of == SCORE else tasks[of]
        problem = found.problem or self._against_policy(tasks)
        if problem or found.estimate is None:
            record.reason = problem
            return record
        record.lower, record.upper = found.estimate.lower, found.estimate.upper
        record.alpha = round(1 - self.plan.policy["confidence"], 12)
        record.method = METHOD
        value = found.estimate.value
        low, high = found.low, found.high
        if gate.term.limit:
            end = getattr(found.estimate, gate.term.limit)
            if end is None or low != high:
                why = "has no interval" if end is None else f"has {self._unknown()}"
                record.reason = f"{gate.term} cannot be said: {of} {why}"
                return record
            value = low = high = end
        threshold = gate.threshold or 0.0
        if holds(gate.comparison, low, threshold) != holds(gate.comparison, high, threshold):
            record.value = value
            record.reason = (
                f"{self._unknown()}: {gate.term} may be from {low:.6g} to {high:.6g}, and "
                f"{gate.comparison} {number(threshold)} is asked for"
            )
        else:
            compare_value(record, gate, value)
        return record

    # ---------------------------------------------------------------- the score

    def _score(self, tasks: Mapping[str, _Task]) -> _Task:
        """Of the tasks that have a result. Where one that is required has none, there is none."""
        for name in self.plan.policy["required"]:
            if tasks[name].estimate is None:
                return _Task(problem=f"{name} is required: {tasks[name].problem}")
        there = [task for task in self.plan.tasks if tasks[task["name"]].estimate is not None]
        if not there:
            return _Task(problem="no task has a result")
        weighted = self.plan.aggregate == "weighted_mean"
        weights = [float(task["weight"]) if weighted else 1.0 for task in there]
        return _combined([tasks[task["name"]] for task in there], weights)

    def _task(self, task: Mapping[str, Any]) -> _Task:
        found = []
        for tally in self._tallies_of(task):
            of_benchmark = self._benchmark(tally, task["metric"])
            if of_benchmark.estimate is None:
                return of_benchmark
            found.append(of_benchmark)
        if not found:
            return _Task(problem="it was not selected")
        return _combined(found, [1.0] * len(found))

    def _benchmark(self, tally: Tally, metric: str) -> _Task:
        if tally.plan.refusal:
            return _Task(problem=tally.plan.refusal)
        summed = tally.metrics().get(metric) if tally.done else None
        if summed is None:
            why = f"no sample has {metric}" if tally.done else "no sample was run"
            return _Task(problem=f"{tally.plan.benchmark}: {why}")
        estimate = Estimate(summed.value, summed.lower, summed.upper)
        if (
            metric not in tally.table.metrics and of_epochs(metric) is None
        ):  # of all samples at once
            whole = not (tally.counts["error"] or tally.plan.selected - tally.done)
            return _Task(estimate, summed.value, summed.value) if whole else _Task(estimate)
        level = self.plan.policy["confidence"]
        if level != 0.95:
            estimate = _at_level(tally, metric, summed.value, level)
        bounds = tally.table.bounds(metric, range(tally.table.samples))
        if bounds.low is bounds.high:
            return _Task(estimate, summed.value, summed.value)
        low, high = (math.fsum(each) / len(each) for each in (bounds.low, bounds.high))
        return _Task(estimate, low, high)

    # ---------------------------------------------------------------- what stands in its way

    def _not_selected(self) -> str | None:
        """Why the gates have no effect: planned samples were left out by the user."""
        for task in self.plan.tasks:
            if len(self._tallies_of(task)) < len(task["benchmarks"]):
                return f"{task['name']} was not selected whole"
        planned = sum(tally.plan.samples for tally in self.tallies)
        missing = planned - sum(tally.plan.selected for tally in self.tallies)
        if missing:
            return f"{missing} of the {planned} planned samples were not selected"
        skipped = [tally.plan for tally in self.tallies if tally.plan.skipped]
        return skipped[0].refusal if skipped else None

    def _against_policy(self, tasks: Mapping[str, _Task]) -> str | None:
        """Why the score does not count, by the pack's own policy."""
        policy = self.plan.policy
        errors = sum(tally.counts["error"] for tally in self.tallies)
        planned = sum(tally.plan.selected for tally in self.tallies)
        if errors > allowed_errors(policy["max_errors"], planned):
            return (
                f"{errors} of {planned} samples failed with an error, and the pack's policy allows "
                f"{policy['max_errors']}"
            )
        for task in self.plan.tasks:
            judged = self._judged(task)
            if tasks[task["name"]].estimate is not None and judged < policy["min_samples"]:
                return (
                    f"{task['name']} has {judged} samples that were judged, and the pack's policy "
                    f"asks for {policy['min_samples']}"
                )
        return None

    def _unknown(self) -> str:
        errors = sum(tally.counts["error"] for tally in self.tallies)
        planned = sum(tally.plan.samples for tally in self.tallies)
        left = planned - sum(tally.done for tally in self.tallies)
        told = [f"{errors} in error" * bool(errors), f"{left} not run" * bool(left)]
        return f"{' and '.join(filter(None, told)) or 'some without a value'} of {planned} samples"

    # ---------------------------------------------------------------- its parts

    def _tallies_of(self, task: Mapping[str, Any]) -> list[Tally]:
        return [tally for tally in self.tallies if tally.plan.benchmark in task["benchmarks"]]

    def _judged(self, task: Mapping[str, Any]) -> int:
        tallies = self._tallies_of(task)
        return sum(tally.counts["right"] + tally.counts["wrong"] for tally in tallies)

    def _task_result(self, task: Mapping[str, Any], found: _Task) -> PackTaskResult:
        estimate = found.estimate
        return PackTaskResult(
            name=task["name"],
            benchmarks=list(task["benchmarks"]),
            metric=task["metric"],
            weight=float(task["weight"]),
            value=None if estimate is None else estimate.value,
            lower=None if estimate is None else estimate.lower,
            upper=None if estimate is None else estimate.upper,
            judged=self._judged(task),
            errors=sum(tally.counts["error"] for tally in self._tallies_of(task)),
            reason=found.problem,
        )


def allowed_errors(said: int | str, planned: int) -> int:
    """How many of `planned` samples may fail with an error: a number, or a share such as "1%"."""
    text = str(said)
    if text.endswith("%"):
        return int(planned * Fraction(text[:-1]) / 100)
    return int(text)


def pack_tallies(tallies: Iterable[Tally], known: dict[tuple[str, str], PackTally]) -> None:
    """Give each pack, by its file and model, what there is of its benchmarks."""
    found: dict[tuple[str, str], list[Tally]] = {}
    for tally in tallies:
        if tally.plan.pack is not None:
            found.setdefault((tally.plan.pack["file"], tally.plan.model), []).append(tally)
    for key, own in found.items():
        if key not in known:
            plan = own[0].plan.pack or {}
            known[key] = PackTally(PackPlan(**{**plan, "location": tuple(plan["location"])}))
        known[key].tallies = own


def _at_level(tally: Tally, metric: str, value: float, level: float) -> Estimate:
    values, clusters = tally.table.values(metric), tally.table.clusters
    present = [row for row, each in enumerate(values) if not math.isnan(each)]
    lower, upper, _ = metric_interval(
        metric,
        [values[row] for row in present],
        level,
        None if clusters is None else [clusters[row] for row in present],
    )
    return Estimate(value, lower, upper)


def _combined(tasks: Sequence[_Task], weights: Sequence[float]) -> _Task:
    estimates = [each.estimate for each in tasks if each.estimate is not None]

    def mean(values: Sequence[float]) -> float:
        return weighted_mean([Estimate(each, None, None) for each in values], weights).value

    return _Task(
        weighted_mean(estimates, weights),
        mean([each.low for each in tasks]),
        mean([each.high for each in tasks]),
    )
