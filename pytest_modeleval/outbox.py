"""What a worker sends for each test, in batches: a message of xdist costs more than a sample does.

Nothing waits longer than `LATEST`, and nothing else that is sent overtakes. What dies with a worker
before it was sent was not reported, and runs again.
"""

from __future__ import annotations

import marshal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

OF_TESTS = frozenset({"logstart", "logfinish", "testreport", "runtest_protocol_complete"})
"""xdist's events that come with every test."""

MOST = 500
LATEST = 0.1


class Outbox:
    """Takes the place of `sendevent` in xdist's `WorkerInteractor`; any thread may send."""

    def __init__(self, send: Callable[..., None]) -> None:
        self._send = send
        self._events: list[bytes] = []
        self._lock = threading.RLock()
        self._filled = threading.Event()
        threading.Thread(target=self._run, name="modeleval-outbox", daemon=True).start()

    def send(self, name: str, **event: Any) -> None:
        packed = _packed(name, event) if name in OF_TESTS else None
        with self._lock:
            if packed is None:
                self.flush()
                self._send(name, **event)
                return
            self._events.append(packed)
            failed = name == "testreport" and event["data"]["outcome"] == "failed"
            if failed or len(self._events) >= MOST:
                self.flush()
            elif not self._filled.is_set():
                self._filled.set()

    def flush(self) -> None:
        with self._lock:
            if self._events:
                batch, self._events = self._events, []
                self._send("unscheduled", indices={"events": batch})

    def _run(self) -> None:
        pause = threading.Event()
        with suppress(OSError):  # the controller is gone
            while True:
                self._filled.wait()
                pause.wait(LATEST)
                self._filled.clear()
                self.flush()


def _packed(name: str, event: dict[str, Any]) -> bytes | None:
    """None where a plugin has put something into a report that xdist itself must judge."""
    try:
        return marshal.dumps((name, event))
    except ValueError:
        return None


def unpacked(events: list[bytes]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The events of a batch, with their arguments."""
    return map(marshal.loads, events)
