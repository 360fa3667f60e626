"""What LightEval itself measured, as a baseline: its results files, and the details beside them.

Only files are read; nothing of LightEval is imported. Of a task its latest results count.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from pytest_modeleval.datasets.sample import as_text
from pytest_modeleval.errors import ModelevalError
from pytest_modeleval.integrations.lighteval.names import (
    metric_name,
    model_names,
    spelled_task,
    task_key,
)
from pytest_modeleval.results.baseline import Baseline, BaselineBenchmark, Scored
from pytest_modeleval.results.samples import digest

ROWS = 1_000
"""So many rows of the details are held at once."""

OWN = "pytest_modeleval"
"""In `config_general.environment` of what we wrote ourselves."""


@dataclass(frozen=True, slots=True)
class ResultsFile:
    """One results file of LightEval. `place` is what the user knows it by; `path` is the file, if
    it is one of this machine, beside which its details may lie."""

    place: str
    path: Path | None
    model: str
    results: Mapping[str, Mapping[str, Any]]
    tasks: Mapping[str, Any]
    is_ours: bool

    @classmethod
    def of(cls, values: Any, place: str, path: Path | None) -> ResultsFile:
        """Raises ModelevalError where it is not what LightEval writes."""
        try:
            general, results = values["config_general"], values["results"]
            model = general.get("model_name") or general["model_config"]["model_name"]
            tasks = {
                key: dict(scores)
                for key, scores in results.items()
                if key != "all" and ":_average|" not in key
            }
            environment = general.get("environment") or {}
            return cls(
                place,
                path,
                str(model),
                tasks,
                dict(values.get("config_tasks") or {}),
                OWN in environment,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ModelevalError(
                f"{place} is not a results file of LightEval ({error!r:.80}): expected JSON with "
                "config_general, that names the model, and results by task"
            ) from error

    def scores(self, key: str, metrics: Mapping[str, Any]) -> dict[str, float]:
        """A document's scores, by our names of the metrics. LightEval has no accuracy: a document
        is right as it is where our runs ask it, by the task's first metric that is averaged."""
        numbers = {
            name: fmean(value) if isinstance(value, list) else float(value)
            for name, value in metrics.items()
            if _is_number(value)
        }
        if self.is_ours:
            return numbers
        found = {metric_name(name): value for name, value in numbers.items()}
        primary = _primary(self.tasks.get(key)) or next(iter(numbers), None)
        if primary in numbers:
            found["accuracy"] = float(not 0 <= numbers[primary] < 1)
        return found

    @classmethod
    def read(cls, path: Path) -> ResultsFile:
        """Raises ModelevalError where it cannot be read, or is something else."""
        try:
            values = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            raise ModelevalError(
                f"{path} cannot be read as a results file of LightEval: {error!s:.120}"
            ) from error
        return cls.of(values, str(path), path)

    def details(self, key: str) -> Path | None:
        """The file with the task's details, where it lies beside: as LightEval writes it here, and
        as it uploads it."""
        if self.path is None:
            return None
        date = self.path.stem.removeprefix("results_")
        name = f"details_{key}_{date}.parquet"
        folders = [self.path.parent / date]
        for folder in self.path.parents:
            if folder.name == "results":
                own = self.path.parent.relative_to(folder)
                folders.append(folder.parent / "details" / own / date)
        known = (file for each in folders if each.is_dir() for file in each.iterdir())
        return next((file for file in known if file.name == name), None)


@dataclass(slots=True)
class LightEvalTask(BaselineBenchmark):
    """A task of LightEval. It knows a document by its row in a split, which several may share."""

    rows: dict[str, list[str]] = field(default_factory=dict)

    def add(self, row: str, question: str, scores: Mapping[str, float]) -> None:
        """Take in a document, or what another way of asking gave for it."""
        keys = self.rows.setdefault(row, [])
        key = next((key for key in keys if self.samples[key].digest == question), None)
        if key is None:
            key = f"{row} ({len(keys) + 1})" if keys else row
            keys.append(key)
            self.samples[key] = Scored(question, {})
        self.samples[key].scores.update(scores)

    def key_of(self, sample_id: str, digest: str) -> str | None:
        """Ours ends in the row, with leading zeros."""
        if sample_id in self.samples:
            return sample_id
        row = sample_id.rpartition("-")[2]
        keys = self.rows.get(str(int(row)), []) if row.isdecimal() else []
        same = [key for key in keys if self.samples[key].digest == digest]
        return next(iter([*same, *keys]), None)


@dataclass(slots=True)
class LightEvalBaseline(Baseline):
    """What LightEval measured of one model. `names` are of those benchmarks that were ours."""

    names: dict[str, str] = field(default_factory=dict)

    def name_of(self, benchmark: str, task: str | None = None) -> str | None:
        """The task that a benchmark runs, else the one that it is called after: `test_gsm8k` is
        `gsm8k|5`. The number of examples may differ where only one task of that name is there."""
        known = (self.names.get(benchmark), task, spelled_task(benchmark))
        if found := [key for key in known if key in self.benchmarks]:
            return found[0]
        own = task_key(benchmark, 0).rpartition("|")[0]
        found = [key for key in self.benchmarks if key.rpartition("|")[0] == own]
        return found[0] if len(found) == 1 else None


def results_files(folder: Path) -> list[ResultsFile]:
    """The results files of LightEval in its folder, the oldest first. Raises ModelevalError for one
    that cannot be read."""
    found = [*folder.glob("results_*.json"), *folder.glob("results/**/results_*.json")]
    return [ResultsFile.read(path) for path in sorted(found, key=lambda path: path.name)]


def baseline_of(files: Sequence[ResultsFile], source: str, model: str) -> Baseline:
    """The latest results of each task, of `model`, or of the only model there.

    Raises ModelevalError where there are several models and not this one, and for details that
    cannot be read.
    """
    models = dict.fromkeys(file.model for file in files)
    wanted = model_names([model])[model] if model else ""
    if wanted not in models:
        if len(models) > 1:
            missed = f" and not of {wanted}" if wanted else ""
            raise ModelevalError(
                f"baseline {source} has LightEval's results of {', '.join(models)}{missed}: name "
                "one of its files, results/<model>/results_<date>.json"
            )
        (wanted,) = models
    baseline = LightEvalBaseline(source, wanted)
    for file in files:
        for key in file.results if file.model == wanted else ():
            baseline.benchmarks[key] = _task(file, key)
            if file.is_ours:
                baseline.names[file.tasks[key]["prompt_function"]] = key
    return baseline


def _task(file: ResultsFile, key: str) -> LightEvalTask:
    path = file.details(key)
    if path is None:
        return LightEvalTask(unpaired=_only_aggregates(file, key))
    task = LightEvalTask()
    for doc, scores in _rows(path):
        try:
            own = json.loads(doc["specific"]) if file.is_ours else {}
            if "error" in own:
                continue
            target = own["target"] if own else _target(doc)
            question = digest(str(doc["query"]), as_text(target))
            task.add(str(doc["id"]), question, file.scores(key, scores))
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise ModelevalError(
                f"{path}: the document {str(doc.get('id'))!r:.40} cannot be read ({error!r:.80}): "
                "expected query, choices, gold_index and id, as LightEval writes them"
            ) from error
    return task


def _rows(path: Path) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each document and its scores. Older versions call the columns `__doc__` and `__metric__`."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            doc, metric = ("doc", "metric") if "doc" in names else ("__doc__", "__metric__")
            if doc not in names or metric not in names:
                raise ModelevalError(
                    f"{path} has the columns {', '.join(names):.80}: expected doc and metric, as "
                    "LightEval 0.13 writes them"
                )
            fields = ("query", "choices", "gold_index", "id", "specific")
            columns = [f"{doc}.{name}" for name in fields] + [metric]
            for batch in file.iter_batches(ROWS, columns=columns, use_threads=False):
                for row in batch.to_pylist():
                    yield row[doc], row[metric] or {}
    except (pa.ArrowException, OSError) as error:
        raise ModelevalError(f"{path} cannot be read as LightEval's details: {error}") from error


def _target(doc: Mapping[str, Any]) -> str | list[str] | None:
    """The golden answers, as a sample of ours has them of the same document."""
    gold = doc["gold_index"]
    found: list[str] = []
    for place in gold if isinstance(gold, list) else [gold]:
        answer = doc["choices"][place]
        found += answer if isinstance(answer, list) else [answer]
    golds = [str(each).strip() for each in found]
    return golds[0] if len(golds) == 1 else golds or None


def _primary(task: Any) -> str | None:
    """The first metric that LightEval averages over the documents."""
    for metric in (task or {}).get("metrics") or ():
        names, functions = metric.get("metric_name"), metric.get("corpus_level_fn")
        for name in names if isinstance(names, list) else [names]:
            function = functions.get(name) if isinstance(functions, dict) else functions
            if function == "mean":
                return str(name)
    return None


def _is_number(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(map(_is_number, value))
    return isinstance(value, (int, float)) and math.isfinite(value)


def _only_aggregates(file: ResultsFile, key: str) -> str:
    told = ", ".join(
        f"{name} {value:.4g}"
        for name, value in file.results[key].items()
        if isinstance(value, (int, float)) and not name.endswith("_stderr")
    )
    return (
        f"of {key} LightEval's results have only aggregates ({told}), and a comparison goes "
        "document by document: run LightEval with --save-details, and keep details/ beside "
        "results/; until then compare with a number, such as accuracy >= 0.8"
    )
