"""The format of a committed baseline, field by field: its JSON Schema is made of these types."""

from __future__ import annotations

from msgspec import Struct

from pytest_modeleval.migration import Format

BASELINE_VERSION = "1.0"
BASELINE = Format(
    "a baseline", BASELINE_VERSION, "update pytest-modeleval, or write it anew (--baseline-update)"
)


class BaselineEntry(Struct, frozen=True, kw_only=True):
    """One benchmark. A row of `samples`, by the sample's id, is a digest of its question and
    answer, then its score by each of the `metrics`; null where it has none. `means` are over all
    samples, for who reviews the file."""

    dataset_fingerprint: str | None
    metrics: list[str]
    means: dict[str, float]
    samples: dict[str, list[str | float | None]]


class BaselineFile(Struct, frozen=True, kw_only=True):
    """benchmarks/baselines/<alias>.json: what a model scored, by benchmark."""

    schema_version: str = BASELINE_VERSION
    model: str
    benchmarks: dict[str, BaselineEntry]
