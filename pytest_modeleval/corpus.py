"""What the bodies of a benchmark recorded for metrics over all of its samples."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_modeleval.corpus_metric import CorpusMetric
from pytest_modeleval.errors import ModelevalError
from pytest_modeleval.gates import Gate, Table
from pytest_modeleval.gates.corpus import judge_corpus
from pytest_modeleval.results.record import GateRecord, Metric, SampleResult


class Corpus:
    """The recorded values of a benchmark's samples, and the metrics that are made of them.

    `fields` are those of each `CorpusMetric`. Without any, nothing is kept.
    """

    def __init__(self, fields: Sequence[Mapping[str, Any]]) -> None:
        self._metrics = [CorpusMetric(**each) for each in fields]
        self.names = [name for metric in self._metrics for name in metric.names]
        self._values: dict[int, list[str]] = {}
        self._found: dict[str, Metric] | None = None
        self._problems: dict[str, str] = {}

    def add(self, row: int, result: SampleResult) -> None:
        """Take in one epoch of a sample. What an epoch that errored recorded is left out: it is of
        half an answer."""
        if self._metrics and result.values and result.outcome in ("right", "wrong"):
            # As text, a sample takes a tenth of what its objects would.
            self._values.setdefault(row, []).append(json.dumps(result.values))
            self._found = None

    def metric(self, name: str) -> dict[str, Metric]:
        """The metric by its name; nothing where it could not be computed."""
        found = self._computed()
        return {name: found[name]} if name in found else {}

    @property
    def problems(self) -> list[str]:
        """Why metrics could not be computed."""
        self._computed()
        return list(dict.fromkeys(self._problems.values()))

    def judge(self, gate: Gate, table: Table) -> GateRecord:
        """The verdict on a gate over one of the metrics."""
        name = gate.term.metric
        whole = sum(len(each) == table.epochs for each in self._values.values())
        found = self._computed().get(name)
        return judge_corpus(gate, table, whole, found, self._problems.get(name))

    def _computed(self) -> dict[str, Metric]:
        if self._found is None:
            self._found = {}
            self._problems = {}
            rows = sorted(self._values)
            values = [json.loads(text) for row in rows for text in self._values[row]]
            for metric in self._metrics if values else ():
                try:
                    self._found.update(metric.compute(values, len(rows)))
                except ModelevalError as error:
                    self._problems.update(dict.fromkeys(metric.names, str(error)))
        return self._found
