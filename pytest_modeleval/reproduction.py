"""The command of an earlier run, made anew."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_modeleval.errors import UsageError
from pytest_modeleval.results.record import RunResult
from pytest_modeleval.results.results_json import read_results
from pytest_modeleval.results.run_folder import run_path, runs_folder

OWN = ("--modeleval-out", "--resume")
"""Options with a value, which the run that is made anew is given its own of."""

LEFT_OUT = ("--baseline-update",)
"""A run that is made anew leaves baselines as they are."""

FROM_MEMORY = ("--lf", "--last-failed", "--ff", "--failed-first", "--nf", "--sw", "--stepwise")
"""Options that go by what pytest remembers of the run before."""

HIDDEN = "[hidden]"


@dataclass(frozen=True, slots=True)
class EarlierRun:
    """A run that is to be made again. `folder` is its own, where there is more of it than its
    results.json; `root` the project's, and `start` where its command was given."""

    result: RunResult
    folder: Path | None
    root: Path
    start: Path

    @property
    def arguments(self) -> list[str]:
        """Pytest's, without those that say where a run is written."""
        return list(_without(list(self.result.environment["command"])))

    @property
    def command(self) -> str:
        """As one would type it."""
        return f"cd {shlex.quote(str(self.start))} && {shlex.join(['pytest', *self.arguments])}"

    @property
    def by_memory(self) -> list[str]:
        """Options of the command that would select other tests today."""
        return [each for each in self.arguments if each in FROM_MEMORY]

    @property
    def hides(self) -> bool:
        """Whether the command held something that was not kept."""
        return any(HIDDEN in each for each in self.arguments)


def earlier_run(run: str, where: Path) -> EarlierRun:
    """The run that a folder, an id or a results.json names, seen from a folder.

    Raises ModelevalError where there is none, or it does not say how it was made.
    """
    path = _path(run, where)
    result = read_results(path)
    if "command" not in result.environment:
        raise UsageError(f"{path} does not say with which command it was made")
    folder = path if path.is_dir() else None
    if folder is None and path.name == "results.json" and (path.parent / "details").is_dir():
        folder = path.parent
    root = _root(folder, where)
    start = (root / result.environment.get("folder", ".")).resolve()
    if not start.is_dir():
        raise UsageError(
            f"the command of run {result.run_id} was given in {start}, which is not there: go to "
            "the project's root"
        )
    return EarlierRun(result, folder, root, start)


def _path(run: str, where: Path) -> Path:
    own = where / run
    if own.exists():
        return run_path(own)
    for folder in (where, *where.parents):
        found = runs_folder(folder) / run
        if found.exists():
            return run_path(found).resolve()
    raise UsageError(
        f"{run}: there is no such run: expected the folder of a run, its results.json, or the id "
        f"of one in {runs_folder(where)}"
    )


def _root(folder: Path | None, where: Path) -> Path:
    """The project's root, where the run's folder lies in it; else where one stands."""
    if folder is not None:
        above = folder.resolve().parents
        if len(above) > 2 and runs_folder(above[2]) == above[0]:
            return above[2]
    return where


def _without(arguments: Sequence[str]) -> Iterator[str]:
    values = iter(arguments)
    for each in values:
        name, equals, _ = each.partition("=")
        if name in OWN:
            if not equals:
                next(values, None)
        elif each not in LEFT_OUT:
            yield each
