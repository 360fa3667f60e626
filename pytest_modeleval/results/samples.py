"""What each sample of a run scored, read back from its details."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from pytest_modeleval.migration import Notice, print_notice
from pytest_modeleval.results.details import read_details

COLUMNS = ("benchmark", "model", "id", "epoch", "input", "target", "outcome", "scores", "cluster")
BATCH = 10_000


@dataclass(slots=True)
class AnsweredSample:
    """One sample of one benchmark with one model.

    `digest` is of its question and answer. `epochs` has the scores of each repetition, in their
    order; one that errored scored an accuracy of 0, and one that was skipped or not run is not
    there. `unanswered` says that one at least errored or was not run. `fields` are the metadata
    that were asked for.
    """

    digest: str
    cluster: str | None = None
    epochs: list[dict[str, float]] = field(default_factory=list)
    unanswered: bool = False
    fields: dict[str, Any] = field(default_factory=dict)

    def mean(self, metric: str) -> float | None:
        """The mean over its epochs; None where none has the metric."""
        values = [each[metric] for each in self.epochs if metric in each]
        return math.fsum(values) / len(values) if values else None

    @property
    def metrics(self) -> list[str]:
        return list(dict.fromkeys(name for each in self.epochs for name in each))


RunSamples = dict[tuple[str, str], dict[str, AnsweredSample]]
"""(benchmark, model) → sample id → sample."""


def digest(question: str, answer: str) -> str:
    """Eight hex digits that change with the sample's input or target."""
    text = f"{question}\0{answer}".encode("utf-8", "surrogatepass")
    return blake2b(text, digest_size=4).hexdigest()


def read_samples(
    folder: Path, fields: Sequence[str] = (), notice: Notice = print_notice
) -> RunSamples:
    """The samples of a run's folder, with these fields of their metadata. Raises ModelevalError
    where it has no details, or some that are newer; `notice` is told where they are older."""
    columns = [*COLUMNS, "metadata"] if fields else list(COLUMNS)
    table = read_details(folder, columns=columns, notice=notice)
    found: RunSamples = {}
    for batch in table.to_batches(max_chunksize=BATCH):
        for row in batch.to_pylist():
            samples = found.setdefault((row["benchmark"], row["model"]), {})
            sample = samples.get(row["id"])
            if sample is None:
                sample = samples[row["id"]] = AnsweredSample(
                    digest(row["input"], row["target"]), row["cluster"]
                )
                if fields:
                    metadata = json.loads(row["metadata"])
                    sample.fields = {name: metadata.get(name) for name in fields}
            if row["outcome"] in ("right", "wrong"):
                sample.epochs.append(dict(row["scores"]))
            elif row["outcome"] == "error":
                sample.epochs.append({"accuracy": 0.0})
            sample.unanswered |= row["outcome"] in ("error", "not_run")
    return found
