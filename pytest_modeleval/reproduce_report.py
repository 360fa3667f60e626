"""`modeleval reproduce`: a run made again, and what differs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from pytest_modeleval.collected import Collected, collect
from pytest_modeleval.errors import ModelevalError, UsageError
from pytest_modeleval.plain_text import one_line, shown
from pytest_modeleval.reproduction import EarlierRun, earlier_run
from pytest_modeleval.results.record import BenchmarkResult
from pytest_modeleval.results.results_json import read_results
from pytest_modeleval.results.run_differences import Side, run_differences
from pytest_modeleval.results.run_folder import new_run_id
from pytest_modeleval.results.run_state import changes, read_state
from pytest_modeleval.results.then_and_now import environment_changes

SAME, DIFFERS = 0, 1
"""Exit statuses."""

FINISHED = (0, 1)
"""How pytest ends when the tests were run."""

QUIET = {"MODELEVAL_BASELINE_UPDATE": "false"}
"""Whatever the table says: a baseline is not written."""


def reproduce(run: str, where: Path, *, execute: bool = False, out: Path | None = None) -> int:
    """Print the command of a run and what is not as it was then; with `execute`, run it again and
    print what came out differently.

    Args:
        run: the folder of a run, its id, or a results.json.
        where: the current folder.
        out: the new run's folder; one of its own below .modeleval/reproduced, if not given.

    Returns:
        0 where nothing differs, of the results with `execute`, else of what they depend on; 1 where
        something does.

    Raises:
        ModelevalError: there is no such run, its benchmarks cannot be collected, or it cannot be
            run.
    """
    earlier = earlier_run(run, where)
    folder = _new_folder(earlier, out) if execute else None
    _tell([f"run {earlier.result.run_id}, which was made with", f"  {shown(earlier.command)}"])
    if earlier.by_memory:
        _tell([f"{', '.join(earlier.by_memory)} selects by what pytest remembers: not the same"])
    found = list(dict.fromkeys(_then_and_now(earlier)))
    _tell(["", "not as it was then:" if found else "all that can be checked is as it was then"])
    _tell(f"  {one_line(each)}" for each in found)
    _tell(f"  {one_line(each)}" for each in _unchecked(earlier, execute))
    if folder is None:
        return DIFFERS if found else SAME
    _run_again(earlier, folder)
    return _compare(earlier, folder)


def _then_and_now(earlier: EarlierRun) -> Iterator[str]:
    yield from environment_changes(earlier.result.environment, earlier.root)
    now = collect(earlier.arguments, earlier.start)
    job = earlier.result.job
    if job is not None and job.hash != now.job:
        yield f"the file of job {job.id} has changed"
    yield from _tasks(earlier.result.benchmarks, now)
    state = read_state(earlier.folder) if earlier.folder is not None else None
    if state is not None:
        yield from changes(state.undertakings, now.undertakings)


def _tasks(then: Sequence[BenchmarkResult], now: Collected) -> Iterator[str]:
    tasks = {(each.benchmark, each.model): each for each in now.tasks}
    for each in then:
        task = tasks.pop((each.name, each.model), None)
        if task is None:
            yield f"{each.name} with {each.model} is not collected any more"
            continue
        if task.missing is not None and each.dataset_fingerprint is not None:
            yield f"{each.name}: its dataset is not at hand: {task.missing}"
            continue
        if each.hashes.task is not None and each.hashes.task != task.task_hash:
            yield f"{each.name}: what defines it has changed (task hash)"
        if each.dataset_fingerprint != task.dataset_fingerprint:
            yield f"the dataset of {each.name} has changed"
    for name, model in tasks:
        yield f"{name} with {model} is collected, and was not run then"


def _unchecked(earlier: EarlierRun, execute: bool) -> Iterator[str]:
    """What no look from outside can tell."""
    if execute:
        return
    for name in dict.fromkeys(each.model for each in earlier.result.benchmarks):
        yield f"which model answers as {name} is seen with --run only"


def _new_folder(earlier: EarlierRun, out: Path | None) -> Path:
    """Where the run is made again. Raises UsageError where it cannot be."""
    if earlier.hides:
        raise UsageError(
            "the command held a secret, which the run did not keep: put it where [hidden] stands "
            "and run the command yourself, then: modeleval compare"
        )
    folder = out or earlier.root / ".modeleval" / "reproduced" / new_run_id()
    folder = folder.absolute()
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"--out {folder} is not empty: name another folder")
    return folder


def _run_again(earlier: EarlierRun, folder: Path) -> None:
    """Raises ModelevalError where the run does not come to its end."""
    own = [f"--modeleval-out={folder}", "--resume=no", "--modeleval-cache=off"]
    arguments = [*earlier.arguments, *own]
    _tell(["", f"running it again, into {folder}"])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=earlier.start,
        env={**os.environ, **QUIET},
        stdin=subprocess.DEVNULL,
    )
    if done.returncode not in FINISHED or not (folder / "results.json").is_file():
        raise ModelevalError(
            f"the run did not come to its end: pytest ended with exit status {done.returncode}"
        )


def _compare(earlier: EarlierRun, folder: Path) -> int:
    hashes = [each.hashes.inputs for each in earlier.result.benchmarks if each.metrics]
    if hashes and not any(hashes):
        raise ModelevalError(
            "the run is of a version that kept no hashes: modeleval compare shows its scores "
            f"beside those of {folder}"
        )
    after = read_results(folder)
    found = run_differences(Side(earlier.result, earlier.folder), Side(after, folder))
    differing = [each for each in found if each.lines]
    for each in found:
        title = f"{one_line(each.benchmark)} with {one_line(each.model)}"
        _tell(["", title if each.lines else f"{title}: the same"])
        _tell(f"  {shown(line)}" for line in each.lines)
    if not differing:
        _tell(["", "reproduced: the same inputs, prompts, outputs and scores"])
        return SAME
    first = differing[0]
    _tell(
        [
            "",
            f"not reproduced: {len(differing)} of {len(found)} benchmarks differ, first "
            f"{one_line(first.benchmark)}: {shown(first.lines[0])}",
        ]
    )
    return DIFFERS


def _tell(lines: Sequence[str] | Iterator[str]) -> None:
    for line in lines:
        print(line, flush=True)
