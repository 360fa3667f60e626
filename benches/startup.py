"""What the plugin costs a project that does not use it."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

from harness import Harness, alternating, table


def startup(harness: Harness, rounds: int) -> str:
    """CPU of pytest without a benchmark, with the plugin and with it blocked."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_unrelated.py").write_text("def test_unrelated():\n    assert True\n")
        rows = []
        for name, arguments in (
            ("pytest --version", ["--version"]),
            ("an unrelated test", ["-q", "-p", "no:cacheprovider", "--rootdir", folder, folder]),
        ):
            runs = {
                "with": partial(_spent, harness, arguments),
                "without": partial(_spent, harness, ["-p", "no:modeleval", *arguments]),
            }
            _spent(harness, arguments)
            medians, _ = alternating(4 * rounds, runs)
            milliseconds = [medians["with"] * 1000, medians["without"] * 1000]
            rows.append(
                [name, *(f"{each:.0f} ms" for each in milliseconds),
                 f"{milliseconds[0] - milliseconds[1]:.0f} ms"]
            )  # fmt: skip
    return table(["", "with", "-p no:modeleval", "difference"], rows)


def _spent(harness: Harness, arguments: list[str]) -> float:
    return float(harness.measure([str(harness.python), "-m", "pytest", *arguments])["cpu_s"])
