"""Garbage collection while samples run.

A sample makes hundreds of objects, and hundreds of samples are under way at once. At Python's own
pace the collector would look through all of them, and all that was imported and collected before,
again and again: a fifth of a run's CPU time, to find next to nothing.
"""

from __future__ import annotations

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager

ALLOCATIONS = 20_000
"""So many objects more than before, and the youngest are looked through."""


@contextmanager
def rare_collections() -> Iterator[None]:
    """Collect seldom, and only what is made from here on; and when the interpreter ends, leave to
    the operating system what is only to be thrown away."""
    before = gc.get_threshold()
    atexit.register(gc.freeze)
    gc.freeze()
    if 0 < before[0] < ALLOCATIONS:  # 0 is off
        gc.set_threshold(ALLOCATIONS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
