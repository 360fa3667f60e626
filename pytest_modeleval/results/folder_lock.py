"""The lock of a run's folder: held by the process that writes into it, for as long as it lives.

The kernel lets go of it when the process ends, however it ends. So a folder without a lock holder
is no living run's, whatever its files say.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

FILE = ".lock"


class FolderLock:
    """Whoever holds it may write into the folder."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    @classmethod
    def take(cls, folder: Path) -> FolderLock | None:
        """None where another process has it; a file system without locks gives it to everybody.
        Raises OSError where the folder cannot be written."""
        descriptor = os.open(folder / FILE, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(descriptor)
        except (BlockingIOError, PermissionError):
            os.close(descriptor)
            return None
        except OSError:
            pass
        return cls(descriptor)

    def release(self) -> None:
        """The file stays: to remove it would let two processes lock two files of one name."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
