"""Where a run's figures come from: the command, the code, the packages and the machine."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pytest_modeleval.results.command import without_secrets
from pytest_modeleval.results.packages import imported_packages

PREFIX = "MODELEVAL_"
OTHERS = ("PYTEST_ADDOPTS",)
"""Variables that a run depends on like one of our own."""

USED_LATER = ("pyarrow",)
"""What every run imports, it may be after this is asked for: it writes the details."""

GIT_TIMEOUT_S = 10.0


@dataclass(slots=True)
class Provenance:
    """Gathered while a run goes on. `arguments` are pytest's, given in `folder`; `root` is the
    project's. `packages` are those that other processes of the run have imported."""

    root: Path
    folder: Path
    arguments: Sequence[str]
    packages: dict[str, str] = field(default_factory=dict)
    _git: GitState | None = None

    def begin(self) -> None:
        """The run begins: what git says from now on is of another state."""
        self._git = GitState(self.root)

    def end(self) -> None:
        """Let go of what nobody has asked for."""
        if self._git is not None:
            self._git.close()

    def record(self) -> dict[str, Any]:
        """`environment` of results.json, as far as it does not depend on the settings."""
        used = {name: version(name) for name in USED_LATER}
        packages = {**self.packages, **used, **imported_packages()}
        return {
            "pytest_modeleval": version("pytest-modeleval"),
            "pytest": version("pytest"),
            "python": platform.python_version(),
            "platform": platform.platform(),
            "command": without_secrets(self.arguments),
            "folder": Path(os.path.relpath(self.folder, self.root)).as_posix(),
            "variables": variables(os.environ),
            "git": self._git.read() if self._git is not None else None,
            "packages": dict(sorted(packages.items())),
            "hardware": hardware(),
        }


class GitState:
    """The commit of a folder, and whether tracked files differ from it, asked for at once and read
    when it is needed."""

    def __init__(self, folder: Path) -> None:
        command = ["git", "-C", str(folder), "status", "--porcelain=v2", "--branch"]
        self._process: subprocess.Popen[str] | None = None
        with suppress(OSError):  # no git here
            self._process = subprocess.Popen(
                [*command, "--untracked-files=no"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                encoding="utf-8",
                errors="replace",
                env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},  # it shall leave the index alone
            )

    def read(self) -> dict[str, Any] | None:
        """`commit` and `dirty`; None where there is no repository, no commit or no git."""
        if self._process is None:
            return None
        try:
            lines = self._process.communicate(timeout=GIT_TIMEOUT_S)[0].splitlines()
        except subprocess.TimeoutExpired:
            lines = []
        failed = self._process.returncode != 0
        self.close()
        said = dict(line[2:].split(" ", 1) for line in lines if line.startswith("# branch."))
        commit = said.get("branch.oid")
        if failed or commit is None or commit == "(initial)":
            return None
        return {"commit": commit, "dirty": any(not line.startswith("#") for line in lines)}

    def close(self) -> None:
        """End git, if it still runs."""
        if self._process is not None:
            process, self._process = self._process, None
            with process:
                process.kill()


def variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Those of the environment that a run depends on, without what could be a secret."""
    names = sorted(each for each in environment if each.startswith(PREFIX) or each in OTHERS)
    hidden = without_secrets([f"{name}={environment[name]}" for name in names])
    return {name: text.partition("=")[2] for name, text in zip(names, hidden)}


def hardware() -> dict[str, Any]:
    """What this machine is; None for what it does not tell."""
    return {
        "machine": platform.machine() or None,
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_bytes": _memory_bytes(),
    }


def _processor() -> str | None:
    with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or None


def _memory_bytes() -> int | None:
    with suppress(AttributeError, OSError, ValueError):  # only POSIX has these names
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return None
