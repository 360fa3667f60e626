"""`modeleval noise`: what a benchmark's score varies by, and which gates are inside that."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pytest_modeleval.errors import ModelevalError, UsageError
from pytest_modeleval.gates import Term, parse_gate
from pytest_modeleval.noise_runs import BASE, SAME, Planned, check_arguments, plan_runs, run_all
from pytest_modeleval.plain_text import one_line
from pytest_modeleval.results.record import BenchmarkResult, GateRecord
from pytest_modeleval.results.results_json import read_results
from pytest_modeleval.results.run_folder import new_run_id
from pytest_modeleval.results.samples import AnsweredSample, RunSamples, read_samples
from pytest_modeleval.statistics.clusters import mean_variance
from pytest_modeleval.statistics.noise import HARDLY, INSIDE, Change, change, decoding
from pytest_modeleval.statistics.summary import QUANTITIES

METRIC = "accuracy"
DECIDED = ("passed", "failed")
COLUMNS = ("source", "what differs", "runs", METRIC, "deviation", "share", "answers changed")
DIFFERS = {
    SAME: "nothing",
    "order": "order of the samples",
    "batch size": "--concurrency",
    "decoding": "--modeleval-seed",
}


@dataclass(slots=True)
class Run:
    """One benchmark in one run."""

    condition: str
    result: BenchmarkResult
    samples: dict[str, AnsweredSample]


@dataclass
class Repeated:
    """One benchmark with one model, in all runs; the first is the one that the others vary."""

    runs: list[Run]

    @cached_property
    def ids(self) -> list[str]:
        """The samples that every run answered, and that are the same in all."""
        return [
            sample_id
            for sample_id, first in self.runs[0].samples.items()
            if all(
                (sample := run.samples.get(sample_id)) is not None
                and sample.epochs
                and not sample.unanswered
                and sample.digest == first.digest
                for run in self.runs
            )
        ]

    def under(self, condition: str) -> list[Run]:
        """The first run, and those that differ from it in this."""
        return [each for each in self.runs if each.condition in (BASE, condition)]

    def clusters(self, ids: Sequence[str]) -> list[str | None] | None:
        found = [self.runs[0].samples[each].cluster for each in ids]
        return found if any(each is not None for each in found) else None

    def change(self, condition: str, term: Term) -> Change | None:
        """How much the mean of a metric changes under the condition; None where it is no mean of
        the samples' own values, or too few runs have them."""
        if term.statistic not in (None, "mean") or term.limit:
            return None
        ids = [
            each
            for each in self.ids
            if term.column is None or self.runs[0].samples[each].fields[term.column] == term.value
        ]
        scores = []
        for run in self.under(condition):
            values = [run.samples[each].mean(term.metric) for each in ids]
            present = [each for each in values if each is not None]
            if len(present) < len(values):
                return None
            scores.append(present)
        return change(scores, self.clusters(ids))


def noise(arguments: Sequence[str], count: int, out: Path | None) -> tuple[str, int]:
    """Run the benchmarks that pytest finds with these arguments, `count` times under each
    condition. Returns the report, and how many runs failed.

    Raises:
        UsageError: `count` is less than 2, the folder is not empty, or an argument is one that the
            runs are given here.
        ModelevalError: the first run failed, or nothing can be compared.
    """
    if count < 2:
        raise UsageError(f"--runs {count}: expected 2 or more, since runs are compared")
    check_arguments(arguments)
    folder = out if out is not None else Path(".modeleval/noise") / new_run_id()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        taken = any(folder.iterdir())
    except OSError as error:
        raise UsageError(f"--out {folder}: {error.strerror}: name another folder") from None
    if taken:
        raise UsageError(f"--out {folder} is not empty: name another folder")
    plans = plan_runs(count)
    ran = list(run_all(plans, arguments, folder))
    failed = len(plans) - len(ran)
    lines = [f"{len(ran)} runs, in {folder}"]
    if failed:
        lines.append(f"{failed} more failed: what follows is without them")
    benchmarks = _repeated(ran)
    if not benchmarks:
        raise ModelevalError(f"no benchmark has answers in the runs in {folder}")
    parts = ["\n".join(_benchmark(each)) for each in benchmarks]
    return "\n\n".join(["\n".join(lines), *parts]), failed


def _repeated(ran: Sequence[tuple[Planned, Path]]) -> list[Repeated]:
    found: dict[tuple[str, str], list[Run]] = {}
    fields: list[str] = []
    for planned, folder in ran:
        results = read_results(folder).benchmarks
        if planned.condition == BASE:
            gates = [parse_gate(gate.expression) for each in results for gate in each.gates]
            fields = sorted({column for gate in gates for column in gate.columns})
        samples: RunSamples = read_samples(folder, fields)
        for each in results:
            key = (each.name, each.model)
            own = samples.get(key)
            if own and (planned.condition == BASE or key in found):
                found.setdefault(key, []).append(Run(planned.condition, each, own))
    return [Repeated(runs) for runs in found.values()]


def _benchmark(repeated: Repeated) -> list[str]:
    first = repeated.runs[0]
    title = f"{one_line(first.result.name)}, model {one_line(first.result.model)}"
    ids = repeated.ids
    if len(ids) < 2:
        return [title, "  fewer than two samples were answered in every run: nothing can be said"]
    left = len(first.samples) - len(ids)
    clusters = repeated.clusters(ids)
    scores = [first.samples[each].mean(METRIC) or 0.0 for each in ids]
    variance = mean_variance(scores, clusters)
    error = "" if variance is None else f", standard error {math.sqrt(variance):.4f}"
    if clusters is not None:
        error += f" over {len(set(clusters))} clusters"
    lines = [
        title,
        f"  {METRIC} {math.fsum(scores) / len(ids):.4f} of {len(ids)} samples{error}",
    ]
    if left:
        lines.append(f"  {left} more were not answered in every run, and are left out")
    return [
        *lines,
        "",
        *_sources(repeated, variance),
        "",
        *_epochs(repeated),
        *_gates(repeated),
    ]


def _sources(repeated: Repeated, variance: float | None) -> list[str]:
    """The table: what of the score's spread comes from where."""
    from tabulate import tabulate

    changes = {name: repeated.change(name, Term(METRIC)) for name in DIFFERS}
    divided = decoding(*_answers(repeated))
    by_itself = (same.deviation if (same := changes[SAME]) is not None else 0.0) ** 2
    parts = {"sampling": divided.samples if divided is not None else variance or 0.0}
    for name, each in changes.items():
        own = each.deviation**2 if each is not None else 0.0
        parts[name] = own if name == SAME else max(0.0, own - by_itself)
    total = math.fsum(parts.values())
    rows = [_row("sampling", "the samples", "", "", math.sqrt(variance or 0.0), parts, total, "")]
    for name, each in changes.items():
        if each is None:
            rows.append([name, DIFFERS[name], "0", "no run to compare with", "", "", ""])
            continue
        runs = repeated.under(name)
        means = [_mean(run, repeated.ids) for run in runs]
        between = f"{min(means):.4f} to {max(means):.4f}"
        changed = f"{each.changed:.1%}"
        count = str(len(runs))
        rows.append(
            _row(name, DIFFERS[name], count, between, each.deviation, parts, total, changed)
        )
    table = str(tabulate(rows, COLUMNS, disable_numparse=True))
    return [f"  {line}" for line in table.splitlines()]


def _row(
    name: str,
    differs: str,
    runs: str,
    scores: str,
    deviation: float,
    parts: dict[str, float],
    total: float,
    changed: str,
) -> list[str]:
    share = f"{parts[name] / total:.0%}" if total else ""
    return [name, differs, runs, scores, f"{deviation:.4f}", share, changed]


def _mean(run: Run, ids: Sequence[str]) -> float:
    return math.fsum(run.samples[each].mean(METRIC) or 0.0 for each in ids) / len(ids)


def _answers(repeated: Repeated) -> tuple[list[list[float]], list[str | None] | None]:
    """The scores of each sample's answers with different seeds, and the samples' clusters."""
    runs = repeated.under("decoding")
    found = [
        [epoch[METRIC] for run in runs for epoch in run.samples[each].epochs if METRIC in epoch]
        for each in repeated.ids
    ]
    return found, repeated.clusters(repeated.ids)


def _epochs(repeated: Repeated) -> list[str]:
    divided = decoding(*_answers(repeated))
    if divided is None:
        return []
    now = max(len(sample.epochs) for sample in repeated.runs[0].samples.values())
    enough = divided.epochs()
    if enough is None:
        return [
            f"  epochs: none are enough to make decoding add less than {HARDLY:.0%} to the "
            "standard error, since the samples hardly differ: more samples help"
        ]
    added = f"decoding then adds {divided.added(enough):.1%} to the standard error"
    if enough != now:
        added += f", and with {now} as now {divided.added(now):.1%}"
    return [f"  epochs: {enough} {'is' if enough == 1 else 'are'} enough ({added})"]


def _gates(repeated: Repeated) -> list[str]:
    gates = repeated.runs[0].result.gates
    if not gates:
        return []
    return ["  gates:", *(f"    {each}" for gate in gates for each in _gate(repeated, gate))]


def _gate(repeated: Repeated, gate: GateRecord) -> Iterator[str]:
    """What is said of one gate. Times and money depend on the batch size, and tokens on what is
    decoded: for them only what the same run changes is noise. A gate against a baseline allows for
    noise by its test."""
    name = one_line(gate.expression)
    parsed = parse_gate(gate.expression)
    conditions = [SAME] if parsed.term.metric in QUANTITIES else list(DIFFERS)
    runs = [run for run in repeated.runs if run.condition in (BASE, *conditions)]
    verdicts = [record.verdict for run in runs for record in _same(run, gate)]
    passed = verdicts.count("passed")
    flips = passed > 0 and "failed" in verdicts
    told = f"passed in {passed} of {len(verdicts)} runs"
    for verdict in ("undecided", "not judged"):
        if verdict in verdicts:
            told += f", {verdict} in {verdicts.count(verdict)}"
    noisiest = max(
        ((_deviation(repeated, gate, parsed.term, each), each) for each in conditions),
        key=lambda found: found[0],
    )
    width, source = INSIDE * noisiest[0], noisiest[1]
    if gate.slack is None or parsed.kind != "threshold":
        yield f"{name}: inside the noise: {told}" if flips else f"{name}: {told}"
    elif flips or abs(gate.slack) < width:
        yield (
            f"{name}: inside the noise: slack {gate.slack:+.4g}, and {INSIDE:g} standard "
            f"deviations from run to run are {width:.4g} ({source}); {told}"
        )
    else:
        yield f"{name}: outside the noise: slack {gate.slack:+.4g}, noise {width:.4g}; {told}"


def _deviation(repeated: Repeated, gate: GateRecord, term: Term, condition: str) -> float:
    """The standard deviation of a gate's value from run to run."""
    values = [
        record.value
        for run in repeated.under(condition)
        for record in _same(run, gate)
        if record.value is not None and record.verdict in DECIDED
    ]
    found = repeated.change(condition, term)
    return max(
        statistics.stdev(values) if len(values) > 1 else 0.0,
        found.deviation if found is not None else 0.0,
    )


def _same(run: Run, gate: GateRecord) -> list[GateRecord]:
    return [each for each in run.result.gates if each.name == gate.name]
