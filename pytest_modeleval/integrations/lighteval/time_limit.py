"""A time limit for a function, in whatever thread it runs."""

from __future__ import annotations

import ctypes
import functools
import threading
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def time_limit(timeout_seconds: float = 10) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Like LightEval's own decorator, without a signal: TimeoutError is raised in the function's
    thread, as soon as Python runs there again."""

    def limited(function: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(function)
        def call(*arguments: P.args, **named: P.kwargs) -> T:
            limit = _Limit(threading.get_ident())
            timer = threading.Timer(timeout_seconds, limit.interrupt)
            timer.daemon = True
            timer.start()
            try:
                return function(*arguments, **named)
            finally:
                timer.cancel()
                limit.end()

        return call

    return limited


class _Limit:
    """One call of a function in the thread `ident`."""

    def __init__(self, ident: int) -> None:
        self._ident = ctypes.c_ulong(ident)
        self._lock = threading.Lock()
        self._ended = False
        self._interrupted = False

    def interrupt(self) -> None:
        with self._lock:
            if not self._ended:
                self._interrupted = True
                self._raise(TimeoutError)

    def end(self) -> None:
        """What has not been raised by now never will."""
        with self._lock:
            self._ended = True
            if self._interrupted:
                self._raise(None)

    def _raise(self, error: Any) -> None:
        raised = None if error is None else ctypes.py_object(error)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(self._ident, raised)
