"""Which run this is: a new one, or an unfinished one of the same command that goes on.

The process that reports holds the run's folder. What has changed since an unfinished run began only
a process with the samples can tell, which under xdist is a worker. So it goes in three steps:

    reporting process    find ─► an unfinished run whose folder it now holds, or none
    process with samples survey ─► what this run sets out to do, what has changed, what is kept
    reporting process    settle ─► the folder that this run writes into
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_modeleval.errors import ModelevalError, UsageError
from pytest_modeleval.items import is_kept
from pytest_modeleval.models.catalog import ModelSpec
from pytest_modeleval.models.weights import checkpoint_files, gguf_files, revision
from pytest_modeleval.models.weights import settings as told_engine
from pytest_modeleval.packs import PackModule
from pytest_modeleval.plain_text import shown
from pytest_modeleval.results.command import without_secrets
from pytest_modeleval.results.folder_lock import FolderLock
from pytest_modeleval.results.run_folder import (
    RUN_STATE,
    RunFolder,
    folder_of,
    new_run_id,
    run_path,
    runs_folder,
    write_atomically,
)
from pytest_modeleval.results.run_state import (
    RunState,
    Undertaking,
    changes,
    read_state,
    undertaking,
)
from pytest_modeleval.settings import RunConfig

if TYPE_CHECKING:
    from pytest_modeleval.group import SampleGroup
    from pytest_modeleval.run import Run

MOST_LOOKED_AT = 200
"""So many runs, the latest ones, are looked at for one of the same command."""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A run that may go on. `named` says that the user named it, so that it must. The lock is held
    by the process that reports."""

    path: Path
    state: RunState
    named: bool
    lock: FolderLock | None = None


@dataclass(slots=True)
class Survey:
    """What this run sets out to do. `goes_on` says whether in the unfinished run's folder, else
    `changed` may say why not; `kept` of the `selected` samples are finished already."""

    undertakings: list[Undertaking]
    goes_on: bool = False
    changed: list[str] = field(default_factory=list)
    kept: int = 0
    selected: int = 0

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Survey:
        values = json.loads(text)
        values["undertakings"] = [undertaking(each) for each in values["undertakings"]]
        return cls(**values)


def command_digest(config: pytest.Config) -> str:
    """The same for the same command in the same folders. The command itself may hold a secret."""
    params = config.invocation_params
    said = [*map(str, params.args), os.environ.get("PYTEST_ADDOPTS", "")]
    places = [str(params.dir), str(config.rootpath)]
    return sha256(json.dumps([said, places]).encode()).hexdigest()


# -------------------------------------------------------------------- the process that reports


def find(root: Path, resume: str | None, out: Path | None, digest: str) -> Unfinished | None:
    """The run that --resume names, or else the last one of the same command where that did not
    complete. Raises ModelevalError where a run is named that cannot go on."""
    if resume == "no":
        return None
    if resume is not None:
        return _named(root, resume, out)
    folders = [out] if out is not None else _latest_first(root)
    for path in folders:
        state = None
        with suppress(ModelevalError):  # a newer version's
            state = read_state(path, lambda notice: None)
        if state is not None and state.command_digest == digest:
            lock = FolderLock.take(path) if state.state != "complete" else None
            return Unfinished(path, state, named=False, lock=lock) if lock is not None else None
    return None


def _latest_first(root: Path) -> list[Path]:
    files = sorted(runs_folder(root).glob(f"*/{RUN_STATE}"), reverse=True)
    return [file.parent for file in files if file.parent.name != "latest"][:MOST_LOOKED_AT]


def _named(root: Path, resume: str, out: Path | None) -> Unfinished:
    folder = Path(resume)
    if resume == "latest" or not folder.is_dir():
        folder = run_path(runs_folder(root) / resume).resolve()
    state = read_state(folder)
    if state is None:
        raise UsageError(
            f"--resume {resume}: there is no such run: expected the id of one in "
            f"{runs_folder(root)}, the folder of a run, latest, or no"
        )
    if out is not None and out.resolve() != folder.resolve():
        raise UsageError(
            f"--resume {resume} goes on in {folder}, and --modeleval-out names {out}: name one"
        )
    lock = FolderLock.take(folder)
    if lock is None:
        raise UsageError(
            f"--resume {resume}: run {state.run_id} is still alive (process {state.pid}): wait "
            "until it has ended"
        )
    return Unfinished(folder, state, named=True, lock=lock)


class Choice:
    """The reporting process's part in it."""

    def __init__(self, config: pytest.Config, settings: RunConfig) -> None:
        self.new_id = new_run_id()
        self.unfinished: Unfinished | None = None
        self._root = config.rootpath
        self._out = settings.out
        self._resume = settings.resume
        self._digest = command_digest(config)
        self._command = [str(each) for each in config.invocation_params.args]

    def find(self) -> None:
        """Look for the unfinished run. Raises ModelevalError where one is named that cannot go
        on."""
        self.unfinished = find(self._root, self._resume, self._out, self._digest)

    def settle(self, survey: Survey) -> RunFolder:
        """The folder to write into. Raises ModelevalError where it cannot be made."""
        before = self.unfinished
        if before is not None and before.lock is not None:
            if survey.goes_on:
                runs = runs_folder(self._root)
                own = before.path.resolve().parent == runs.resolve()
                latest = runs / "latest" if own else None
                return RunFolder(
                    before.path, before.state.run_id, before.lock, latest, resumes=True
                )
            before.lock.release()
        return RunFolder.create(self._root, self.new_id, self._out)

    def state(self, survey: Survey) -> RunState:
        """What run.json says when the run begins."""
        now = time.time()
        state = RunState(
            run_id=self.new_id,
            state="running",
            command=without_secrets(self._command),
            command_digest=self._digest,
            pid=os.getpid(),
            started=now,
            updated=now,
            undertakings=survey.undertakings,
        )
        if self.unfinished is None or not survey.goes_on:
            return state
        before = self.unfinished.state
        known = {(each.benchmark, each.model) for each in survey.undertakings}
        rest = [each for each in before.undertakings if (each.benchmark, each.model) not in known]
        return replace(
            before,
            state="running",
            reason=None,
            command=state.command,
            pid=state.pid,
            updated=now,
            attempts=before.attempts + 1,
            undertakings=[*survey.undertakings, *rest],
        )

    def tell(self, config: pytest.Config, survey: Survey) -> None:
        """One line for the user: what goes on, or why it starts anew."""
        terminal = config.pluginmanager.getplugin("terminalreporter")
        if self.unfinished is None or terminal is None or terminal.verbosity < -1:
            return
        run = self.unfinished.state.run_id
        if survey.goes_on:
            kept = f"{survey.kept:,} of {survey.selected:,} samples are kept"
            terminal.write_line(f"resuming run {run}: {kept}")
        elif survey.changed:
            why = shown("; ".join(survey.changed))
            terminal.write_line(f"a new run: {run} is unfinished, but {why}", yellow=True)

    def for_worker(self, survey: str) -> dict[str, Any]:
        """What a worker needs to settle it in the same way; `survey` is the file for its own."""
        unfinished = self.unfinished
        return {
            "unfinished": None if unfinished is None else str(unfinished.path.absolute()),
            "named": unfinished is not None and unfinished.named,
            "new_id": self.new_id,
            "new_folder": str(folder_of(self._root, self.new_id, self._out).absolute()),
            "survey": survey,
        }

    def release(self) -> None:
        """Let another process have the unfinished run's folder, where this run did not begin."""
        if self.unfinished is not None and self.unfinished.lock is not None:
            self.unfinished.lock.release()


# -------------------------------------------------------------------- the process with the samples


def look_round(run: Run, items: Sequence[pytest.Item], unfinished: Unfinished | None) -> Survey:
    """Look at what was collected, and give each group what is kept of it. Raises UsageError where
    the run that --resume names has changed."""
    groups = [group for group in run.groups if group.selected]
    found = Survey([undertaking_of(run, group) for group in groups])
    found.selected = sum(group.selected for group in groups)
    if unfinished is None or (run.protocol.inline and not unfinished.named):
        return found
    found.changed = changes(unfinished.state.undertakings, found.undertakings)
    if found.changed and unfinished.named:
        raise UsageError(
            f"run {unfinished.state.run_id} cannot go on: {'; '.join(found.changed)}. Put that "
            "back, or start anew with --resume no"
        )
    found.goes_on = not found.changed
    if found.goes_on:
        known = {(each.benchmark, each.model) for each in unfinished.state.undertakings}
        for group in groups:
            if (group.name, group.model) in known:
                group.keep(unfinished.path)
        found.kept = sum(is_kept(item) for item in items)
    return found


def undertaking_of(run: Run, group: SampleGroup) -> Undertaking:
    """What the outcomes of a benchmark with one model depend on."""
    settings, spec = run.settings, run.models.specs[group.model]
    parameters = {
        "pytest-modeleval": version("pytest-modeleval"),
        "--choose-by": settings.choose_by,
        "--modeleval-seed": str(settings.seed),
        "--max-samples": str(settings.max_samples),
        "--sample-seed": str(settings.sample_seed),
        "few_shot of the job": str(settings.job.job.few_shot if settings.job is not None else None),
        f"epochs of {group.name}": str(group.epochs),
        **{f"plugin {name}": one for name, one in run.contributed.versions().items()},
        **_of_model("model", spec),
    }
    for role, helper in run.models.roles.items():
        parameters |= _of_model(role, helper)
    return Undertaking(
        benchmark=group.name,
        model=group.model,
        source=sha256(b"".join(_sources(group))).hexdigest(),
        dataset=group.samples.dataset.fingerprint,
        weights=_weights(run, spec),
        parameters=parameters,
    )


def _sources(group: SampleGroup) -> Iterator[bytes]:
    """The file that defines the benchmark, and the pack that it is a task of."""
    for node in group.template.listchain():
        if isinstance(node, pytest.File):
            yield node.pack_file.text if isinstance(node, PackModule) else node.path.read_bytes()


def _of_model(role: str, spec: ModelSpec) -> Mapping[str, str]:
    """Each argument in a text of its own, without what could be a secret."""
    values = told_engine({**spec.arguments, **spec.sampling})
    named = {name: f"{name}={value}" for name, value in values.items()}
    hidden = dict(zip(named, without_secrets(list(named.values())), strict=True))
    arguments = {
        f"{name} of {role} {spec.alias}": text.partition("=")[2] for name, text in hidden.items()
    }
    (name,) = without_secrets([f"{spec.backend}:{spec.name}"])
    return {f"{role} {spec.alias}": name, **arguments}


def _weights(run: Run, spec: ModelSpec) -> str | None:
    """Of a model that is a file or a folder here; what a server serves, it alone knows."""
    entry = run.backends.get(spec.backend)
    if not (spec.backend == "replay" or (entry is not None and entry.in_process)):
        return None
    path = Path(spec.name).expanduser()
    try:
        if path.is_file():
            return revision(gguf_files(path))
        if path.is_dir():
            return revision(checkpoint_files(path))
    except OSError:
        pass
    return None


def settle_in_worker(run: Run, items: Sequence[pytest.Item], given: Mapping[str, Any]) -> None:
    """Settle it as the controller will, and leave it the survey. `given` is `Choice.for_worker`.
    Raises UsageError where the run that --resume names has changed."""
    unfinished = None
    if given["unfinished"] is not None:
        path = Path(given["unfinished"])
        state = read_state(path)
        if state is not None:
            unfinished = Unfinished(path, state, given["named"])
        elif given["named"]:
            raise UsageError(f"{path} cannot be read by {run.worker}: the run there cannot go on")
    found = look_round(run, items, unfinished)
    if unfinished is not None and found.goes_on:
        run.write_into(unfinished.path, unfinished.state.run_id)
    else:
        run.write_into(Path(given["new_folder"]), given["new_id"])
    file = Path(given["survey"])
    if file.parent.is_dir():  # not on another machine
        write_atomically(file, found.to_json())
