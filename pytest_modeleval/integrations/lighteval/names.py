"""What our benchmarks and models are called in LightEval's files.

LightEval finds a task's details by the file's name, `details_<task>|<few-shot>_<date>.parquet`, and
looks for it with a glob: so a name has one `|`, no slash, and nothing that a glob or fsspec reads
otherwise. Neither may it have `details_`, which LightEval cuts out wherever it stands.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import sha256

from pytest_modeleval.gates.derived import CONFIDENCE, is_derived
from pytest_modeleval.recorder import BUILT_IN_METRICS, is_metric_name
from pytest_modeleval.results.run_folder import slug

LONGEST = 120
"""Characters of a task's name: a file's name has 255 bytes at most."""


def task_keys(benchmarks: Mapping[str, int], tasks: Mapping[str, str]) -> dict[str, str]:
    """LightEval's name of each benchmark, all different.

    `benchmarks/test_gsm8k.py::test_gsm8k` with 5 examples becomes `gsm8k|5`, its parameter set
    `[law]` the subset `gsm8k:law|5`. Benchmarks that would share a name get their whole node id,
    with dots: `benchmarks.test_gsm8k.test_gsm8k|5`.

    Args:
        benchmarks: how many examples each benchmark shows, by its name.
        tasks: the LightEval task that a benchmark runs, by its name; it keeps its own.
    """
    short = {
        name: _task(tasks[name]) if name in tasks else task_key(name, few_shot)
        for name, few_shot in benchmarks.items()
    }
    count = Counter(short.values())
    return {
        name: key if count[key] == 1 else f"{_clean(slug(name))}|{benchmarks[name]}"
        for name, key in short.items()
    }


def task_key(benchmark: str, few_shot: int) -> str:
    """LightEval's name of a benchmark, as `task_keys` has it, where no other would share it."""
    base, _, params = benchmark.partition("[")
    name = base.rpartition("::")[2]
    task = _clean(name.removeprefix("test_")) or "benchmark"
    subset = _clean(params.removesuffix("]"))
    return f"{task}:{subset}|{few_shot}" if subset else f"{task}|{few_shot}"


def _task(name: str) -> str:
    task, _, few_shot = name.rpartition("|")
    return f"{_clean(task)}|{int(few_shot)}"


def spelled_task(benchmark: str) -> str | None:
    """The task that a benchmark of --lighteval is called after: `lighteval::mmlu|5[anatomy]` is
    `mmlu:anatomy|5`. None for any other name."""
    base, _, params = benchmark.partition("[")
    task, bar, few_shot = base.rpartition("::")[2].rpartition("|")
    if not bar:
        return None
    task, subset = task.partition("@")[0], params.removesuffix("]")
    return f"{task}:{subset}|{few_shot}" if subset else f"{task}|{few_shot}"


def metric_name(name: str) -> str:
    """The name of a LightEval metric as gates can use it: `pass@k:k=1` is `pass_k_k_1`."""
    without_addresses = re.sub(r"<function (\w+) at 0x[0-9a-f]+>", r"\1", name)
    cleaned = re.sub(r"\W+", "_", without_addresses).strip("_")
    taken = cleaned in BUILT_IN_METRICS or cleaned == CONFIDENCE or is_derived(cleaned)
    return cleaned if is_metric_name(cleaned) and not taken else f"lighteval_{cleaned}"


def model_names(aliases: Iterable[str]) -> dict[str, str]:
    """The name, which is also the folder, of each model: `openai:gpt-4o` becomes `openai/gpt-4o`,
    a path its parts without `.` and `..`."""
    found: dict[str, str] = {}
    for alias in dict.fromkeys(aliases):
        parts = [_clean(part) for part in re.split(r"[:/\\]", alias)]
        name = "/".join(part for part in parts if part.strip(".")) or "model"
        if name in found.values():
            name = f"{name}-{sha256(alias.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
        found[alias] = name
    return found


def _clean(text: str) -> str:
    """Letters, digits and `_.-:`; what is too long is cut and gets a digest."""
    name = re.sub(r"[^A-Za-z0-9_.:-]+", "_", text).replace("details_", "details-")
    name = re.sub(":+", ":", name).strip(":_")
    if len(name) > LONGEST:
        digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        return f"{name[:LONGEST]}-{digest}"
    return name
