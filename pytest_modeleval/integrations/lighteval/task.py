"""A LightEval task as a benchmark: a body and its definition, as if an author had written them."""

from __future__ import annotations

import copy
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pytest_modeleval.corpus_metric import CorpusMetric
from pytest_modeleval.datasets.sample import Sample
from pytest_modeleval.definition import ATTRIBUTE, Benchmark
from pytest_modeleval.errors import WrongSample
from pytest_modeleval.integrations.lighteval.aggregation import FUNCTION
from pytest_modeleval.integrations.lighteval.asking import ask
from pytest_modeleval.integrations.lighteval.documents import Documents
from pytest_modeleval.integrations.lighteval.measures import Measured, Measures
from pytest_modeleval.integrations.lighteval.metrics_thread import in_metrics_thread
from pytest_modeleval.integrations.lighteval.specification import (
    Specification,
    load_tasks,
    with_overrides,
)
from pytest_modeleval.models.model import Model
from pytest_modeleval.recorder import record_value, score

Body = Callable[..., Awaitable[None]]


@dataclass(frozen=True, slots=True)
class TaskFunction:
    """One task: `spec` is LightEval's own name of it ("mmlu:anatomy|5"), `function` takes `sample`
    and `model`. `primary` is the metric that says whether a sample is right, None where no number
    does."""

    spec: str
    function: Body
    definition: Benchmark
    primary: str | None

    def name_within(self, superset: str) -> str:
        """Its name where its superset's is given: mmlu_anatomy of mmlu, mmlu:anatomy|5 of mmlu|5,
        as LightEval itself would call it."""
        if "|" in superset:
            return self.spec
        subset = self.spec.partition(":")[2].rpartition("|")[0]
        return f"{superset}_{re.sub(r'[^A-Za-z0-9_.-]+', '_', subset)}"


def lighteval_tasks(
    spec: str,
    *,
    few_shot: int | None = None,
    parameters: Mapping[str, Any] | None = None,
    custom_tasks: str | Path | None = None,
    folders: Sequence[Path] = (),
) -> list[TaskFunction]:
    """The benchmarks that a spec of LightEval names: one, or all tasks of a superset.

    Args:
        spec: "task|few_shot" or "task@parameter=value|few_shot", such as "gsm8k|5"; a superset
            such as "mmlu|5" names all its tasks.
        few_shot: takes the place of that of `spec`.
        parameters: of the task's metrics, added to those of `spec`.
        custom_tasks: a Python file (or module) with a TASKS_TABLE of its own tasks.
        folders: data folders, asked before the hub. The dataset itself is read when the
            benchmark's samples are.

    Raises UsageError where LightEval is not installed, or the task does not exist.
    """
    specification = with_overrides(Specification.parse(spec), few_shot, parameters or {})
    tasks = load_tasks(specification, custom_tasks)
    return [
        _Task(name, task, specification, custom_tasks, folders).as_function()
        for name, task in tasks.items()
    ]


class _Task:
    """A `LightevalTask` and what a body needs of it."""

    def __init__(
        self,
        spec: str,
        task: Any,
        specification: Specification,
        custom_tasks: str | Path | None,
        folders: Sequence[Path],
    ) -> None:
        self._spec = spec
        self._task = task
        self._measures = Measures(task)
        # The superset that named the task would name the others as well.
        self._own = Specification(
            spec.rpartition("|")[0], specification.few_shot, specification.parameters
        )
        self._custom_tasks = None if custom_tasks is None else str(custom_tasks)
        self._folders = folders
        self._documents: Documents | None = None

    def as_function(self) -> TaskFunction:
        corpus = self._measures.of_corpus
        arguments = {
            "spec": str(self._own),
            "names": corpus,
            "custom_tasks": self._custom_tasks,
        }
        likelihoods = {"LOGPROBS", "PERPLEXITY"} & set(self._measures.methods)
        definition = Benchmark(
            dataset=self._read,
            metrics=tuple(self._measures.averaged),
            needs=("loglikelihood",) if likelihoods else (),
            corpus_metrics=(CorpusMetric(tuple(corpus), FUNCTION, arguments),) if corpus else (),
        )

        async def body(sample: Sample, model: Model) -> None:
            await self._judge(sample, model)

        setattr(body, ATTRIBUTE, definition)
        return TaskFunction(self._spec, body, definition, self._primary)

    @property
    def _primary(self) -> str | None:
        return next(iter(self._measures.averaged), None)

    def _read(self) -> Documents:
        if self._documents is None:
            self._documents = Documents(self._task, self._folders)
        return self._documents

    async def _judge(self, sample: Sample, model: Model) -> None:
        # Metrics write into a document what they found in a reply to it.
        doc = copy.copy(self._read().by_id[sample.id])
        doc.specific = copy.copy(doc.specific)
        responses = {
            method: await ask(
                model,
                self._task,
                doc,
                method,
                with_unconditioned=self._measures.with_unconditioned,
            )
            for method in self._measures.methods
        }
        measure = partial(self._measures.measure, doc, responses)
        measured = await in_metrics_thread(measure)
        self._record(sample, measured, responses)

    def _record(self, sample: Sample, measured: Measured, responses: Mapping[str, Any]) -> None:
        for name, number in measured.scores.items():
            score(name, number)
        for name, value in measured.values.items():
            record_value(name, value)
        primary = self._primary
        found = measured.scores.get(primary or "")
        if found is not None and 0 <= found < 1:
            raise WrongSample(f"{primary} is {found:g}{_told(sample, responses)}")


def _told(sample: Sample, responses: Mapping[str, Any]) -> str:
    """What was expected, and what came."""
    generated = responses.get("GENERATIVE")
    expected = f"expected {sample.target!r:.200}"
    if generated is not None:
        return f": replied {generated.final_text[0]!r:.200}, {expected}"
    likelihoods = responses.get("LOGPROBS")
    if likelihoods is not None and sample.choices:
        own = likelihoods.logprobs[: len(sample.choices)]
        chosen = sample.choices[max(range(len(own)), key=own.__getitem__)]
        return f": the likeliest choice is {chosen!r:.200}, {expected}"
    return ""
