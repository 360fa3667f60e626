"""Results to write."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from pytest_modeleval.results.record import (
    BenchmarkResult,
    Call,
    GateRecord,
    Metric,
    RunResult,
    SampleResult,
)

BENCHMARK = "benchmarks/gsm8k/test_gsm8k.py::test_gsm8k"


@pytest.fixture
def make_result() -> Callable[..., SampleResult]:
    """A row of the details, with one chat call; arguments replace its fields."""

    def make(id: str = "gsm8k-0000", *, reply: str = "18", **fields: Any) -> SampleResult:
        call = Call(
            role="model",
            model="tiny",
            kind="chat",
            messages=[{"role": "user", "content": f"question of {id}"}],
            reply=reply,
            sampling={
                "temperature": 0.0,
                "max_tokens": 1024,
                "stop": ("\n\n",),
                "seed": 7,
                "top_p": None,
                "top_k": None,
                "logprobs": None,
                "extra": {},
            },
            usage={"prompt_tokens": 12, "completion_tokens": 3, "cached_tokens": None},
            latency_s=0.25,
        )
        values: dict[str, Any] = {
            "benchmark": BENCHMARK,
            "model": "tiny",
            "id": id,
            "epoch": 0,
            "outcome": "right",
            "input": f"question of {id}",
            "target": "18",
            "metadata": {"subject": "eggs"},
            "scores": {"accuracy": 1.0},
            "calls": [call],
        }
        return SampleResult(**{**values, **fields})

    return make


@pytest.fixture
def run_result() -> RunResult:
    """A run of one benchmark with two models, and a gate of every verdict."""
    gates = [
        GateRecord("accuracy", "accuracy >= 0.7", "passed", value=0.75, threshold=0.7, slack=0.05),
        GateRecord(
            "latency", "p95(latency_s) <= 1", "failed", "it is 2", value=2, threshold=1, slack=-1
        ),
        GateRecord("f1", 'f1[subject == "law"] >= 0.5', "undecided", "1 errored of 4 samples"),
        GateRecord("late", "cost <= 1", "not judged", "3 samples were not selected"),
    ]
    samples = {"planned": 4, "right": 3, "wrong": 0, "error": 1, "skipped": 0, "not_run": 0}
    tiny = BenchmarkResult(
        name=BENCHMARK,
        model="tiny",
        samples=samples,
        metrics={"accuracy": Metric(0.75, 0.3, 0.95, 4), "f1": Metric(0.5, None, None, 1)},
        gates=gates,
        usage={"prompt_tokens": 48},
        cost=0.5,
        timing={"started": 1.5, "duration_s": 2.0, "samples_per_s": 2.0, "tokens_per_s": None},
        errors=[{"id": "gsm8k-0003", "epoch": 0, "error": "no reply came"}],
        model_identity={"backend": "llamacpp", "details": {}},
        dataset_fingerprint="abc",
    )
    large = BenchmarkResult(
        name=BENCHMARK, model="large", samples=samples, metrics={"accuracy": Metric(1, 0.5, 1, 4)}
    )
    return RunResult("20260131T235959Z-3fa91c", True, "failed", {"python": "3.11"}, [tiny, large])


@pytest.fixture
def small_disk() -> Callable[[int], AbstractContextManager[None]]:
    """While it is entered, the kernel refuses to let a file grow beyond so many bytes."""

    @contextmanager
    def limit(bytes: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (bytes, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limit
