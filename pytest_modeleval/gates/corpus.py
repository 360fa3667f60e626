"""Gates over metrics of the whole corpus: no sample has a value of its own."""

from __future__ import annotations

from pytest_modeleval.errors import GateError
from pytest_modeleval.gates.evaluation import compare_value, not_judged, unknown_samples
from pytest_modeleval.gates.gate import Gate
from pytest_modeleval.gates.table import Bounds, Table
from pytest_modeleval.results.record import GateRecord, Metric


def check_corpus(gate: Gate) -> None:
    """Raises GateError for more than a comparison of the value with a number."""
    term = gate.term
    if gate.kind != "threshold" or term.statistic or term.limit or term.column:
        raise GateError(
            f"gate {gate.expression}: {term.metric} is one number of all samples together: compare "
            f"it with a number, as {term.metric} >= 0.6"
        )


def judge_corpus(
    gate: Gate, table: Table, recorded: int, found: Metric | None, problem: str | None
) -> GateRecord:
    """The gate's verdict, once every sample has `recorded` its values: nobody knows how far one
    more could move the metric. `problem` says why it could not be computed."""
    record = not_judged(gate, "")
    record.verdict, record.reason = "undecided", problem
    record.value = None if found is None else found.value
    known = table.bounds("accuracy", range(table.samples))
    missing = len(known.low) - recorded
    if missing > 0:
        not_recorded = max(0, missing - known.errored - known.not_run)
        bounds = Bounds(known.low, known.high, known.errored, known.not_run, not_recorded)
        record.reason = f"{unknown_samples(bounds)}, and {gate.term} needs every value"
    elif found is not None:
        compare_value(record, gate, found.value)
    return record
