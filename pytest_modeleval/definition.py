"""The nouns of the field: a benchmark is a test function over a dataset of samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeAlias, TypeVar

from pytest_modeleval.corpus_metric import CorpusMetric
from pytest_modeleval.datasets.dataset import Dataset
from pytest_modeleval.datasets.few_shot import FewShot
from pytest_modeleval.datasets.sample import Sample
from pytest_modeleval.errors import UsageError
from pytest_modeleval.models.protocol import Capabilities
from pytest_modeleval.recorder import record_value, score

__all__ = [
    "Benchmark",
    "CorpusMetric",
    "FewShot",
    "Sample",
    "benchmark",
    "record_value",
    "score",
]

Function = TypeVar("Function", bound=Callable[..., Any])
Records: TypeAlias = "Dataset | Iterable[Mapping[str, Any]]"
Source: TypeAlias = "str | Records | Callable[[], Records]"
ATTRIBUTE = "__modeleval__"


@dataclass(frozen=True, slots=True, eq=False)
class Benchmark:
    """What `@benchmark` was given, the fields are its arguments; and what a pack adds to it: a
    benchmark's own `max_samples`, and fields of the `sampling` of every request to the model under
    test, whatever its body asks for, the name of the `task` that it belongs to, and the
    `primary` metric, which the pack's score is made of."""

    dataset: Source
    gates: tuple[str, ...] = ()
    sample: Callable[[Mapping[str, Any]], Any] | None = None
    few_shot: FewShot | None = None
    epochs: int = 1
    cluster: str | None = None
    timeout: float | None = None
    metrics: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    corpus_metrics: tuple[CorpusMetric, ...] = ()
    max_samples: int | None = None
    sampling: Mapping[str, Any] = field(default_factory=dict)
    task: str | None = None
    primary: str = "accuracy"


def benchmark(
    dataset: Source,
    *,
    gates: Sequence[str] = (),
    sample: Callable[[Mapping[str, Any]], Any] | None = None,
    few_shot: int | FewShot = 0,
    epochs: int = 1,
    cluster: str | None = None,
    timeout: float | None = None,
    metrics: Sequence[str] = (),
    needs: Sequence[str] = (),
    corpus_metrics: Sequence[CorpusMetric] = (),
) -> Callable[[Function], Function]:
    """Make a test function a benchmark: it runs once for every sample of `dataset`.

    The function takes `sample`, usually `model`, and any fixtures. Where it raises nothing the
    sample is right; a failing `assert` makes it wrong, any other exception an error.

    Args:
        dataset: a registered name ("gsm8k"), a path (.jsonl, .csv, .parquet; relative to the
            benchmark's own file), "hf:org/name:config[split]", or an iterable of mappings, or a
            function that returns one.
        gates: expressions that must hold over all samples, such as "accuracy >= 0.75".
        sample: turns one record of the dataset into a `Sample`, or into a list of them.
        few_shot: how many solved examples each sample gets in `sample.few_shot`.
        epochs: how often each sample runs; its scores are the means over its epochs.
        cluster: the field of a record that tells which samples belong together.
        timeout: seconds that a body may take.
        metrics: names that the body's helpers give to `score`; those that the body itself gives
            are found without this.
        needs: what the model must be able to do, as fields of `Capabilities` ("images", "tools",
            …); what the body itself calls is found without this.
        corpus_metrics: metrics over all samples together, made of what bodies give to
            `record_value`.
    """
    if isinstance(gates, str):
        gates = (gates,)
    if epochs < 1:
        raise UsageError(f"@benchmark(epochs={epochs}): a sample runs once or more")
    if timeout is not None and timeout <= 0:
        raise UsageError(f"@benchmark(timeout={timeout}): expected more than 0 seconds")
    known = [each.name for each in fields(Capabilities)]
    for need in needs:
        if need not in known:
            raise UsageError(f"@benchmark(needs=[{need!r}]): expected some of {', '.join(known)}")
    if isinstance(few_shot, int):
        few_shot = FewShot(few_shot)
    definition = Benchmark(
        dataset=dataset,
        gates=tuple(gates),
        sample=sample,
        few_shot=few_shot if few_shot.count else None,
        epochs=epochs,
        cluster=cluster,
        timeout=timeout,
        metrics=tuple(metrics),
        needs=tuple(needs),
        corpus_metrics=tuple(corpus_metrics),
    )

    def mark(function: Function) -> Function:
        setattr(function, ATTRIBUTE, definition)
        return function

    return mark


def definition_of(function: object) -> Benchmark | None:
    """The benchmark that a function was made into, or None for an ordinary test."""
    found = getattr(function, ATTRIBUTE, None)
    return found if isinstance(found, Benchmark) else None
