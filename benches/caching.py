"""What the response cache costs, and what a run costs that finds every reply in it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from harness import SUITES, Harness, alternating, table

SAMPLES = 10_000
PLAIN = f"""
import pytest

@pytest.mark.parametrize("number", range({SAMPLES}))
def test_plain(number):
    assert number >= 0
"""


def cached(harness: Harness, rounds: int) -> str:
    """A run that finds all its replies in the cache, beside as many trivial tests of pytest's."""
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder, "test_plain.py")
        plain.write_text(PLAIN)
        file = f"--modeleval-cache-file={folder}/cache.sqlite"
        revision = "--model-arg=revision=1"

        def tests() -> float:
            command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", folder]
            found = harness.measure([str(harness.python), *command, str(plain)])
            return float(found["cpu_s"])

        def ours(*more: str, asks: int) -> float:
            harness.control()
            found = harness.ours(SAMPLES, revision, *more)
            if (asked := harness.stats()["requests"] // SAMPLES) != asks:
                raise SystemExit(f"{asked} requests for each sample: expected {asks}")
            return float(found["cpu_s"])

        ours(file, asks=1)
        runs: dict[str, Callable[[], float]] = {
            "trivial tests": tests,
            "all replies cached": partial(ours, file, asks=0),
            "asking, without a cache": partial(ours, "--modeleval-cache=off", asks=1),
            "asking, and keeping": partial(ours, file, "--modeleval-cache=refresh", asks=1),
        }
        medians, values = alternating(rounds, runs)
    rows = []
    for name, value in medians.items():
        pairs = zip(values[name], values["trivial tests"], strict=True)
        spread = f"{min(values[name]):.2f}-{max(values[name]):.2f}"
        ratio = median(own / plain for own, plain in pairs)
        rows.append([name, f"{value:.2f}", spread, f"{ratio:.2f}"])
    return table([f"{SAMPLES:,} samples", "CPU-s", "range", "of trivial tests"], rows)


def hits(harness: Harness, rounds: int) -> str:
    """The layer alone: replies found, and replies kept, in one process."""
    script = [str(harness.python), str(SUITES / "cache_hits.py")]
    found = [json.loads(harness.output(script)) for _ in range(rounds)]
    rows = []
    for name in found[0]:
        values = [each[name] for each in found]
        spread = f"{min(values):.1f}-{max(values):.1f}"
        rows.append([name, f"{median(values):.1f}", spread, f"{1e6 / median(values):,.0f}"])
    return table(["", "CPU-µs", "range", "a CPU-second"], rows)
