"""Tables that the processes of one run share: whoever comes first reads the file, the others map
what it has read into their memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow

FOLDER = "PYTEST_MODELEVAL_TABLES"
"""The variable that names the folder of the shared tables; without it each process has its own."""


def shared_table(path: Path, read: Callable[[], pyarrow.Table]) -> pyarrow.Table:
    """What `read` makes of the file at `path`, read once for all processes.

    Whatever `read` raises is raised in each of them.
    """
    folder = Path(os.environ.get(FOLDER, ""))
    if FOLDER not in os.environ or not folder.is_dir():  # or on another machine
        return read()
    found = path.stat()
    key = f"{path.resolve()} {found.st_size} {found.st_mtime_ns}"
    place = folder / f"{blake2b(key.encode(), digest_size=8).hexdigest()}.arrow"
    with place.with_suffix(".lock").open("w") as lock:
        _wait_for(lock.fileno())
        if not place.exists():
            table = read()
            try:
                _write(table, place)
            except OSError:  # no room there: then each has its own
                return table
    return _mapped(place)


def _wait_for(lock: int) -> None:
    """Until no other process holds it; the kernel lets go of it where one dies."""
    with suppress(ImportError):  # on Windows two may read the file side by side
        import fcntl

        fcntl.flock(lock, fcntl.LOCK_EX)


def _write(table: pyarrow.Table, place: Path) -> None:
    import pyarrow

    unfinished = place.with_suffix(f".{os.getpid()}")
    try:
        with (
            pyarrow.OSFile(str(unfinished), "wb") as file,
            pyarrow.ipc.new_file(file, table.schema) as writer,
        ):
            writer.write_table(table)
        unfinished.replace(place)
    finally:
        unfinished.unlink(missing_ok=True)


def _mapped(place: Path) -> pyarrow.Table:
    import pyarrow

    with pyarrow.memory_map(str(place)) as file:
        return pyarrow.ipc.open_file(file).read_all()
