"""What the calls took: in results.json, over all samples."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fake_openai import FakeOpenAI, Fault
from tests.integration.conftest import Project

TIMED = """
from dataclasses import replace
from pytest_modeleval.models.protocol import Usage

class Backend(Probe):
    '''The n-th request took n seconds, the first of them 1 s.'''
    concurrency = 1

    def __init__(self, name="", **arguments):
        super().__init__(name)
        self.identity = replace(self.identity, revision="1")

    async def generate(self, request):
        reply = await super().generate(request)
        took = float(reply.text)
        return replace(
            reply, latency_s=took, ttft_s=took / 10, tpot_s=took / 100,
            usage=Usage(completion_tokens=7),
        )
"""

HUNDRED = """
from pytest_modeleval import benchmark

DATA = [{"id": f"s{n}", "input": str(n), "target": ""} for n in range(1, 101)]

@benchmark(DATA, gates=["p95(latency_s) <= 95.05", "max(queue_s) < 60"])
async def test_it(sample, model, models):
    await models["judge"].chat("7")
    await model.chat(sample.input)
"""


def performance(project: Project) -> dict[str, Any]:
    (benchmark,) = project.results["benchmarks"]
    return dict(benchmark["performance"])


def test_percentiles_over_the_samples(project: Project) -> None:
    project.conftest(TIMED)
    project.file(HUNDRED)
    assert project.run("--judge=echo:").ret == 0
    found = performance(project)
    expected = {"p50": 50.5, "p90": 90.1, "p95": 95.05, "p99": 99.01}
    assert found["latency_s"] == pytest.approx(expected)
    assert found["ttft_s"] == pytest.approx({name: each / 10 for name, each in expected.items()})
    assert found["tpot_s"] == pytest.approx({name: each / 100 for name, each in expected.items()})
    assert found["queue_s"]["p50"] > 0, "one at a time, so nearly all had to wait"
    assert (found["calls"], found["cached"], found["retries"]) == (100, 0, 0)
    (benchmark,) = project.results["benchmarks"]
    duration = benchmark["timing"]["duration_s"]
    assert found["in_flight"] == pytest.approx(5050 / duration)
    assert found["calls_per_s"] == pytest.approx(100 / duration)
    assert benchmark["timing"]["tokens_per_s"] == pytest.approx(700 / duration)
    assert "queue_s" not in benchmark["metrics"]


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["one process", "workers"])
def test_retries_are_counted(project: Project, workers: tuple[str, ...]) -> None:
    project.plugins = ["xdist"] * bool(workers)
    failed: set[str] = set()

    def once(seen: Any) -> Fault | None:
        asked = str(seen.body.get("messages"))
        if seen.path == "/v1/models" or asked in failed or "'s1'" not in asked:
            return None
        failed.add(asked)
        return Fault(status=500)

    project.file(
        "from pytest_modeleval import benchmark\n\n"
        '@benchmark([{"id": f"s{n}", "input": f"s{n}", "target": ""} for n in range(4)])\n'
        "async def test_it(sample, model):\n    await model.chat(sample.input)\n"
    )
    with FakeOpenAI() as server:
        server.fault = once
        project.run(f"--model-arg=base_url={server.url}", *workers, model="openai:fake")
    found = performance(project)
    assert (found["calls"], found["retries"]) == (4, 1)
    assert "ttft_s" not in found, "nothing was streamed"


def test_what_the_cache_answered(project: Project) -> None:
    project.conftest(TIMED)
    project.file(HUNDRED.replace(', "max(queue_s) < 60"', ""))
    for _ in range(2):
        assert project.run("--judge=echo:", "--modeleval-cache=on").ret == 0
    found = performance(project)
    assert (found["calls"], found["cached"], found["in_flight"]) == (0, 100, 0)
    assert found["latency_s"]["p50"] == 50.5, "as when it was given"
    assert "queue_s" not in found
    (benchmark,) = project.results["benchmarks"]
    assert benchmark["timing"]["tokens_per_s"] is None
