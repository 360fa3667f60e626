"""results.json: a whole run, and the source of truth for every other summary."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

from pytest_modeleval.errors import ModelevalError
from pytest_modeleval.migration import Format, Notice, print_notice, up_to_date
from pytest_modeleval.results.record import (
    SCHEMA_VERSION,
    BenchmarkResult,
    Calibration,
    GateRecord,
    Hashes,
    JobRecord,
    Metric,
    PackResult,
    PackTaskResult,
    PluginRecord,
    ReliabilityBin,
    RunResult,
    Spending,
)
from pytest_modeleval.results.run_folder import run_path, write_atomically

Record = TypeVar("Record")

RESULTS = Format(
    "results.json",
    SCHEMA_VERSION,
    "update pytest-modeleval, or read it with the version that wrote it",
)


def write_results(path: Path, result: RunResult) -> None:
    """Write results.json, the whole file or none. Raises ModelevalError where that cannot be."""
    values = {"schema_version": result.schema_version, **asdict(result)}
    write_atomically(path, to_json(values, indent=2) + "\n")


def read_results(path: Path, notice: Notice = print_notice) -> RunResult:
    """Read results.json, or that of a run's folder.

    Fields that a later minor version added are passed over; `notice` is told of a file that was
    older. Raises ModelevalError for a file that is not there, is not results.json, or is newer.
    """
    path = run_path(path)
    if path.is_dir():
        path = path / "results.json"
    try:
        values = json.loads(path.read_text("utf-8"))
        version = values["schema_version"]
        return _run(up_to_date(RESULTS, version, values, str(path), notice))
    except OSError as error:
        raise ModelevalError(
            f"cannot read {path}: {(error.strerror or str(error)).lower()}: name the folder of a "
            "run, or its results.json"
        ) from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelevalError(
            f"{path} is not the results.json of a run ({error!r}): run the benchmarks again"
        ) from error


def to_json(value: Any, *, indent: int | None = None) -> str:
    """JSON text. What JSON does not have becomes what comes closest: NaN and infinities null, other
    objects their `str`. A lone surrogate stays, to be escaped when the text is encoded."""
    encode = _COMPACT.encode if indent is None else _encoder(indent).encode
    try:
        return encode(value)
    except (ValueError, TypeError):
        return encode(plain(value))


def _encoder(indent: int | None) -> json.JSONEncoder:
    return json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=str, indent=indent)


_COMPACT = _encoder(None)


def plain(value: Any) -> Any:
    """The value in JSON's own types: keys are text, a number that is not finite is null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return str(value)


def _run(values: dict[str, Any]) -> RunResult:
    run = _record(RunResult, values)
    run.job = _record(JobRecord, values["job"]) if values.get("job") else None
    run.models = _spendings(values.get("models"))
    run.plugins = [_record(PluginRecord, each) for each in values.get("plugins", ())]
    run.benchmarks = [_benchmark(each) for each in values["benchmarks"]]
    run.packs = [_pack(each) for each in values.get("packs", ())]
    return run


def _benchmark(values: dict[str, Any]) -> BenchmarkResult:
    benchmark = _record(BenchmarkResult, values)
    benchmark.metrics = {
        name: _record(Metric, each) for name, each in values.get("metrics", {}).items()
    }
    benchmark.roles = _spendings(values.get("roles"))
    benchmark.hashes = _record(Hashes, values.get("hashes") or {})
    if calibration := values.get("calibration"):
        benchmark.calibration = _record(Calibration, calibration)
        benchmark.calibration.bins = [
            _record(ReliabilityBin, each) for each in calibration.get("bins", ())
        ]
    benchmark.gates = [_record(GateRecord, each) for each in values.get("gates", ())]
    return benchmark


def _pack(values: dict[str, Any]) -> PackResult:
    pack = _record(PackResult, values)
    pack.tasks = [_record(PackTaskResult, each) for each in values.get("tasks", ())]
    pack.gates = [_record(GateRecord, each) for each in values.get("gates", ())]
    return pack


def _spendings(values: Any) -> dict[str, Spending]:
    return {name: _record(Spending, each) for name, each in (values or {}).items()}


def _record(kind: type[Record], values: dict[str, Any]) -> Record:
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in values.items() if name in names})
