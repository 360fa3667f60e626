"""A run as OpenTelemetry sees it, through its SDK's own exporters."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.fake_openai import FakeOpenAI, Fault, Said
from tests.integration.conftest import Project

pytest.importorskip("opentelemetry.sdk", reason="needs the extra otel")

MEMORY = """
import json, os
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

SPANS, READER = InMemorySpanExporter(), InMemoryMetricReader()
PROVIDER = TracerProvider()
PROVIDER.add_span_processor(SimpleSpanProcessor(SPANS))
trace.set_tracer_provider(PROVIDER)
metrics.set_meter_provider(MeterProvider([READER]))

def pytest_unconfigure():
    found = {"spans": [json.loads(each.to_json()) for each in SPANS.get_finished_spans()]}
    read = READER.get_metrics_data()
    found["metrics"] = json.loads(read.to_json()) if read else {}
    with open(f"telemetry-{os.getpid()}.json", "w") as file:
        json.dump(found, file)
"""

BODIES = """
from pytest_modeleval import benchmark, score

DATA = [{"id": name, "input": name, "target": "yes"} for name in ("right", "wrong", "broken")]

@benchmark(DATA)
async def test_it(sample, model, models):
    reply = await model.chat("SECRET " + sample.input, temperature=0.5, stop="end")
    await models["judge"].complete("PROMPT")
    score("length", 3)
    assert reply.text == "yes"
"""


def telemetry(project: Project) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Every process's spans, and the data points of the metrics by name."""
    spans: list[dict[str, Any]] = []
    points: dict[str, Any] = {}
    for file in project.path.glob("telemetry-*.json"):
        told = json.loads(file.read_text())
        spans += told["spans"]
        for resource in told["metrics"].get("resource_metrics", ()):
            for scope in resource["scope_metrics"]:
                for metric in scope["metrics"]:
                    points.setdefault(metric["name"], []).extend(metric["data"]["data_points"])
        file.unlink()
    return spans, points


def named(spans: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [span for span in spans if span["name"] == name]


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    usage = {
        "prompt_tokens": 11,
        "completion_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 5},
    }

    def reply(body: dict[str, Any]) -> Said:
        return Said("yes" if "right" in str(body) else "REPLY", usage=usage)

    def fault(seen: Any) -> Fault | None:
        return Fault(status=400, body=b"SECRET") if "broken" in str(seen.body) else None

    with FakeOpenAI() as server:
        server.reply, server.fault = reply, fault
        yield server


def run(project: Project, server: FakeOpenAI, *arguments: str) -> pytest.RunResult:
    project.file(BODIES)
    given = ["--judge=echo:parrot", f"--model-arg=base_url={server.url}", "--modeleval-cache=off"]
    return project.run_subprocess(*given, *arguments, model="openai:fake")


def test_spans_of_the_run_its_samples_and_their_calls(project: Project, server: FakeOpenAI) -> None:
    project.conftest(MEMORY)
    run(project, server)
    spans, _ = telemetry(project)
    (root,) = named(spans, "modeleval.run")
    assert root["parent_id"] is None
    assert root["attributes"]["modeleval.run.id"] == project.results["run_id"]
    samples = {each["attributes"]["modeleval.sample.id"]: each for each in named(spans, "test_it")}
    assert {name: each["attributes"]["modeleval.outcome"] for name, each in samples.items()} == {
        "right": "right",
        "wrong": "wrong",
        "broken": "error",
    }
    assert {each["parent_id"] for each in samples.values()} == {root["context"]["span_id"]}
    right = samples["right"]["attributes"]
    assert right["modeleval.benchmark"] == "test_it.py::test_it"
    assert (right["modeleval.score.length"], right["modeleval.model"]) == (3.0, "fake")
    statuses = {name: each["status"]["status_code"] for name, each in samples.items()}
    assert statuses == {"right": "UNSET", "wrong": "UNSET", "broken": "ERROR"}

    calls = {each["parent_id"]: each for each in named(spans, "chat fake")}
    call = calls[samples["right"]["context"]["span_id"]]
    assert call["kind"] == "SpanKind.CLIENT"
    found = call["attributes"]
    assert found["gen_ai.operation.name"] == "chat"
    assert found["gen_ai.provider.name"] == "openai"
    assert found["gen_ai.request.model"] == "fake"
    assert found["gen_ai.request.temperature"] == 0.5
    assert found["gen_ai.request.stop_sequences"] == ["end"]
    assert found["gen_ai.response.finish_reasons"] == ["stop"]
    assert found["gen_ai.usage.input_tokens"] == 11
    assert found["gen_ai.usage.output_tokens"] == 7
    assert found["gen_ai.usage.cache_read.input_tokens"] == 5
    assert found["server.address"] == "127.0.0.1"
    assert found["server.port"] == int(server.url.split(":")[2].split("/")[0])
    assert found["modeleval.attempts"] == 1
    failed = calls[samples["broken"]["context"]["span_id"]]
    assert failed["attributes"]["error.type"] == "400"
    assert failed["status"] == {"status_code": "ERROR"}

    judged = named(spans, "text_completion parrot")
    assert len(judged) == 2
    assert {each["attributes"]["modeleval.role"] for each in judged} == {"judge"}
    assert len(spans) == 1 + 3 + 3 + 2


def test_metrics(project: Project, server: FakeOpenAI) -> None:
    project.conftest(MEMORY)
    run(project, server)
    _, points = telemetry(project)
    durations = [
        point
        for point in points["gen_ai.client.operation.duration"]
        if point["attributes"]["gen_ai.request.model"] == "fake"
    ]
    assert {point["attributes"].get("error.type"): point["count"] for point in durations} == {
        None: 2,
        "400": 1,
    }
    assert all(0 < point["sum"] < 60 for point in durations)
    tokens = {
        point["attributes"]["gen_ai.token.type"]: (point["count"], point["sum"])
        for point in points["gen_ai.client.token.usage"]
    }
    assert tokens == {"input": (2, 22), "output": (2, 14)}
    assert "gen_ai.client.operation.time_to_first_chunk" not in points, "nothing was streamed"
    run(project, server, "--model-arg=stream=true")
    _, points = telemetry(project)
    (first,) = points["gen_ai.client.operation.time_to_first_chunk"]
    assert first["count"] == 2


@pytest.mark.parametrize("variable", [None, "false", "true"])
def test_what_was_said_is_told_only_when_asked_for(
    project: Project, server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch, variable: str | None
) -> None:
    if variable is not None:
        monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", variable)
    project.conftest(MEMORY)
    run(project, server)
    spans, points = telemetry(project)
    told = json.dumps([spans, points])
    assert [word in told for word in ("SECRET", "REPLY", "PROMPT")] == [variable == "true"] * 3
    if variable == "true":
        call = named(spans, "chat fake")[0]["attributes"]
        (asked,) = json.loads(call["gen_ai.input.messages"])
        assert asked["role"] == "user"
        assert asked["parts"][0]["content"].startswith("SECRET")


def test_cached_replies_are_no_operations(project: Project, server: FakeOpenAI) -> None:
    project.conftest(MEMORY)
    for _ in range(2):
        telemetry(project)
        run(project, server, "--model-arg=revision=1", "--modeleval-cache=on")
    spans, points = telemetry(project)
    cached = [each["attributes"].get("modeleval.cached") for each in named(spans, "chat fake")]
    assert cached.count(True) == 2
    ours = [
        point
        for point in points["gen_ai.client.operation.duration"]
        if point["attributes"]["gen_ai.request.model"] == "fake"
    ]
    assert [point["attributes"].get("error.type") for point in ours] == ["400"]


def test_workers_are_of_one_trace(project: Project, server: FakeOpenAI) -> None:
    project.plugins = ["xdist"]
    project.conftest(MEMORY)
    run(project, server, "-n2")
    spans, _ = telemetry(project)
    assert len({each["context"]["trace_id"] for each in spans}) == 1
    (root,) = named(spans, "modeleval.run")
    samples = named(spans, "test_it")
    assert len(samples) == 3
    assert {each["parent_id"] for each in samples} == {root["context"]["span_id"]}


def test_a_run_that_is_part_of_another_trace(
    project: Project, server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACEPARENT", f"00-{'a' * 32}-{'b' * 16}-01")
    project.conftest(MEMORY)
    run(project, server)
    (root,) = named(telemetry(project)[0], "modeleval.run")
    assert (root["context"]["trace_id"], root["parent_id"]) == (
        "0x" + "a" * 32,
        "0x" + "b" * 16,
    )


class Collector(BaseHTTPRequestHandler):
    """Takes what comes over OTLP."""

    came: list[tuple[str, bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.came.append((self.path, body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nobody reads it."""


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, bytes]]]:
    kind = type("Own", (Collector,), {"came": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
        yield kind.came  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["one process", "a worker"])
def test_the_environment_names_a_collector(
    project: Project,
    server: FakeOpenAI,
    collector: list[tuple[str, bytes]],
    workers: tuple[str, ...],
) -> None:
    project.plugins = ["xdist"] * bool(workers)
    run(project, server, *workers)
    assert {path for path, _ in collector} == {"/v1/traces", "/v1/metrics"}
    sent = b"".join(body for _, body in collector)
    for name in (b"pytest-modeleval", b"modeleval.run", b"chat fake", b"gen_ai.client.token.usage"):
        assert name in sent
    assert b"SECRET" not in sent


@pytest.mark.parametrize(
    ("variable", "value"), [("OTEL_SDK_DISABLED", "true"), ("OTEL_METRICS_EXPORTER", "none")]
)
def test_switched_off(
    project: Project,
    server: FakeOpenAI,
    collector: list[tuple[str, bytes]],
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
) -> None:
    monkeypatch.setenv(variable, value)
    run(project, server)
    expected = set() if variable == "OTEL_SDK_DISABLED" else {"/v1/traces"}
    assert {path for path, _ in collector} == expected


def test_a_dry_run_sends_nothing(
    project: Project, server: FakeOpenAI, collector: list[tuple[str, bytes]]
) -> None:
    run(project, server, "--modeleval-dry-run")
    assert not collector


def test_a_collector_that_is_not_there(
    project: Project, server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    began = time.monotonic()
    result = run(project, server)
    assert time.monotonic() - began < 40
    assert project.samples == {"planned": 3, "right": 1, "wrong": 1, "error": 1}
    assert result.ret == 1, "for the sample in error"


def test_asked_for_and_not_installed(
    project: Project, server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    (project.path / "opentelemetry.py").write_text("")
    result = run(project, server)
    result.stdout.fnmatch_lines(
        ["$OTEL_TRACES_EXPORTER asks for telemetry, but OpenTelemetry is not installed: pip *"]
    )
    assert project.samples["right"] == 1


def test_an_exporter_that_is_not_installed(
    project: Project, server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "carrier_pigeon")
    result = run(project, server)
    result.stdout.fnmatch_lines(["$OTEL_TRACES_EXPORTER: no exporter carrier_pigeon is installed*"])
    assert project.samples["right"] == 1


@pytest.mark.parametrize("exporter", ["", "none"])
def test_nothing_is_imported_unless_it_is_configured(
    project: Project, monkeypatch: pytest.MonkeyPatch, exporter: str
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", exporter)
    project.conftest(
        "import sys\n"
        "def pytest_unconfigure():\n"
        "    assert not [name for name in sys.modules if name.startswith('opentelemetry')]\n"
    )
    project.file(
        "from pytest_modeleval import benchmark\n\n"
        "@benchmark([{'id': 'a', 'input': 'a', 'target': ''}])\n"
        "def test_it(sample, model):\n    model.chat('a')\n"
    )
    assert project.run_subprocess().ret == 0
