"""run.json: what a run set out to do and how far it came, readable after any crash."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from pytest_modeleval.migration import Format, Notice, print_notice, up_to_date
from pytest_modeleval.results.results_json import to_json
from pytest_modeleval.results.run_folder import RUN_STATE, write_atomically

VERSION = "1.0"
STATE = Format("run.json", VERSION, "update pytest-modeleval, or start anew with --resume no")


@dataclass(slots=True)
class Undertaking:
    """One benchmark with one model: all that its samples' outcomes depend on.

    `source` is the SHA-256 of the benchmark's own file, `dataset` the dataset's fingerprint,
    `weights` that of a local model's files. `parameters` are texts by name.
    """

    benchmark: str
    model: str
    source: str
    dataset: str
    weights: str | None
    parameters: dict[str, str]


@dataclass(slots=True)
class RunState:
    """run.json is this, as it is.

    `state` says "running" also after a crash: then nobody holds the folder's lock. `reason` says
    why a run is incomplete. `command_digest` tells the same command in the same folders. Times are
    seconds since 1970. `identities` are the models that have answered, by alias.
    """

    run_id: str
    state: Literal["running", "complete", "incomplete"]
    command: list[str]
    command_digest: str
    pid: int
    started: float
    updated: float
    attempts: int = 1
    reason: str | None = None
    undertakings: list[Undertaking] = field(default_factory=list)
    identities: dict[str, dict[str, Any]] = field(default_factory=dict)
    schema_version: str = VERSION


def write_state(folder: Path, state: RunState) -> None:
    """Write run.json, whole or not at all. Raises ModelevalError where that cannot be."""
    write_atomically(folder / RUN_STATE, to_json(asdict(state), indent=2) + "\n")


def read_state(folder: Path, notice: Notice = print_notice) -> RunState | None:
    """The state of the run in a folder; None where there is none. `notice` is told of one that was
    older. Raises ModelevalError for one that is newer."""
    file = folder / RUN_STATE
    try:
        values = json.loads(file.read_text("utf-8"))
        values = up_to_date(STATE, values["schema_version"], values, str(file), notice)
        known = {name: values[name] for name in RunState.__slots__ if name in values}
        undertakings = [undertaking(each) for each in known.pop("undertakings", ())]
        return RunState(**known, undertakings=undertakings)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def undertaking(values: Mapping[str, Any]) -> Undertaking:
    """From JSON; fields that a later version added are passed over."""
    return Undertaking(**{name: values[name] for name in Undertaking.__slots__})


def changes(before: Sequence[Undertaking], now: Sequence[Undertaking]) -> list[str]:
    """What is not as it was, each in a few words. A benchmark that is new has not changed."""
    known = {(each.benchmark, each.model): each for each in before}
    found: dict[str, None] = {}
    for each in now:
        models = _models(before, each.benchmark)
        if (old := known.get((each.benchmark, each.model))) is not None:
            found.update(dict.fromkeys(_differences(old, each)))
        elif models:
            found[f"the model was {models} and is {_models(now, each.benchmark)}"] = None
    return list(found)


def _models(undertakings: Sequence[Undertaking], benchmark: str) -> str:
    return ", ".join(each.model for each in undertakings if each.benchmark == benchmark)


def _differences(old: Undertaking, new: Undertaking) -> list[str]:
    found = []
    if old.source != new.source:
        found.append(f"the file of benchmark {new.benchmark} has changed")
    if old.dataset != new.dataset:
        found.append(f"the dataset of {new.benchmark} has changed")
    if old.weights != new.weights:
        found.append(f"the files of model {new.model} have changed")
    for name in sorted(old.parameters.keys() | new.parameters.keys()):
        before, after = (each.parameters.get(name, "not given") for each in (old, new))
        if before != after:
            found.append(f"{name} was {before} and is {after}")
    return found
