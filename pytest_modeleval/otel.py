"""A run as OpenTelemetry sees it: a span for the run, each sample and each call, and metrics.

Names and attributes of calls are those of the semantic conventions for generative AI:
https://opentelemetry.io/docs/specs/semconv/gen-ai/
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import entry_points, version
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

from opentelemetry import context as contexts
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from pytest_modeleval.errors import RequestError, UsageError
from pytest_modeleval.models.answer import Answer
from pytest_modeleval.models.protocol import Identity
from pytest_modeleval.recorder import Recorder
from pytest_modeleval.results.record import Call, CallKind, Outcome

NAME = "pytest-modeleval"
FLUSH_MS = 10_000

OPERATIONS = {"chat": "chat", "complete": "text_completion", "letters": "chat"}
"""By the kind of the call; a log-likelihood is an operation that the conventions do not know."""

SECONDS = [0.01 * 2**power for power in range(14)]
TOKENS = [4**power for power in range(14)]
"""Bounds of the buckets, as the conventions advise."""


class Telemetry:
    """The spans and metrics of one process.

    Args:
        parent: the trace of the controller's run, for a worker; None makes a span for the run.
        owned: providers that were set up for this run, and end with it.
    """

    def __init__(self, parent: str | None, owned: list[Any]) -> None:
        self._owned = owned
        self._tracer = trace.get_tracer(NAME, version(NAME))
        meter = metrics.get_meter(NAME, version(NAME))
        self._duration = meter.create_histogram(
            "gen_ai.client.operation.duration",
            unit="s",
            description="GenAI operation duration.",
            explicit_bucket_boundaries_advisory=SECONDS,
        )
        self._first = meter.create_histogram(
            "gen_ai.client.operation.time_to_first_chunk",
            unit="s",
            description="Time to receive the first chunk.",
            explicit_bucket_boundaries_advisory=SECONDS,
        )
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            unit="{token}",
            description="Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=TOKENS,
        )
        told = parent or os.environ.get("TRACEPARENT")
        self._root = _extracted(told) if told else contexts.get_current()
        self._run: trace.Span | None = None
        if parent is None:
            self._run = self._tracer.start_span("modeleval.run", self._root)
            self._root = trace.set_span_in_context(self._run, self._root)
        said = os.environ.get("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "")
        self._content = said.strip().lower() in ("true", "1", "span_only", "span_and_event")

    @property
    def traceparent(self) -> str:
        """The run's trace, for its workers."""
        carrier: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(carrier, self._root)
        return carrier.get("traceparent", "")

    @contextmanager
    def sample(self, recorder: Recorder, model: str) -> Iterator[SampleSpan]:
        """One epoch of one sample; calls that are made within are under it."""
        attributes: dict[str, Any] = {
            "modeleval.benchmark": recorder.benchmark,
            "modeleval.model": model,
            "modeleval.sample.id": recorder.sample_id,
            "modeleval.epoch": recorder.epoch,
        }
        with self._tracer.start_as_current_span(
            recorder.benchmark.rpartition("::")[2],
            self._root,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            yield SampleSpan(span)

    @contextmanager
    def call(self, kind: CallKind, role: str, identity: Identity) -> Iterator[CallSpan]:
        """One call to a model, with all that happens until its answer is there."""
        common = _common(kind, identity)
        began = perf_counter()
        with self._tracer.start_as_current_span(
            f"{common['gen_ai.operation.name']} {identity.name}",
            kind=trace.SpanKind.CLIENT,
            attributes={**common, "modeleval.role": role},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            waiting = CallSpan(span, content=self._content)
            try:
                yield waiting
            except BaseException as error:
                why = str(getattr(error, "status", None) or type(error).__name__)
                _fail(span, why)
                self._duration.record(perf_counter() - began, {**common, "error.type": why})
                raise
            if waiting.call is not None and not waiting.call.cached:
                self._measure(waiting.call, common, perf_counter() - began)

    def _measure(self, call: Call, common: Mapping[str, Any], took: float) -> None:
        self._duration.record(took, common)
        if call.ttft_s is not None:
            self._first.record(call.ttft_s, common)
        for kind, name in (("input", "prompt_tokens"), ("output", "completion_tokens")):
            count = call.usage.get(name)
            if count is not None:
                self._tokens.record(count, {**common, "gen_ai.token.type": kind})

    def close(self, run_id: str) -> None:
        """End the run's span, and send what has not been sent."""
        if self._run is not None:
            self._run.set_attribute("modeleval.run.id", run_id)
            self._run.end()
        for provider in self._owned or (trace.get_tracer_provider(), metrics.get_meter_provider()):
            flush = getattr(provider, "force_flush", None)
            if flush is not None:
                flush(FLUSH_MS)
        for provider in self._owned:
            provider.shutdown()


class SampleSpan:
    """A sample while it runs."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def judged(self, outcome: Outcome, recorder: Recorder) -> None:
        self._span.set_attribute("modeleval.outcome", outcome)
        for name, value in recorder.scores.items():
            self._span.set_attribute(f"modeleval.score.{name}", value)
        if outcome == "error":
            _fail(self._span, type(recorder.exception).__name__)


class CallSpan:
    """A call while it waits for its answer."""

    def __init__(self, span: trace.Span, *, content: bool) -> None:
        self._span = span
        self._content = content
        self.call: Call | None = None

    def came(self, call: Call, came: Answer | RequestError) -> None:
        """An answer or an error came, and stands in `call` already."""
        self.call = call
        found: dict[str, Any] = {
            "gen_ai.usage.input_tokens": call.usage.get("prompt_tokens"),
            "gen_ai.usage.output_tokens": call.usage.get("completion_tokens"),
            "gen_ai.usage.cache_read.input_tokens": call.usage.get("cached_tokens"),
            "gen_ai.usage.reasoning.output_tokens": call.usage.get("reasoning_tokens"),
            "gen_ai.response.time_to_first_chunk": call.ttft_s,
            "modeleval.attempts": call.attempts,
            "modeleval.cached": call.cached,
            "modeleval.queue_s": call.queue_s,
            "modeleval.cost": call.cost,
        }
        for name in ("temperature", "max_tokens", "seed", "top_p", "top_k"):
            found[f"gen_ai.request.{name}"] = call.sampling.get(name)
        found["gen_ai.request.stop_sequences"] = call.sampling.get("stop") or None
        reason = getattr(getattr(came, "value", None), "finish_reason", None)
        found["gen_ai.response.finish_reasons"] = None if reason is None else [reason]
        if self._content:
            found["gen_ai.input.messages"] = json.dumps([_message(each) for each in call.messages])
            if call.reply is not None:
                said = {"role": "assistant", "content": call.reply, "tool_calls": call.tool_calls}
                found["gen_ai.output.messages"] = json.dumps([_message(said)])
        self._span.set_attributes({name: each for name, each in found.items() if each is not None})


def set_up() -> list[Any]:
    """Providers that export as the environment says, made everybody's in this process. Raises
    UsageError for an exporter that is not installed."""
    resource = Resource.create({"service.name": NAME}).merge(OTELResourceDetector().detect())
    tracers = TracerProvider(resource=resource)
    for exporter in _exporters("traces"):
        tracers.add_span_processor(BatchSpanProcessor(exporter))
    readers: list[MetricReader] = [
        PeriodicExportingMetricReader(exporter) for exporter in _exporters("metrics")
    ]
    meters = MeterProvider(readers, resource=resource)
    trace.set_tracer_provider(tracers)
    metrics.set_meter_provider(meters)
    return [tracers, meters]


def _exporters(signal: str) -> Iterator[Any]:
    """The exporters of OTEL_TRACES_EXPORTER or OTEL_METRICS_EXPORTER; `otlp` when none is named."""
    variable = f"OTEL_{signal.upper()}_EXPORTER"
    for name in (os.environ.get(variable) or "otlp").split(","):
        name = name.strip()
        if name == "none":
            continue
        if name == "otlp":
            name = "otlp_proto_" + ("grpc" if _protocol(signal) == "grpc" else "http")
        found = entry_points(group=f"opentelemetry_{signal}_exporter", name=name)
        if not found:
            raise UsageError(
                f"${variable}: no exporter {name} is installed: "
                "pip install 'pytest-modeleval[otel]' has otlp over HTTP, and console"
            )
        yield next(iter(found)).load()()


def _protocol(signal: str) -> str | None:
    name = "OTEL_EXPORTER_OTLP_{}PROTOCOL"
    return os.environ.get(name.format(f"{signal.upper()}_")) or os.environ.get(name.format(""))


def _common(kind: CallKind, identity: Identity) -> dict[str, Any]:
    """What a call's span and its metrics have in common."""
    found: dict[str, Any] = {
        "gen_ai.operation.name": OPERATIONS.get(kind, kind),
        "gen_ai.provider.name": identity.backend,
        "gen_ai.request.model": identity.name,
    }
    server = urlsplit(identity.details.get("base_url", ""))
    if server.hostname:
        found["server.address"] = server.hostname
        found["server.port"] = server.port or (443 if server.scheme == "https" else 80)
    return found


def _fail(span: trace.Span, kind: str) -> None:
    """By its kind only: a message may quote what was asked."""
    span.set_attribute("error.type", kind)
    span.set_status(trace.StatusCode.ERROR)


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message in the conventions' form."""
    content = message["content"]
    parts: list[dict[str, Any]] = (
        [{"type": "text", "content": content}]
        if isinstance(content, str)
        else [
            {"type": each["type"], "content": each.get("text") or each.get("url")}
            for each in content or ()
        ]
    )
    parts += [{"type": "tool_call", **call} for call in message.get("tool_calls") or ()]
    role = "user" if message["role"] == "prompt" else message["role"]
    return {"role": role, "parts": parts}


def _extracted(traceparent: str) -> contexts.Context:
    return TraceContextTextMapPropagator().extract({"traceparent": traceparent})
