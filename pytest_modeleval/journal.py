"""What a worker had begun when it died: one byte an item, in a file that outlives the process."""

from __future__ import annotations

import mmap
from pathlib import Path
from tempfile import TemporaryDirectory

STARTED = 1
ENDED = 2


class Journal:
    """A worker's own. The file is mapped into memory, so that a note costs no call to the system;
    what was noted is there even after kill -9."""

    def __init__(self, path: Path, items: int) -> None:
        with path.open("w+b") as file:
            file.truncate(max(items, 1))
            self._notes = mmap.mmap(file.fileno(), 0)

    def start(self, index: int) -> None:
        self._notes[index] = STARTED

    def end(self, index: int) -> None:
        self._notes[index] = ENDED

    def is_blank(self, index: int) -> bool:
        return self._notes[index] == 0


def begun(path: Path) -> list[int]:
    """The items that had started and not ended; none where the worker never came so far."""
    try:
        notes = path.read_bytes()
    except OSError:
        return []
    return [index for index, note in enumerate(notes) if note == STARTED]


class WorkerNotes:
    """The folder of what workers leave for the controller and for each other, gone with the
    session: their journals, the tables they share, and what they found at collection."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="modeleval-", ignore_cleanup_errors=True)
        self.folder = self._folder.name

    def journal(self, worker: str) -> str:
        return str(Path(self._folder.name) / worker)

    def survey(self, worker: str) -> str:
        return str(Path(self._folder.name) / f"{worker}.json")

    def remove(self) -> None:
        self._folder.cleanup()
