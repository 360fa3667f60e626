"""JSON Schemas of the files that this package reads and writes, made of the types that it uses."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import msgspec

from pytest_modeleval.registry.job import Job
from pytest_modeleval.registry.lock import PackLock
from pytest_modeleval.registry.pack import Pack
from pytest_modeleval.results.baseline_schema import BaselineFile
from pytest_modeleval.results.details_schema import row_schema
from pytest_modeleval.results.events import Event
from pytest_modeleval.results.leaderboard import Leaderboard
from pytest_modeleval.results.record import RunResult
from pytest_modeleval.results.run_folder import write_atomically, writing
from pytest_modeleval.results.run_state import RunState

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TYPES: dict[str, Any] = {
    "baseline": BaselineFile,
    "event": Event,
    "job": Job,
    "leaderboard": Leaderboard,
    "lock": PackLock,
    "pack": Pack,
    "results": RunResult,
    "run": RunState,
}


def schemas() -> dict[str, dict[str, Any]]:
    """The schema of each kind of file, by name."""
    found = {name: _tidy(msgspec.json.schema(kind)) for name, kind in TYPES.items()}
    found["details"] = row_schema()
    return {name: {"$schema": DIALECT, "title": name, **found[name]} for name in sorted(found)}


def write_schemas(folder: Path) -> list[Path]:
    """Write each schema as `<name>.json`. Raises ModelevalError where that cannot be."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, schema in schemas().items():
        path = folder / f"{name}.json"
        write_atomically(path, json.dumps(schema, indent=2, ensure_ascii=False) + "\n")
        written.append(path)
    return written


def _tidy(value: Any) -> Any:
    """Docstrings as they are read, the same on every version of Python."""
    if isinstance(value, dict):
        return {
            key: inspect.cleandoc(each)
            if key == "description" and isinstance(each, str)
            else _tidy(each)
            for key, each in value.items()
        }
    return [_tidy(each) for each in value] if isinstance(value, list) else value
