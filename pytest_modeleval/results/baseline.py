"""Baselines: what an earlier run scored on each sample, so that runs are compared one by one.

A baseline is a run's folder, or a file made of one to be committed: compact, one line a sample, in
a fixed order, so that a review shows what changed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_modeleval.errors import ModelevalError
from pytest_modeleval.migration import Notice, print_notice, up_to_date
from pytest_modeleval.results.baseline_schema import BASELINE, BASELINE_VERSION
from pytest_modeleval.results.details import details_files
from pytest_modeleval.results.record import RunResult
from pytest_modeleval.results.results_json import to_json
from pytest_modeleval.results.run_folder import write_atomically
from pytest_modeleval.results.samples import AnsweredSample, read_samples
from pytest_modeleval.strict_json import DuplicateKey, strict_json

FOLDER = Path("benchmarks", "baselines")
"""Where committed baselines lie, from the root of the project: a file for each model alias."""

LIGHTEVAL_TASK = "lighteval_task"
"""The field of a sample's metadata with LightEval's name of the task that it is of."""

UNANSWERED = ("error", "not_run", "deselected")
"""Samples of these kinds keep a benchmark out of a baseline."""

FETCH_S = 30.0

OLD_NAME = "baseline_version"
"""What the first baselines call their schema_version."""


@dataclass(slots=True)
class Scored:
    """One sample of a baseline: a digest of its question and answer, and its scores by metric,
    each the mean over its epochs."""

    digest: str
    scores: dict[str, float]


@dataclass(slots=True)
class BaselineBenchmark:
    """One benchmark of a baseline. Samples that errored or did not run are not there; `unpaired`
    says why none are, where only aggregates are known."""

    dataset_fingerprint: str | None = None
    samples: dict[str, Scored] = field(default_factory=dict)
    unpaired: str | None = None

    def key_of(self, sample_id: str, digest: str) -> str | None:
        """Under which key of `samples` a sample is, if at all; it may have changed."""
        return sample_id if sample_id in self.samples else None

    @property
    def metrics(self) -> list[str]:
        """What at least one sample recorded; accuracy first."""
        return list(dict.fromkeys(name for each in self.samples.values() for name in each.scores))


@dataclass(slots=True)
class Baseline:
    """What one model scored. `source` is how the user named it."""

    source: str
    model: str
    benchmarks: dict[str, BaselineBenchmark] = field(default_factory=dict)

    def name_of(self, benchmark: str, task: str | None = None) -> str | None:
        """Under which name a benchmark is in `benchmarks`, if at all; `task` is what LightEval
        calls what it runs, where that is one of its tasks."""
        return benchmark if benchmark in self.benchmarks else None


class Baselines:
    """The baselines of a run's models, each read once."""

    def __init__(self, source: str | None, root: Path, notice: Notice = print_notice) -> None:
        self._source = source
        self._root = root
        self._notice = notice
        self._read: dict[str, Baseline | None] = {}

    def of(self, model: str) -> Baseline | None:
        """What the model is compared with: the source that was named, else its committed file;
        None where there is neither. Raises ModelevalError, as `read_baseline`."""
        if model not in self._read:
            source = self._source
            if source is None and (own := baseline_file(self._root, model)).is_file():
                source = str(own.relative_to(self._root))
            self._read[model] = (
                read_baseline(source, self._root, model, self._notice) if source else None
            )
        return self._read[model]


def baseline_file(root: Path, model: str) -> Path:
    """Where the committed baseline of a model lies."""
    return root / FOLDER / f"{model}.json"


def read_baseline(source: str, root: Path, model: str, notice: Notice = print_notice) -> Baseline:
    """The scores of `model` in a run or file; of the only model there where its name is another.

    Args:
        source: a run's folder or id, a file, an http(s) URL of one, or git:REF:PATH; LightEval's
            folder or a results file of it as well.
        root: what relative paths and run ids start from, and whose repository git looks in.
        model: the alias.
        notice: is told of a file that an older version wrote.

    Raises:
        ModelevalError: it is not there, cannot be read, is newer than what this version reads, or
            has several models and not this one.
    """
    if source.startswith("git:"):
        return _parse(_from_git(source, root), source, model, notice)
    if source.startswith(("http://", "https://")):
        return _parse(_from_url(source), source, model, notice)
    path = _found(source, root)
    if path.is_dir() and not details_files(path) and (path / f"{model}.json").is_file():
        path = path / f"{model}.json"
    if path.is_dir() and not details_files(path):
        from pytest_modeleval.integrations.lighteval.results import baseline_of, results_files

        if files := results_files(path):
            return baseline_of(files, source, model)
    if path.is_dir():
        return _from_run(path, source, model, notice)
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ModelevalError(f"baseline {source}: cannot read it: {error.strerror}") from None
    return _parse(text, source, model, notice, path)


def update_baselines(folder: Path, root: Path, result: RunResult) -> list[str]:
    """Write what a run scored into the committed baseline of each of its models, and say so.

    Benchmarks that did not answer all their samples keep what the file had. Raises ModelevalError
    where a file that is there cannot be read, or cannot be written.
    """
    notes = []
    for model in dict.fromkeys(benchmark.model for benchmark in result.benchmarks):
        path = baseline_file(root, model)
        kept = read_baseline(str(path), root, model).benchmarks if path.is_file() else {}
        ran = _from_run(folder, str(folder), model).benchmarks
        told = []
        for benchmark in result.benchmarks:
            if benchmark.model != model:
                continue
            left = sum(benchmark.samples.get(each, 0) for each in UNANSWERED)
            if left or benchmark.name not in ran:
                told.append(f"{benchmark.name} stays as it was, {left} samples have no answer")
                continue
            kept[benchmark.name] = ran[benchmark.name]
            kept[benchmark.name].dataset_fingerprint = benchmark.dataset_fingerprint
        write_baseline(path, Baseline(str(path), model, kept))
        notes.append("; ".join([f"baseline written: {path.relative_to(root)}", *told]))
    return notes


def write_baseline(path: Path, baseline: Baseline) -> None:
    """Write the file to be committed. Raises ModelevalError where it cannot be written."""
    blocks = []
    for name, benchmark in sorted(baseline.benchmarks.items()):
        metrics = benchmark.metrics
        lines = [
            f"        {to_json(sample_id)}: {to_json(_row(scored, metrics))}"
            for sample_id, scored in sorted(benchmark.samples.items())
        ]
        means = {metric: _mean(benchmark, metric) for metric in metrics}
        blocks.append(
            f"    {to_json(name)}: {{\n"
            f'      "dataset_fingerprint": {to_json(benchmark.dataset_fingerprint)},\n'
            f'      "metrics": {to_json(metrics)},\n'
            f'      "means": {to_json(means)},\n'
            '      "samples": {\n' + ",\n".join(lines) + "\n      }\n    }"
        )
    content = (
        f'{{\n  "schema_version": "{BASELINE_VERSION}",\n'
        f'  "model": {to_json(baseline.model)},\n'
        '  "benchmarks": {\n' + ",\n".join(blocks) + "\n  }\n}\n"
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelevalError(f"cannot write {path}: {error.strerror}") from None
    write_atomically(path, content)


def _row(scored: Scored, metrics: list[str]) -> list[Any]:
    values = [scored.scores.get(metric) for metric in metrics]
    return [scored.digest, *(round(each, 6) if each is not None else None for each in values)]


def _mean(benchmark: BaselineBenchmark, metric: str) -> float:
    values = [each.scores[metric] for each in benchmark.samples.values() if metric in each.scores]
    return round(math.fsum(values) / len(values), 6)


def _found(source: str, root: Path) -> Path:
    named = Path(source).expanduser()
    for path in (named, root / named, root / ".modeleval" / "runs" / named):
        if path.exists():
            return path
    raise ModelevalError(
        f"baseline {source}: there is no such file, folder or run (looked in {root} and its "
        ".modeleval/runs): name a run, a file that --baseline-update wrote, a URL, or git:REF:PATH"
    )


def _from_git(source: str, root: Path) -> bytes:
    _, _, where = source.partition(":")
    ref, _, path = where.partition(":")
    if not ref or not path or ref.startswith("-"):
        raise ModelevalError(f"baseline {source}: expected git:REF:PATH, such as git:main:{FOLDER}")
    import subprocess

    try:
        found = subprocess.run(
            ["git", "-C", str(root), "show", f"{ref}:./{path}"], capture_output=True, check=False
        )
    except OSError as error:
        raise ModelevalError(f"baseline {source}: git cannot be run: {error.strerror}") from None
    if found.returncode:
        said = found.stderr.decode(errors="replace").strip().splitlines() or ["it failed"]
        raise ModelevalError(f"baseline {source}: git says: {said[0]}")
    return found.stdout


def _from_url(source: str) -> bytes:
    from urllib.error import URLError
    from urllib.request import urlopen

    try:
        with urlopen(source, timeout=FETCH_S) as response:
            content: bytes = response.read()
            return content
    except (URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise ModelevalError(f"baseline {source}: it cannot be fetched: {reason}") from None


def _parse(
    content: bytes, source: str, model: str, notice: Notice, path: Path | None = None
) -> Baseline:
    try:
        values = strict_json(content)
        if "config_general" in values:
            from pytest_modeleval.integrations.lighteval.results import ResultsFile, baseline_of

            return baseline_of([ResultsFile.of(values, source, path)], source, model)
        version = values["schema_version" if "schema_version" in values else OLD_NAME]
    except DuplicateKey as error:
        raise ModelevalError(f"baseline {source}: {error.args[0]!r} is in it twice") from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        why = f"{type(error).__name__}: {error}"
        raise ModelevalError(
            f"baseline {source} is not a baseline file ({why:.120}): write one with "
            "--baseline-update"
        ) from None
    values = up_to_date(BASELINE, version, values, f"baseline {source}", notice)
    try:
        benchmarks = {
            str(name): BaselineBenchmark(
                each["dataset_fingerprint"],
                {
                    sample_id: Scored(str(row[0]), _scores(each["metrics"], row[1:]))
                    for sample_id, row in each["samples"].items()
                },
            )
            for name, each in values["benchmarks"].items()
        }
        return Baseline(source, str(values["model"]), benchmarks)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        why = f"{type(error).__name__}: {error}"
        raise ModelevalError(
            f"baseline {source} is damaged ({why:.120}): write it anew with --baseline-update"
        ) from None


def _scores(metrics: list[str], values: list[Any]) -> dict[str, float]:
    found = {str(name): float(each) for name, each in zip(metrics, values) if each is not None}
    if not all(map(math.isfinite, found.values())):
        raise ValueError("a score is not a finite number")
    return found


def _from_run(path: Path, source: str, model: str, notice: Notice = print_notice) -> Baseline:
    run = read_samples(path, notice=notice)
    models = sorted({name for _, name in run})
    if model not in models:
        if len(models) > 1:
            raise ModelevalError(
                f"baseline {source} has the models {', '.join(models)} and not {model}: name a run "
                "of one model, or give the model the same alias"
            )
        model = models[0]
    return Baseline(
        source,
        model,
        {
            benchmark: BaselineBenchmark(
                samples={
                    sample_id: Scored(sample.digest, _means(sample))
                    for sample_id, sample in samples.items()
                    if sample.epochs and not sample.unanswered
                }
            )
            for (benchmark, name), samples in run.items()
            if name == model
        },
    )


def _means(sample: AnsweredSample) -> dict[str, float]:
    means = {metric: sample.mean(metric) for metric in sample.metrics}
    return {metric: mean for metric, mean in means.items() if mean is not None}
