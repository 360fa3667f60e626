"""Whether OpenTelemetry is wanted; what it costs is in otel.py, and only imported where it is."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from pytest_modeleval.errors import UsageError

if TYPE_CHECKING:
    from pytest_modeleval.otel import Telemetry

EXPORTERS = ("OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER")
ENDPOINTS = tuple(f"OTEL_EXPORTER_OTLP_{signal}ENDPOINT" for signal in ("", "TRACES_", "METRICS_"))


def open_telemetry(parent: str | None) -> Telemetry | None:
    """Spans and metrics of this process, where the environment names an exporter or an endpoint
    (OTEL_…), or somebody has set up OpenTelemetry's SDK already: a conftest, or
    `opentelemetry-instrument`. None otherwise.

    `parent` is the trace of the run that this process is a worker of, in the form of W3C's
    traceparent. Raises UsageError where the environment asks for what is not installed.
    """
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    wanted = next((name for name in (*EXPORTERS, *ENDPOINTS) if _names_one(name)), None)
    if wanted is None and not _is_set_up():
        return None
    try:
        from pytest_modeleval.otel import Telemetry, set_up
    except ImportError:
        raise UsageError(
            f"${wanted} asks for telemetry, but OpenTelemetry is not installed: "
            "pip install 'pytest-modeleval[otel]'"
        ) from None
    return Telemetry(parent, [] if _is_set_up() else set_up())


def _names_one(variable: str) -> bool:
    return os.environ.get(variable, "").strip().lower() not in ("", "none")


def _is_set_up() -> bool:
    """Whether there is a provider, by somebody who has therefore imported the library."""
    trace = sys.modules.get("opentelemetry.trace")
    return trace is not None and not isinstance(
        trace.get_tracer_provider(), trace.ProxyTracerProvider
    )
