"""Garbage collection of a session that runs samples.

Imports and a sample make hundreds of objects, and hundreds of samples are under way at once. At
Python's own pace the collector would look through all of them, and all that was imported and
collected before, again and again: a fifth of a run's CPU time, to find next to nothing.
"""

from __future__ import annotations

import atexit
import gc

import pytest

ALLOCATIONS = 20_000
"""So many objects more than before, and the youngest are looked through."""


def collect_seldom(config: pytest.Config) -> None:
    """For as long as the session lasts."""
    before = gc.get_threshold()
    if 0 < before[0] < ALLOCATIONS:  # 0 is off
        gc.set_threshold(ALLOCATIONS, *before[1:])
        config.add_cleanup(lambda: gc.set_threshold(*before))


def keep_aside() -> None:
    """What there is now is not looked through again, also not by pytest, which does so twice when
    a session ends; and when the interpreter ends, what is only to be thrown away is left to the
    operating system."""
    if gc.get_freeze_count():  # by an earlier session of this process: now its garbage may go
        gc.unfreeze()
        gc.collect()
    gc.freeze()
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)
