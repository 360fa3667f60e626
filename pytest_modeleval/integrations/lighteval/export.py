"""A run in LightEval's own layout, readable by its readers. Nothing of LightEval is imported.

`results/<model>/results_<date>.json` has the scores, and
`details/<model>/<date>/details_<task>|<few-shot>_<date>.parquet` the samples of a task.
"""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from pytest_modeleval.errors import ModelevalError
from pytest_modeleval.gates.derived import is_derived
from pytest_modeleval.integrations.lighteval.names import model_names, task_keys
from pytest_modeleval.recorder import CALL_METRICS
from pytest_modeleval.results.baseline import LIGHTEVAL_TASK
from pytest_modeleval.results.details import details_rows
from pytest_modeleval.results.record import BenchmarkResult, RunResult
from pytest_modeleval.results.results_json import read_results, to_json
from pytest_modeleval.results.run_folder import (
    EXPORT,
    MARKER,
    run_path,
    write_atomically,
    writing,
)

if TYPE_CHECKING:
    from pytest_modeleval.integrations.lighteval.export_details import TaskDetails


def export_folder(folder: Path) -> str:
    """Export a run that has ended, and say where it lies. Raises ModelevalError."""
    path = run_path(folder)
    result = read_results(path)
    remove_export(path)
    export(result, path)
    return f"written: {path / EXPORT} ({len(result.benchmarks)} benchmarks in LightEval's layout)"


def remove_export(folder: Path) -> None:
    """Make room for an export in the run's folder. Raises ModelevalError where there is something
    that is not one of ours."""
    target = folder / EXPORT
    if not target.exists():
        return
    if not (target / MARKER).is_file():
        raise ModelevalError(
            f"{target} is there already and is not an export of a run: name another folder of the "
            "run with --modeleval-out"
        )
    with writing(target):
        shutil.rmtree(target)


def export(result: RunResult, folder: Path) -> None:
    """Write a run's results and details into `folder/lighteval`. Benchmarks without a judged sample
    are left out. Raises ModelevalError where that cannot be done."""
    judged = [each for each in result.benchmarks if each.metrics]
    few_shot = {each.name: each.few_shot for each in judged}
    keys = task_keys(few_shot, _lighteval_tasks(few_shot, folder))
    target = folder / EXPORT
    with writing(target):
        target.mkdir(exist_ok=True)
    write_atomically(target / MARKER, result.run_id + "\n")
    metrics = list(dict.fromkeys(name for each in judged for name in _of_samples(each)))
    for alias, model in model_names(each.model for each in judged).items():
        tasks = {keys[each.name]: each for each in judged if each.model == alias}
        _Model(result, folder, model, tasks).write(metrics)


def _lighteval_tasks(benchmarks: Iterable[str], folder: Path) -> dict[str, str]:
    """LightEval's own name of each benchmark that runs one of its tasks: its samples tell."""
    found = {}
    for name in benchmarks:
        metadata = json.loads(next(details_rows(folder, name))["metadata"])
        task = metadata.get(LIGHTEVAL_TASK) if isinstance(metadata, dict) else None
        if isinstance(task, str) and re.fullmatch(r"[^|]+\|[0-9]{1,4}", task):
            found[name] = task
    return found


class _Model:
    """What one model of a run has to write; `tasks` are its benchmarks by LightEval's names."""

    def __init__(
        self, result: RunResult, folder: Path, model: str, tasks: Mapping[str, BenchmarkResult]
    ) -> None:
        self.result = result
        self.run_folder = folder
        self.model = model
        self.tasks = tasks
        self.date = _date(result.run_id)

    def write(self, metrics: Sequence[str]) -> None:
        """Write the details, with these metrics, and then the results."""
        from pytest_modeleval.integrations.lighteval.export_details import (
            details_schema,
            write_details,
        )

        schema = details_schema(metrics)
        folder = self.run_folder / EXPORT / "details" / self.model / self.date
        path = self.run_folder / EXPORT / "results" / self.model / f"results_{self.date}.json"
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            path.parent.mkdir(parents=True, exist_ok=True)
        told = {
            key: write_details(
                folder / f"details_{key}_{self.date}.parquet",
                self.run_folder,
                task.name,
                task.model,
                key,
                schema,
            )
            for key, task in self.tasks.items()
        }
        write_atomically(path, to_json(self._results(told), indent=2) + "\n")

    def _results(self, told: Mapping[str, TaskDetails]) -> dict[str, Any]:
        scores = {key: _aggregates(task, told[key]) for key, task in self.tasks.items()}
        hashes = {key: _hashes(each) for key, each in told.items()}
        return {
            "config_general": self._general(),
            "results": {**scores, **_averages(scores), "all": _mean_scores(scores.values())},
            "versions": {key: _version(task) for key, task in self.tasks.items()},
            "config_tasks": {key: _task(key, task, told[key]) for key, task in self.tasks.items()},
            "summary_tasks": {
                key: {"hashes": each, "truncated": 0, "non_truncated": told[key].rows}
                for key, each in hashes.items()
            },
            "summary_general": {
                "hashes": {
                    name: _digest([hashes[key][name] for key in sorted(hashes)])
                    for name in ("hash_examples", "hash_full_prompts")
                },
                "truncated": 0,
                "non_truncated": sum(each.rows for each in told.values()),
            },
        }

    def _general(self) -> dict[str, Any]:
        tasks = self.tasks.values()
        starts = [each.timing["started"] or 0.0 for each in tasks if each.timing.get("started")]
        ends = [
            (each.timing["started"] or 0.0) + (each.timing.get("duration_s") or 0.0)
            for each in tasks
            if each.timing.get("started")
        ]
        start, end = (min(starts), max(ends)) if starts else (None, None)
        return {
            "lighteval_sha": "?",
            "num_fewshot_seeds": 1,
            "max_samples": None,
            "job_id": self.result.run_id,
            "start_time": start,
            "end_time": end,
            "total_evaluation_time_secondes": None if end is None else str(end - (start or 0.0)),
            "model_config": {
                "model_name": self.model,
                **next((each.model_identity for each in tasks if each.model_identity), {}),
            },
            "model_name": self.model,
            "environment": self.result.environment,
        }


def _date(run_id: str) -> str:
    """The time in the run's id, as LightEval names files by it."""
    started = datetime.strptime(run_id.partition("-")[0], "%Y%m%dT%H%M%SZ")
    return started.isoformat(timespec="microseconds").replace(":", "-")


def _of_samples(task: BenchmarkResult) -> list[str]:
    """The scores that samples have: neither what calls took nor what epochs give together."""
    return [name for name in task.metrics if name not in CALL_METRICS and not is_derived(name)]


def _aggregates(task: BenchmarkResult, told: TaskDetails) -> dict[str, float]:
    """Each score, and the standard error of those that are means."""
    found = {}
    for name, metric in task.metrics.items():
        if name in CALL_METRICS:
            continue
        found[name] = metric.value
        values = told.scores.get(name, ())
        if len(values) > 1:
            found[f"{name}_stderr"] = stdev(values) / math.sqrt(len(values))
    return found


def _averages(scores: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """The means over the subsets of a task, as LightEval names them: `mmlu:_average|5`."""
    groups: dict[str, list[Mapping[str, float]]] = {}
    for key, each in scores.items():
        task, _, few_shot = key.rpartition("|")
        groups.setdefault(f"{task.partition(':')[0]}:_average|{few_shot}", []).append(each)
    return {key: _mean_scores(group) for key, group in groups.items() if len(group) > 1}


def _mean_scores(tasks: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each score over the tasks that have it."""
    found: dict[str, list[float]] = {}
    for scores in tasks:
        for name, value in scores.items():
            found.setdefault(name, []).append(value)
    return {name: fmean(values) for name, values in found.items()}


def _version(task: BenchmarkResult) -> str:
    """What changes when the dataset does."""
    return (task.dataset_fingerprint or "0")[:12]


def _task(key: str, task: BenchmarkResult, told: TaskDetails) -> dict[str, Any]:
    return {
        "name": key.rpartition("|")[0],
        "prompt_function": task.name,
        "hf_repo": None,
        "hf_subset": None,
        "metrics": [{"metric_name": name, "corpus_level_fn": "mean"} for name in _of_samples(task)],
        "original_num_docs": task.samples["planned"],
        "effective_num_docs": told.rows,
        "num_fewshots": int(key.rpartition("|")[2]),
        "version": _version(task),
    }


def _hashes(told: TaskDetails) -> dict[str, str]:
    """LightEval's own, so that equal prompts show; it hashes no full prompts but empty texts."""
    return {
        "hash_examples": _digest(sorted(told.examples)),
        "hash_full_prompts": _digest(sorted(told.prompts)),
    }


def _digest(digests: Iterable[str]) -> str:
    from pytest_modeleval.integrations.lighteval.export_details import digest

    return digest("".join(digests))
