"""What a body prints, logs and warns belongs to its own sample, however many run at once.

While sample items run, routers stand in for stdout, stderr, the log handlers and the function that
shows warnings. Each asks the context variable whose line it is; what belongs to no body goes where
it always went. C-level writes (file descriptors) cannot be told apart and stay as they are.
"""

from __future__ import annotations

import logging
import pdb
import sys
import warnings
from collections.abc import Iterable
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any, cast

import pytest
from _pytest.logging import (
    LogCaptureFixture,
    LogCaptureHandler,
    caplog_handler_key,
    caplog_records_key,
    catching_logs,
)
from _pytest.stash import Stash

from pytest_modeleval.errors import UsageError
from pytest_modeleval.recorder import Recorder, current


class StreamRouter:
    """Stands in for `sys.stdout` or `sys.stderr`; `live` is shown what is captured as well."""

    # pytest asks whether a stream is of its own kind, others whether it is a text stream.
    __class__ = property(lambda self: type(self._stream))

    def __init__(self, stream: Any, name: str, live: Any = None) -> None:
        self._stream = stream
        self._name = name
        self._live = live

    def write(self, text: str) -> int:
        recorder = current.get()
        if recorder is None:
            return int(self._stream.write(text))
        getattr(recorder, self._name).append(text)
        if self._live is not None:
            self._live.write(text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        if current.get() is None:
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class LogRouter(logging.Handler):
    """Gives each record to the sample that logged it."""

    def emit(self, record: logging.LogRecord) -> None:
        recorder = current.get()
        if recorder is not None:
            recorder.log.append(record)


class CaplogRouter(logging.Handler):
    """Gives each record to the `caplog` of the body that logged it."""

    def emit(self, record: logging.LogRecord) -> None:
        recorder = current.get()
        if recorder is not None and recorder.caplog is not None:
            recorder.caplog.handle(record)


def sample_caplog(recorder: Recorder) -> LogCaptureFixture:
    """The fixture `caplog` as a body has it: it sees what its own sample logs."""
    recorder.caplog = handler = LogCaptureHandler()
    owner: Any = SimpleNamespace(stash=Stash())
    owner.stash[caplog_handler_key] = handler
    owner.stash[caplog_records_key] = {"call": handler.records}
    caplog: Any = LogCaptureFixture(owner, _ispytest=True)
    caplog.set_level = caplog.at_level = _refuse_level
    return cast(LogCaptureFixture, caplog)


def _refuse_level(*_: object, **__: object) -> None:
    raise UsageError(
        "caplog.set_level and at_level change the loggers of the whole process, but many bodies "
        "run at once: use --log-level, or log_level in pytest's configuration"
    )


def _belongs_to_no_body(record: logging.LogRecord) -> bool:
    return current.get() is None


class OutputRouting:
    """Routes while it is entered; `with OutputRouting(config): run the items`."""

    def __init__(self, config: pytest.Config) -> None:
        self._plugins = config.pluginmanager
        self._patches = pytest.MonkeyPatch()
        self._handlers: list[logging.Handler] = []
        self._logs = ExitStack()

    def __enter__(self) -> None:
        self._route_streams()
        self._route_logs()
        self._route_warnings()
        self._refuse_debuggers()

    def __exit__(self, *_: object) -> None:
        self._patches.undo()
        self._logs.close()
        for handler in self._handlers:
            handler.removeFilter(_belongs_to_no_body)

    def _route_streams(self) -> None:
        capture = self._plugins.getplugin("capturemanager")
        if capture is not None and capture._method == "no":
            return  # -s: the user wants to see lines as they come
        captures = getattr(capture, "_global_capturing", None)
        for short, name in (("out", "stdout"), ("err", "stderr")):
            one = getattr(captures, short, None)
            live = getattr(getattr(one, "tmpfile", None), "_other", None)  # --capture=tee-sys
            # pytest switches sys.stdout between its own file and the old one; route both.
            for owner, attribute in (
                (one, "tmpfile"),
                (getattr(one, "syscapture", None), "tmpfile"),
                (one, "_old"),
                (getattr(one, "syscapture", None), "_old"),
            ):
                stream = getattr(owner, attribute, None)
                if hasattr(stream, "write") and type(owner).__name__ == "SysCapture":
                    self._patches.setattr(owner, attribute, StreamRouter(stream, name, live))
            self._patches.setattr(sys, name, StreamRouter(getattr(sys, name), name, live))

    def _route_logs(self) -> None:
        plugin = self._plugins.getplugin("logging-plugin")
        if plugin is not None:
            self._handlers = [plugin.caplog_handler, plugin.report_handler]
        for handler in self._handlers:
            handler.addFilter(_belongs_to_no_body)
        self._logs.enter_context(catching_logs(LogRouter()))
        self._logs.enter_context(catching_logs(CaplogRouter()))

    def _route_warnings(self) -> None:
        # Every warning passes here; `catch_warnings` does not touch this name.
        show: Any = warnings._showwarnmsg  # type: ignore[attr-defined]

        def route(message: warnings.WarningMessage) -> None:
            recorder = current.get()
            if recorder is None:
                show(message)
            else:
                (recorder.catching or [recorder.warnings])[-1].append(message)

        self._patches.setattr(warnings, "_showwarnmsg", route)
        self._keep_caught_warnings_apart()

    def _keep_caught_warnings_apart(self) -> None:
        """`pytest.warns` and `catch_warnings(record=True)` in a body see that body's warnings."""
        catch: Any = warnings.catch_warnings
        enter, leave = catch.__enter__, catch.__exit__

        def enter_in_body(self: Any) -> Any:
            log = enter(self)
            if log is not None and (recorder := current.get()) is not None:
                recorder.catching.append(log)
            return log

        def leave_in_body(self: Any, *error: Any) -> None:
            if self._record and (recorder := current.get()) is not None:
                recorder.catching.pop()
            leave(self, *error)

        self._patches.setattr(catch, "__enter__", enter_in_body)
        self._patches.setattr(catch, "__exit__", leave_in_body)

    def _refuse_debuggers(self) -> None:
        for owner, name in ((sys, "breakpointhook"), (pdb, "set_trace")):
            start: Any = getattr(owner, name)

            def refuse(*arguments: Any, start: Any = start, **named: Any) -> Any:
                if current.get() is None:
                    return start(*arguments, **named)
                raise UsageError(
                    "breakpoint() in a body that runs beside others: name one sample by its node "
                    "id, or run with --pdb, and it runs alone in the main thread"
                )

            self._patches.setattr(owner, name, refuse)


def sections_of(recorder: Recorder, formatter: logging.Formatter) -> list[tuple[str, str]]:
    """Captured output as the sections of a test report."""
    found = []
    if recorder.stdout:
        found.append(("Captured stdout call", "".join(recorder.stdout)))
    if recorder.stderr:
        found.append(("Captured stderr call", "".join(recorder.stderr)))
    if recorder.log:
        lines = [formatter.format(record) for record in recorder.log]
        found.append(("Captured log call", "\n".join(lines)))
    return found


def log_formatter(config: pytest.Config) -> logging.Formatter:
    plugin = config.pluginmanager.getplugin("logging-plugin")
    return plugin.formatter if plugin else logging.Formatter("%(levelname)s %(name)s %(message)s")
