"""The runs of `modeleval noise`: the same benchmarks again, each time with one thing changed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_modeleval.errors import ModelevalError, UsageError
from pytest_modeleval.plain_text import shown

BASE = "as it is"
SAME = "repetition"
"""The runs in which nothing is changed: how far they differ is what the engine does by itself."""

OURS = (
    *("--modeleval-out", "--modeleval-cache", "--modeleval-seed", "--resume", "--sample-order"),
    *("--baseline-update", "--early-stop", "--collect-only", "--co"),
)
"""Options that the runs are given, or that would leave nothing to compare."""

OFF = {"MODELEVAL_BASELINE_UPDATE": "false", "MODELEVAL_EARLY_STOP": "false"}
"""Whatever the table says: a baseline is not written, and every run asks all samples."""

LAST_LINES = 8
"""Of a run that failed, which are shown."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One run. `condition` is what it differs in from the first one, `arguments` say how."""

    condition: str
    name: str
    arguments: tuple[str, ...]


def plan_runs(count: int) -> list[Planned]:
    """The first run, then for each condition those that make it `count` runs with the first."""
    again = range(1, count)
    runs = [Planned(BASE, "first", ())]
    runs += [Planned(SAME, f"again-{number}", ()) for number in again]
    runs += [Planned("order", f"order-{number}", (f"--sample-order={number}",)) for number in again]
    for number in again:
        size = 2 ** (number - 1)
        runs.append(Planned("batch size", f"concurrency-{size}", (f"--concurrency={size}",)))
    for number in again:
        runs.append(Planned("decoding", f"seed-{number}", (f"--modeleval-seed={number}",)))
    return runs


def check_arguments(arguments: Sequence[str]) -> None:
    """Raises UsageError for an option that the runs are given by the command itself."""
    for argument in arguments:
        if argument.partition("=")[0] in OURS:
            raise UsageError(
                f"{shown(argument)}: modeleval noise says itself where its runs go, what they ask, "
                "and with which seed, order and cache: leave it out"
            )


def run_all(
    plans: Sequence[Planned], arguments: Sequence[str], out: Path
) -> Iterator[tuple[Planned, Path]]:
    """Run each and give its folder; what pytest says goes to a file beside it.

    A run that failed is told on stderr with its last lines, and the others go on. Raises
    ModelevalError where it was the first, which all are compared with, or where the user stops it.
    """
    for number, each in enumerate(plans, 1):
        folder = out / each.name
        changed = " ".join(each.arguments) or "nothing changed"
        _tell(f"run {number} of {len(plans)}: {each.condition}, {changed}")
        began = time.monotonic()
        log = out / f"{each.name}.log"
        status = _pytest([*arguments, *_given(folder), *each.arguments], log)
        took = time.monotonic() - began
        if status in (0, 1) and (folder / "results.json").is_file():
            _tell(f"  done in {took:.0f} s")
            yield each, folder
            continue
        failure = f"pytest ended with exit status {status}; the last lines of {log}:\n{_last(log)}"
        if number == 1:
            raise ModelevalError(f"the first run failed: {failure}")
        _tell(f"  failed: {failure}")


def _given(folder: Path) -> list[str]:
    return [
        f"--modeleval-out={folder}",
        "--modeleval-cache=off",
        "--modeleval-seed=0",
        "--resume=no",
        "-pno:randomly",  # it would shuffle every run
    ]


def _pytest(arguments: Sequence[str], log: Path) -> int:
    """Its exit status. Ctrl-C reaches it as it does this process, and it is let end in order."""
    command = [sys.executable, "-m", "pytest", *arguments]
    environment = {**os.environ, **OFF}
    with log.open("wb") as file:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.wait()
            raise ModelevalError(
                f"interrupted: the runs that ended are in {log.parent}, and modeleval compare "
                "shows any two of them"
            ) from None
        finally:
            if process.poll() is None:
                process.kill()


def _last(log: Path) -> str:
    with log.open(encoding="utf-8", errors="replace") as file:
        lines = deque((line.rstrip() for line in file if line.strip()), LAST_LINES)
    return "\n".join(f"    {shown(line[:300])}" for line in lines)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
