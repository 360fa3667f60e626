"""Runs against a server with faults: every sample has one result, and it is the right one."""

from __future__ import annotations

import time
from typing import Any

import pyarrow.parquet as pq
import pytest

from pytest_modeleval.models import breaker, retry
from tests.fake_openai import Fault
from tests.fault_server import Faults, FaultServer
from tests.integration.conftest import Project

KEY = "sk-secret-0123456789abcdef"
SAMPLES = 120

BENCHMARK = f"""
from pytest_modeleval import benchmark

@benchmark([{{"id": f"s{{n}}", "input": f"question {{n}}"}} for n in range({SAMPLES})])
async def test_it(sample, model):
    reply = await model.chat(sample.input)
    assert reply.text.endswith(" yes")
"""

SWIFT = """
from pytest_modeleval.models import breaker, retry

retry.FIRST_S, retry.LONGEST_S = 0.01, 0.2
breaker.FIRST_S, breaker.LONGEST_S = 0.02, 0.2
"""
"""In the project's conftest: pauses in which nobody falls asleep."""


def reply(body: dict[str, Any]) -> str:
    """Wrong for every third question."""
    asked = body["messages"][-1]["content"]
    return f"{asked} is {'no' if int(asked.split()[-1]) % 3 == 0 else 'yes'}"


def run(
    project: Project,
    server: FaultServer,
    *arguments: str,
    swift: str = SWIFT,
    alone: bool = False,
) -> pytest.RunResult:
    """`alone`: in a process of its own."""
    project.conftest(swift)
    project.file(BENCHMARK)
    go = project.run_subprocess if alone else project.run
    return go(f"--model-arg=base_url={server.url}", *arguments, model="openai:fake")


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A project's conftest changes them in this very process: they are to come back."""
    for module in (breaker, retry):
        for name in ("FIRST_S", "LONGEST_S"):
            monkeypatch.setattr(module, name, getattr(module, name))


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    for variable in ("OPENAI_BASE_URL", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(variable, raising=False)


RIGHT = SAMPLES - SAMPLES // 3

FAULTS = {
    "429 with Retry-After": (Faults(too_many=0.1, retry_after="0.05"), ()),
    "429 without end": (Faults(too_many=0.5), ()),
    "500": (Faults(failed=0.05), ()),
    "resets": (Faults(reset=0.05), ()),
    "truncated JSON": (Faults(truncated=0.05), ()),
    "slow drips": (Faults(dripping=0.1), ()),
    "streams that stop half way": (Faults(half_stream=0.1), ("--model-arg=stream=true",)),
    "no usage": (Faults(without_usage=0.5), ()),
    "all": (
        Faults(too_many=0.1, failed=0.05, reset=0.02, truncated=0.01, dripping=0.02),
        (),
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_results_are_those_of_a_run_without_faults(project: Project, name: str) -> None:
    faults, arguments = FAULTS[name]
    with FaultServer(faults, reply) as server:
        result = run(project, server, *arguments)
    assert result.ret == 0
    assert project.samples == {"planned": SAMPLES, "right": RIGHT, "wrong": SAMPLES - RIGHT}
    assert sum(server.met.values()) > 0, "the server had no fault"
    assert set(server.answered.values()) == {1}, "a reply was paid for twice"
    lasting = ("dripping", "without_usage")
    again = sum(count for fault, count in server.met.items() if fault not in lasting)
    assert sum(server.asked.values()) == SAMPLES + again, "more was asked than had to be"


def test_an_outage_is_waited_for(project: Project) -> None:
    with FaultServer(Faults(outage_after=30, outage_s=1.0), reply) as server:
        result = run(project, server, "--concurrency=8", "--max-attempts=2")
    assert result.ret == 0
    assert project.samples == {"planned": SAMPLES, "right": RIGHT, "wrong": SAMPLES - RIGHT}
    assert set(server.answered.values()) == {1}
    assert sum(server.asked.values()) < SAMPLES + 30


def test_a_server_that_stays_away_ends_the_run(project: Project) -> None:
    with FaultServer(Faults(outage_after=30, outage_s=3600), reply) as server:
        result = run(project, server, "--concurrency=8", "--max-outage=0.5s")
    assert result.ret == 1
    assert project.samples["right"] + project.samples["wrong"] >= 20
    assert project.samples["not_run"] > 50
    assert "error" not in project.samples
    result.stdout.fnmatch_lines(["*fake has been away for * s, longer than --max-outage allows*"])


def test_a_wrong_key_ends_the_run_at_once(project: Project) -> None:
    with FaultServer(Faults(), reply) as server:
        server.fault = lambda seen: Fault(401) if len(server.asked) > 30 else None
        result = run(project, server, "--concurrency=8")
    assert result.ret == 1
    assert sum(server.asked.values()) < 60
    assert "error" not in project.samples
    assert project.samples["not_run"] > 50
    result.stdout.fnmatch_lines(["*refuses the key in OPENAI_API_KEY (401)*"])


@pytest.mark.parametrize(
    "faults",
    [Faults(at_once=6), Faults(a_second=60), Faults(at_once=6, queues=True)],
    ids=["requests at once", "requests a second", "queue"],
)
def test_limits_that_nobody_told_cost_nothing(project: Project, faults: Faults) -> None:
    with FaultServer(faults, reply) as server:
        server.latency = 0.02
        result = run(project, server)
    assert result.ret == 0
    assert project.samples == {"planned": SAMPLES, "right": RIGHT, "wrong": SAMPLES - RIGHT}
    assert set(server.answered.values()) == {1}
    assert sum(server.asked.values()) < 4 * SAMPLES


def test_a_rate_holds_for_all_workers_together(project: Project) -> None:
    project.plugins = ["xdist"]
    with FaultServer(Faults(), reply) as server:
        began = time.monotonic()
        result = run(project, server, "--model-arg=rpm=1800", "--max-samples=90", "-n2")
        took = time.monotonic() - began
    assert result.ret == 0
    assert sum(server.asked.values()) == 90
    assert took > (90 - 30) / 30, "30 at once, and 30 a second after that"


def test_a_second_endpoint_answers_while_the_first_is_away(project: Project) -> None:
    project.file(BENCHMARK)
    outage = Faults(outage_after=30, outage_s=3600)
    with FaultServer(outage, reply) as server, FaultServer(Faults(), reply) as spare:
        project.pytester.makepyprojecttoml(
            f"""
            [tool.modeleval.models.spare]
            model = "openai:fake"
            base_url = "{spare.url}"
            """
        )
        result = run(project, server, "--concurrency=8", "--fallback-model=spare")
    assert result.ret == 0
    assert project.samples == {"planned": SAMPLES, "right": RIGHT, "wrong": SAMPLES - RIGHT}
    assert set((server.answered + spare.answered).values()) == {1}
    (benchmark,) = project.results["benchmarks"]
    assert benchmark["model"] == "fake"
    assert benchmark["usage"]["fallback"] == sum(spare.answered.values()) > 50
    (folder,) = (project.path / ".modeleval" / "runs").glob("2*")
    (details,) = (folder / "details").glob("*.parquet")
    endpoints = [row["calls"][0]["endpoint"] for row in pq.read_table(details).to_pylist()]
    assert endpoints.count(f"openai:fake {spare.url}") == benchmark["usage"]["fallback"]
    assert endpoints.count(None) == sum(server.answered.values())


def test_a_fallback_that_does_not_answer_is_told_at_once(project: Project) -> None:
    project.pytester.makepyprojecttoml(
        """
        [tool.modeleval.models.spare]
        model = "openai:fake"
        base_url = "http://127.0.0.1:9/v1"
        """
    )
    with FaultServer(Faults(), reply) as server:
        result = run(project, server, "--fallback-model=spare")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*cannot reach http://127.0.0.1:9/v1*"])
    assert not server.asked


def test_the_key_is_nowhere(project: Project) -> None:
    project.conftest(SWIFT)
    project.file(BENCHMARK)
    faults = Faults(
        too_many=0.1, failed=0.2, reset=0.1, truncated=0.1, dripping=0.1, without_usage=0.1
    )
    with FaultServer(faults, reply) as server:
        result = project.run_subprocess(
            f"--model-arg=base_url={server.url}",
            *("--max-attempts=1", "--junitxml=report.xml", "-vv", "--showlocals", "-rA"),
            *("--log-level=DEBUG", "--max-outage=1s"),
            model="openai:fake",
        )
    assert result.ret == 1
    assert project.samples["error"] > 10
    result.stdout.fnmatch_lines(["*failed (500: 'oh no, Bearer [[]key[]]')*"])
    secret = KEY[3:].encode()
    assert secret not in (result.stdout.str() + result.stderr.str()).encode()
    files = [each for each in project.path.rglob("*") if each.is_file()]
    assert {".sqlite", ".parquet", ".json", ".xml"} <= {each.suffix for each in files}
    assert [each for each in files if secret in each.read_bytes()] == []


LEAPS = """
import itertools, time

now, leaps = time.time, itertools.cycle([0, -86_400, 31_536_000, -3])
time.time = lambda: now() + next(leaps)
"""


def test_a_clock_that_leaps_changes_nothing(project: Project) -> None:
    faults = Faults(too_many=0.1, retry_after="0.02", failed=0.05, outage_after=30, outage_s=0.3)
    with FaultServer(faults, reply) as server:
        result = run(
            project,
            server,
            *("--model-arg=rpm=60000", "--sample-timeout=30s", "--concurrency=8"),
            swift=LEAPS + SWIFT,
            alone=True,
        )
    assert result.ret == 0
    assert project.samples == {"planned": SAMPLES, "right": RIGHT, "wrong": SAMPLES - RIGHT}
    (folder,) = (project.path / ".modeleval" / "runs").glob("[12]*")
    (details,) = (folder / "details").glob("*.parquet")
    calls = [row["calls"][0] for row in pq.read_table(details).to_pylist()]
    assert all(0 <= call["latency_s"] < 30 and 0 <= call["queue_s"] < 30 for call in calls)
