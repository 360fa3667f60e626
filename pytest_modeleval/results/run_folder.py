"""The folder that a run writes into, and how a file in it is written."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from hashlib import sha256
from pathlib import Path

from pytest_modeleval.errors import ModelevalError
from pytest_modeleval.results.folder_lock import FolderLock

MARKER = ".run-id"
"""Holds the run's id: a folder that has it is a run's own, and a later run may use it again."""

ARTIFACTS = ("results.json", "leaderboard.json", "junit.xml", "summary.md")
DETAILS = "details"
EXPORT = "lighteval"
"""The run as LightEval writes one, where that was asked for; it has a marker of its own."""
RUN_STATE = "run.json"
STATE = ("state.sqlite", "state.sqlite-wal", "state.sqlite-shm")
"""What the processes of a run share, as SQLite names its files."""

_ADVICE = {
    errno.ENOSPC: "the disk is full: free some space, or name another folder with --modeleval-out",
    errno.EDQUOT: "the disk quota is used up: free some space, or name another folder with "
    "--modeleval-out",
}


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A run's own folder, locked against other processes. `latest` is the link to point to it, if
    any; `resumes` says that an unfinished run goes on in it."""

    path: Path
    run_id: str
    lock: FolderLock
    latest: Path | None
    resumes: bool = False

    @classmethod
    def create(cls, root: Path, run_id: str, folder: Path | None = None) -> RunFolder:
        """Make `folder`, or else `root/.modeleval/runs/<run id>`. What an earlier run has left in
        it stays until `begin`, but for what only that run could go on with.

        Raises ModelevalError where the folder cannot be made or written, is somebody's own, or a
        run that is alive writes into it.
        """
        path = folder_of(root, run_id, folder)
        with writing(path):
            path.mkdir(parents=True, exist_ok=True)
            lock = FolderLock.take(path)
        if lock is None:
            raise ModelevalError(
                f"{path} belongs to a run that is still alive: wait until it has ended, or name "
                "another folder with --modeleval-out"
            )
        details = path / DETAILS
        if details.exists() and not (path / MARKER).is_file():
            lock.release()
            raise ModelevalError(
                f"{details} is there already and is not from an earlier run: name another folder "
                "with --modeleval-out"
            )
        with writing(path):
            for name in STATE:
                (path / name).unlink(missing_ok=True)
        return cls(path, run_id, lock, runs_folder(root) / "latest" if folder is None else None)

    def begin(self) -> None:
        """Make room for this run's files. Raises ModelevalError where that cannot be."""
        with writing(self.path):
            for name in ARTIFACTS:  # nothing may look finished that is not
                (self.path / name).unlink(missing_ok=True)
            if not self.resumes:
                (self.path / RUN_STATE).unlink(missing_ok=True)
                if (self.path / DETAILS).is_dir():
                    shutil.rmtree(self.path / DETAILS)
            (self.path / MARKER).write_text(self.run_id + "\n")
        if self.latest is not None:
            ignore = self.latest.parents[1] / ".gitignore"
            with writing(ignore):
                if not ignore.exists():
                    ignore.write_text("*\n")
            _link(self.latest, self.run_id)

    def abandon(self) -> None:
        """Leave nothing behind of a run that has not begun."""
        self.lock.release()
        if not self.resumes and self.latest is not None:
            shutil.rmtree(self.path, ignore_errors=True)
            with suppress(OSError):  # other runs are there
                for folder in (self.latest.parent, self.latest.parents[1]):
                    folder.rmdir()


def runs_folder(root: Path) -> Path:
    """Where the folders of runs are that were given none."""
    return root / ".modeleval" / "runs"


def folder_of(root: Path, run_id: str, folder: Path | None = None) -> Path:
    """Where a run writes: `folder` if one was named, else a folder of the run's own."""
    return folder if folder is not None else runs_folder(root) / run_id


def new_run_id() -> str:
    """The time in UTC and six random hex digits: `20260131T235959Z-3fa91c`; sorts by time."""
    return f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def run_path(path: Path) -> Path:
    """The run's folder that `path` names: the folder itself, or a `latest` that is a plain file."""
    if path.is_file() and path.name == "latest":
        return path.parent / Path(path.read_text().strip()).name
    return path


def slug(benchmark: str) -> str:
    """A file name for a benchmark, different for each: its node id as a dotted name.

    What a dotted name cannot tell apart (parameters, upper case, odd characters) gets a hash.
    """
    dotted = re.sub(r"[^A-Za-z0-9_-]+", ".", benchmark.replace(".py::", "::")).strip(".")
    if re.fullmatch(r"(?:[a-z0-9_-]+/)*[a-z0-9_-]+\.py(?:::[a-z0-9_]+)+", benchmark) and (
        len(dotted) <= 120
    ):
        return dotted
    digest = sha256(benchmark.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{dotted[:120]}-{digest}"


def write_atomically(path: Path, content: str) -> None:
    """Write a whole file or none. Raises ModelevalError where it cannot be written.

    A lone surrogate, which UTF-8 does not have, is written as its JSON escape.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content.encode("utf-8", "backslashreplace"))


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file to write, which becomes `path` when the block ends well."""
    temporary = path.with_name(f".{path.name}.tmp")
    with writing(path):
        try:
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())  # or a machine that dies may leave an empty file
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the operating system's refusal to write into one sentence."""
    try:
        yield
    except OSError as error:
        code = error.errno or 0
        reason = (os.strerror(code) if code else str(error)).lower()
        advice = _ADVICE.get(code, f"{reason}: name another folder with --modeleval-out")
        raise ModelevalError(f"cannot write {path}: {advice}") from error


def _link(link: Path, run_id: str) -> None:
    """Point `latest` to the run; a plain file with its id where there are no symbolic links."""
    temporary = link.with_name(f".latest-{run_id}")
    with writing(link):
        try:
            temporary.symlink_to(run_id, target_is_directory=True)
        except (OSError, NotImplementedError):
            temporary.write_text(run_id + "\n")
        os.replace(temporary, link)
