"""What a run costs beside the model: CPU a sample, requests in flight, start-up, memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

from harness import Harness, alternating, table

SMALL, LARGE = 1_000, 5_000


def _runs(harness: Harness) -> dict[str, Callable[..., dict[str, Any]]]:
    return {
        "pytest-modeleval": harness.ours,
        "script-openai": partial(harness.script, "openai"),
        "script-aiohttp": partial(harness.script, "aiohttp"),
    }


def cpu(harness: Harness, rounds: int) -> str:
    """CPU a sample: the slope between two sizes, so that start-up drops out."""

    def slope(run: Callable[[int], dict[str, Any]]) -> float:
        harness.control()
        spent = run(LARGE)["cpu_s"] - run(SMALL)["cpu_s"]
        return float(spent) / (LARGE - SMALL) * 1000

    runs = _runs(harness)
    medians, values = alternating(rounds, {name: partial(slope, runs[name]) for name in runs})
    rows = []
    for name, value in medians.items():
        ratios = [
            median(own / other for own, other in zip(values[name], values[script], strict=True))
            for script in ("script-openai", "script-aiohttp")
        ]
        spread = f"{min(values[name]):.3f}-{max(values[name]):.3f}"
        rows.append([name, f"{value:.3f}", spread, *(f"{ratio:.2f}" for ratio in ratios)])
    head = ["", "CPU-ms a sample", "range", "of script-openai", "of script-aiohttp"]
    return table(head, rows)


def in_flight(harness: Harness, rounds: int) -> str:
    """The mean number of requests that the server had in hand, of 64, when each takes 50 ms."""

    def mean(run: Callable[[int], Any], count: int) -> float:
        harness.control("latency_ms=50")
        run(count)
        found = float(harness.stats()["mean_inflight"])
        harness.control()
        return found

    runs = _runs(harness)
    rows = []
    for count in (SMALL, LARGE):
        medians, _ = alternating(rounds, {name: partial(mean, runs[name], count) for name in runs})
        rows += [
            [name, f"{count:,}", f"{value:.1f}", f"{value / 64:.0%}"]
            for name, value in medians.items()
        ]
    return table(["", "samples", "in flight", "of 64"], rows)


def start(harness: Harness, rounds: int) -> str:
    """CPU seconds of a run of one sample."""
    runs = _runs(harness)
    spent = {name: (lambda run=run: float(run(1)["cpu_s"])) for name, run in runs.items()}
    medians, values = alternating(rounds, spent)
    rows = [
        [name, f"{value:.2f}", f"{min(values[name]):.2f}-{max(values[name]):.2f}"]
        for name, value in medians.items()
    ]
    return table(["", "CPU-s of a one-sample run", "range"], rows)


def memory(harness: Harness, rounds: int) -> str:
    """Peak resident memory of the largest process."""
    sizes = (1, SMALL, LARGE, 20_000)
    rows = []
    for name, run in _runs(harness).items():
        if name == "script-openai":
            continue  # it takes its time, and says nothing that script-aiohttp does not
        peaks = [median(run(count)["rss_mib"] for _ in range(rounds)) for count in sizes]
        slope = (peaks[-1] - peaks[1]) * 1024 / (sizes[-1] - sizes[1])
        rows.append([name, *(f"{peak:.0f}" for peak in peaks), f"{slope:.1f}"])
    head = ["MiB at", *(f"{count:,}" for count in sizes), "kB a further sample"]
    return table(head, rows)
