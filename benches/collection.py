"""Collecting large benchmarks, beside `pytest.mark.parametrize` over the same file."""

from __future__ import annotations

import json
import tempfile
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from harness import Harness, table

SIZES = (1_000, 10_000, 100_000)

BENCHMARK = """
from pytest_modeleval import benchmark

@benchmark("rows.jsonl")
async def test_rows(sample, model):
    assert (await model.chat(sample.input)).text == sample.target
"""

PARAMETRIZED = """
import json
import pathlib
import pytest

with (pathlib.Path(__file__).parent / "rows.jsonl").open() as file:
    ROWS = [json.loads(line) for line in file]

@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_rows(row):
    assert row["input"] == row["target"]
"""


def collection(harness: Harness, rounds: int) -> str:
    """`pytest --collect-only` of a benchmark over parametrize: CPU and memory beyond one item's."""
    rows = []
    for count in SIZES:
        for selection in ([], ["-k", "not absent"]):
            ours, theirs = [
                _beyond_one(harness, source, count, selection, rounds)
                for source in (BENCHMARK, PARAMETRIZED)
            ]
            rows.append(
                [
                    f"{count:,}" + (" with -k" if selection else ""),
                    *(f"{each[0]:.2f} s, {each[1]:.1f} MiB" for each in (ours, theirs)),
                    f"{ours[0] / theirs[0]:.2f}",
                    f"{ours[1] / theirs[1]:.2f}",
                ]
            )
    return table(["samples", "benchmark", "parametrize", "time, ratio", "memory, ratio"], rows)


def _beyond_one(
    harness: Harness, source: str, count: int, selection: list[str], rounds: int
) -> tuple[float, float]:
    collect = partial(_collect, harness, source, selection=selection)
    pairs = [(collect(1), collect(count)) for _ in range(rounds)]
    spent, held = (
        median(large[name] - one[name] for one, large in pairs) for name in ("cpu_s", "rss_mib")
    )
    return spent, held


def _collect(harness: Harness, source: str, count: int, *, selection: list[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_rows.py").write_text(source)
        with Path(folder, "rows.jsonl").open("w") as file:
            for number in range(count):
                row = {"id": f"row-{number:06}", "input": f"{number} + 1 =", "target": number + 1}
                file.write(json.dumps(row) + "\n")
        return harness.measure(
            [
                *(str(harness.python), "-m", "pytest", "--collect-only", "-qq"),
                *("-p", "no:cacheprovider", "--rootdir", folder, *selection, folder),
            ]
        )
