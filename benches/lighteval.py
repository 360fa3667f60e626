"""Our run of a LightEval task over LightEval's own run of it: same tasks, engine and machine.

    python benches/lighteval.py --harness DIR --python PY [--rounds 3] [api] [local]

PY has the plugin, `lighteval[litellm]==0.13.0`, transformers, torch and accelerate. `api` asks the
mock server of the bench harness, LightEval through its LiteLLM client; `local` asks the small model
of examples/tiny_model with transformers on the CPU. Both sides write their details.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from harness import SUITES, Harness, table

TASKS = SUITES / "lighteval_tasks.py"
OWN = SUITES / "lighteval_own.py"
CHECKPOINT = Path(__file__).parent.parent / "examples/tiny_model/checkpoint"

Run = Callable[[int], dict[str, Any]]
"""A whole run over so many samples, measured."""


class Sides:
    """Both ways of running a task, over the data in `data`."""

    def __init__(self, harness: Harness, data: Path) -> None:
        self.harness = harness
        self.data = data

    def api(self) -> tuple[Run, Run]:
        """64 requests in flight at once."""
        asked = {
            "model_name": "openai/mock",
            "provider": "openai",
            "base_url": self.harness.base_url,
            "api_key": "x",
            "concurrent_requests": 64,
            "max_model_length": 32768,
        }
        return (
            self._ours(
                "qa",
                "--model=openai:mock",
                f"--model-arg=base_url={self.harness.base_url}",
                "--concurrency=64",
            ),
            self._theirs("qa", "endpoint", "litellm", asked),
        )

    def local(self, task: str) -> tuple[Run, Run]:
        """Batches of 64 on the CPU."""
        asked = {"model_name": CHECKPOINT, "batch_size": 64, "dtype": "float32", "device": "cpu"}
        return (
            self._ours(
                task,
                f"--model=transformers:{CHECKPOINT}",
                "--model-arg=dtype=float32",
                "--model-arg=concurrency=64",
            ),
            self._theirs(task, "accelerate", None, asked),
        )

    def _ours(self, task: str, *model: str) -> Run:
        def run(count: int) -> dict[str, Any]:
            with tempfile.TemporaryDirectory() as folder:
                found = self.harness.measure(
                    [
                        *(str(self.harness.python), "-m", "pytest", "-q"),
                        *("-p", "no:cacheprovider", "--rootdir", folder),
                        *("--modeleval-out", f"{folder}/out", "--modeleval-cache=off"),
                        *("--modeleval-data", str(self.data), f"--max-samples={count}"),
                        *("--lighteval", f"{task}|0", "--lighteval-tasks", str(TASKS), *model),
                    ],
                    BENCH_DATA=str(self.data),
                    HF_HUB_OFFLINE="1",
                )
                results = json.loads(Path(folder, "out/results.json").read_text())
                (benchmark,) = results["benchmarks"]
                return {**found, "score": benchmark["metrics"][_metric(task)]["value"]}

        return run

    def _theirs(self, task: str, *command: Any) -> Run:
        *launcher, model = command

        def run(count: int) -> dict[str, Any]:
            with tempfile.TemporaryDirectory() as folder:
                own = dict(model)
                if isinstance(own["model_name"], Path):  # LightEval keeps its replies beside it
                    own["model_name"] = shutil.copytree(own["model_name"], f"{folder}/model")
                said = ",".join(f"{key}={value}" for key, value in own.items())
                found = self.harness.measure(
                    [
                        *(str(self.harness.python), str(OWN), folder),
                        *(each for each in launcher if each),
                        *(said, f"{task}|0", "--custom-tasks", str(TASKS)),
                        *("--output-dir", f"{folder}/out", "--save-details"),
                        f"--max-samples={count}",
                    ],
                    BENCH_DATA=str(self.data),
                )
                (file,) = Path(folder, "out/results").rglob("results_*.json")
                score = json.loads(file.read_text())["results"][f"{task}|0"][_metric(task)]
                return {**found, "score": score}

        return run


def _metric(task: str) -> str:
    return "acc" if task == "choices" else "exact"


def compared(ours: Run, theirs: Run, count: int, rounds: int) -> str:
    """One sample and `count` samples by each side, in turn, and what a sample more costs."""
    runs = {"LightEval": theirs, "pytest-modeleval": ours}
    found: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {name: [] for name in runs}
    for run in runs.values():
        run(1)  # warms the file and bytecode caches
    for _ in range(rounds):
        for name, run in runs.items():
            found[name].append((run(1), run(count)))
    scores = {each[1]["score"] for pairs in found.values() for each in pairs}
    if len(scores) > 1:
        raise SystemExit(f"the two do not measure the same: {sorted(scores)}")
    rows = []
    for text, unit, value in (
        ("start: CPU of a run of one sample", "s", lambda one, all: one["cpu_s"]),
        ("start: wall time", "s", lambda one, all: one["wall_s"]),
        ("CPU of a further sample", "ms", _slope("cpu_s", count)),
        ("wall time of a further sample", "ms", _slope("wall_s", count)),
        (f"peak memory at {count:,}", "MiB", lambda one, all: all["tree_mib"]),
    ):
        values = {name: [value(*pair) for pair in pairs] for name, pairs in found.items()}
        theirs_, ours_ = (values[name] for name in runs)
        rows.append(
            [
                f"{text}, {unit}",
                _told(theirs_),
                _told(ours_),
                f"**{median(ours_) / median(theirs_):.2f}**",
            ]
        )
    return f"score {scores.pop():.4f} by both\n\n" + table(["", *runs, "ratio"], rows)


def _slope(name: str, count: int) -> Callable[[dict[str, Any], dict[str, Any]], float]:
    return lambda one, all: 1000 * (all[name] - one[name]) / (count - 1)


def _told(values: list[float]) -> str:
    return f"{median(values):.3g} ({min(values):.3g}–{max(values):.3g})"


def _write_data(harness: Harness, folder: Path, count: int) -> None:
    for name in ("qa", "sums"):
        (folder / name).mkdir()
    shutil.copy(harness.questions(count), folder / "qa/test.jsonl")
    chance = Random(0)
    with (folder / "sums/test.jsonl").open("w") as file:
        for _ in range(count):
            one, other = chance.randrange(1000), chance.randrange(1000)
            line = {"question": f"{one}+{other}=", "answer": str(one + other)}
            file.write(json.dumps(line) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bench", nargs="*", help="which: api, local (both)")
    parser.add_argument("--harness", type=Path, default=os.environ.get("MODELEVAL_BENCH"))
    parser.add_argument("--python", type=Path, default=sys.executable)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=1000)
    options = parser.parse_args()
    if options.harness is None:
        parser.error("name the folder of the bench harness, --harness DIR")
    if unknown := set(options.bench) - {"api", "local"}:
        parser.error(f"there is no bench {min(unknown)}: there are api and local")
    wanted = options.bench or ["api", "local"]
    harness = Harness(options.harness, options.python, options.python)
    with tempfile.TemporaryDirectory() as folder:
        _write_data(harness, Path(folder), options.samples)
        sides = Sides(harness, Path(folder))
        with harness.serving() if "api" in wanted else nullcontext():
            benches = {"api: qa": sides.api()} if "api" in wanted else {}
            if "local" in wanted:
                benches |= {f"local: {task}": sides.local(task) for task in ("sums", "choices")}
            for name, (ours, theirs) in benches.items():
                print(f"\n{name}\n", flush=True)
                print(compared(ours, theirs, options.samples, options.rounds), flush=True)


if __name__ == "__main__":
    main()
