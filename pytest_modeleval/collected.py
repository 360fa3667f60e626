"""What pytest collects for a command, without a model being asked: benchmarks as they are now.

The collection is done by a pytest of its own, which is told to load this module as a plugin.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from pytest_modeleval.errors import UsageError
from pytest_modeleval.plain_text import shown
from pytest_modeleval.results.run_state import Undertaking, undertaking

FILE = "PYTEST_MODELEVAL_COLLECTED"
"""The variable that names the file to write."""

LAST_LINES = 12
"""Of a collection that failed, which are shown."""


@dataclass(frozen=True, slots=True)
class CollectedTask:
    """A benchmark with one model, "" where none is named. `task_hash` is of what defines it, and
    `missing` says why its dataset is not at hand."""

    benchmark: str
    model: str
    task_hash: str | None = None
    dataset_fingerprint: str | None = None
    missing: str | None = None


@dataclass(frozen=True, slots=True)
class Collected:
    """All benchmarks of a command, what its samples' outcomes would depend on, where it names a
    model, the locks that its packs would have, and SHA-256 of its job's file."""

    tasks: list[CollectedTask] = field(default_factory=list)
    undertakings: list[Undertaking] = field(default_factory=list)
    packs: list[dict[str, Any]] = field(default_factory=list)
    job: str | None = None


def collect(arguments: Sequence[str], folder: Path) -> Collected:
    """What pytest collects with these arguments in this folder.

    Raises UsageError, with what pytest says, where that fails.
    """
    with TemporaryDirectory() as temporary:
        file = Path(temporary, "collected.json")
        own = ["-p", "modeleval", "-p", __name__, *arguments, "--collect-only", "-q", "--color=no"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *own],
            cwd=folder,
            env={**os.environ, FILE: str(file)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        if done.returncode or not file.is_file():
            lines = [line.rstrip() for line in done.stdout.splitlines() if line.strip()]
            said = "\n".join(f"    {shown(line[:300])}" for line in lines[-LAST_LINES:])
            raise UsageError(
                f"pytest cannot collect that now, and ends with exit status {done.returncode}:\n"
                f"{said}"
            )
        values = json.loads(file.read_text("utf-8"))
    return Collected(
        [CollectedTask(**each) for each in values["tasks"]],
        [undertaking(each) for each in values["undertakings"]],
        values["packs"],
        values["job"],
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """In the pytest that collects."""
    from pytest_modeleval.stash import RUN

    found = Collected()
    if not session.testsfailed and RUN in session.config.stash:
        found = _found(session)
    Path(os.environ[FILE]).write_text(json.dumps(asdict(found)), "utf-8")


def _found(session: pytest.Session) -> Collected:
    import msgspec

    from pytest_modeleval.items import MissingItem
    from pytest_modeleval.pack_locks import packs_now
    from pytest_modeleval.resuming import undertaking_of
    from pytest_modeleval.stash import RUN

    run = session.config.stash[RUN]
    groups = [group for group in run.groups if group.selected]
    tasks = [
        CollectedTask(group.name, group.model, group.task_hash, group.samples.dataset.fingerprint)
        for group in groups
    ]
    tasks += [
        CollectedTask(item.plan.benchmark, item.plan.model, missing=item.plan.refusal)
        for item in session.items
        if isinstance(item, MissingItem)
    ]
    packs = [msgspec.to_builtins(each.lock) for each in packs_now(run.groups)]
    undertakings = [undertaking_of(run, each) for each in groups if run.models.specs]
    job = run.settings.job.record.hash if run.settings.job is not None else None
    return Collected(tasks, undertakings, packs, job)
