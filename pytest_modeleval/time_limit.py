"""The time that a whole run may take: `--max-time`."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

GRACE = 10.0
"""Seconds that what runs may still take when the time is over."""


class Halt(Protocol):
    """Stops what may still start, and after a grace period what runs."""

    def __call__(self, reason: str, grace: float) -> None: ...


@contextmanager
def limited_time(seconds: float | None, began: float, halt: Halt) -> Iterator[None]:
    """Call `halt`, in a thread of its own, so many seconds after `began`, a time of the monotonic
    clock; unless the block has ended by then."""
    if seconds is None:
        yield
        return
    left = began + seconds - time.monotonic()
    timer = threading.Timer(left, halt, (f"the {seconds:g} s of --max-time are over", GRACE))
    timer.daemon = True
    if left > 0:
        timer.start()
    else:  # loading the model took longer
        timer.function(*timer.args)
    try:
        yield
    finally:
        timer.cancel()
