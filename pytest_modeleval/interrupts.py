"""Ctrl-C: the first one ends what runs and writes the files, the second waits for nothing."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

import pytest


class Interrupts:
    """Of one session; `came` says that there was a first one."""

    def __init__(self) -> None:
        self.came = False
        self._before: Any = None

    def take(self) -> None:
        """The first Ctrl-C has come."""
        self.came = True
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, _end_at_once)

    def forget(self) -> None:
        """The session is over."""
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None


def _end_at_once(signum: int, frame: object) -> None:
    os.write(2, b"\ninterrupted twice: ended at once\n")
    os._exit(pytest.ExitCode.INTERRUPTED)
