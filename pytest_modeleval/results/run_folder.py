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

MARKER = ".run-id"
"""Holds the run's id: a folder that has it is a run's own, and a later run may use it again."""

ARTIFACTS = ("results.json", "leaderboard.json", "junit.xml", "summary.md")
DETAILS = "details"

_ADVICE = {
    errno.ENOSPC: "the disk is full: free some space, or name another folder with --modeleval-out",
    errno.EDQUOT: "the disk quota is used up: free some space, or name another folder with "
    "--modeleval-out",
}


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A run's own folder."""

    path: Path
    run_id: str

    @classmethod
    def create(cls, root: Path, folder: Path | None = None) -> RunFolder:
        """Make `folder`, or else `root/.modeleval/runs/<run id>` with a link `latest` beside it.

        A given folder may be that of an earlier run, whose files are then removed. Raises
        ModelevalError where the folder cannot be made or written.
        """
        run_id = new_run_id()
        own = root / ".modeleval"
        path = folder if folder is not None else own / "runs" / run_id
        with writing(path):
            path.mkdir(parents=True, exist_ok=True)
            if folder is not None:
                _clear(path)
            (path / MARKER).write_text(run_id + "\n")
        if folder is None:
            ignore = own / ".gitignore"
            with writing(ignore):
                if not ignore.exists():
                    ignore.write_text("*\n")
            _link(own / "runs" / "latest", run_id)
        return cls(path, run_id)


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
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(content.encode("utf-8", "backslashreplace"))
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file to write, which becomes `path` when the block ends well."""
    temporary = path.with_name(f".{path.name}.tmp")
    with writing(path):
        try:
            yield temporary
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


def _clear(folder: Path) -> None:
    details = folder / DETAILS
    if not (folder / MARKER).is_file():
        if details.exists():
            raise ModelevalError(
                f"{details} is there already and is not from an earlier run: name another folder "
                "with --modeleval-out"
            )
        return
    for name in ARTIFACTS:
        (folder / name).unlink(missing_ok=True)
    if details.is_dir():
        shutil.rmtree(details)


def _link(link: Path, run_id: str) -> None:
    """Point `latest` to the run; a plain file with its id where there are no symbolic links."""
    temporary = link.with_name(f".latest-{run_id}")
    with writing(link):
        try:
            temporary.symlink_to(run_id, target_is_directory=True)
        except (OSError, NotImplementedError):
            temporary.write_text(run_id + "\n")
        os.replace(temporary, link)
