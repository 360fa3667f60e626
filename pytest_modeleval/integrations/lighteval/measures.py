"""A LightEval task's metrics: their names here, and what they make of a document's replies."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from functools import cached_property
from typing import Any

from pytest_modeleval.errors import ModelevalError
from pytest_modeleval.integrations.lighteval.asking import METHODS
from pytest_modeleval.integrations.lighteval.names import metric_name


@dataclass(frozen=True, slots=True)
class Measured:
    """What the metrics make of one document: numbers that are averaged over documents, and plain
    values for metrics over all of them, each by its name here."""

    scores: dict[str, float]
    values: dict[str, Any]


class Measures:
    """The metrics of a `LightevalTask`."""

    def __init__(self, task: Any) -> None:
        self._task = task
        self.methods = [
            name for name in METHODS if any(each.value == name for each in task.sampling_methods)
        ]

    @cached_property
    def names(self) -> dict[str, str]:
        """LightEval's name of each metric → its name here, in the task's order."""
        return {name: metric_name(name) for name in self._task.aggregation()}

    @cached_property
    def averaged(self) -> list[str]:
        """The names here of those that are the mean over documents."""
        import numpy

        aggregations = self._task.aggregation()
        return [here for name, here in self.names.items() if aggregations[name] is numpy.mean]

    @property
    def of_corpus(self) -> dict[str, str]:
        """The others: name here → LightEval's."""
        return {here: name for name, here in self.names.items() if here not in self.averaged}

    @cached_property
    def with_unconditioned(self) -> bool:
        """Whether a metric compares with the likelihood of a choice without its question."""
        from lighteval.metrics.normalizations import LogProbPMINorm

        functions = [metric.sample_level_fn for metric in self._task.metrics]
        return any(
            isinstance(value, LogProbPMINorm)
            for function in functions
            for value in getattr(function, "__dict__", {}).values()
        )

    def measure(self, doc: Any, responses: Mapping[str, Any]) -> Measured:
        """Raises ModelevalError where a metric raises, or gives what it cannot mean."""
        from lighteval.metrics import apply_metric

        found = Measured({}, {})
        for method, response in responses.items():
            own = [metric for metric in self._task.metrics if metric.category.value == method]
            for metric in own:
                try:
                    (outputs,) = apply_metric(responses=[response], docs=[doc], metrics=[metric])
                except Exception as error:
                    raise ModelevalError(
                        f"LightEval's metric {metric.metric_name} raised "
                        f"{type(error).__name__}: {error}"
                    ) from error
                for name, value in outputs.items():
                    self._keep(found, name, value)
        return found

    def _keep(self, found: Measured, name: str, value: Any) -> None:
        here = self.names.get(name)
        if here is None:  # what a grouping computes on the way, and never aggregates
            return
        if here in self.averaged:
            found.scores[here] = _number(name, value)
        else:
            found.values[here] = plain(value)


def _number(name: str, value: Any) -> float:
    import numpy

    try:
        number = float(numpy.mean(value))
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ModelevalError(
            f"LightEval's metric {name} gave {value!r:.60}: expected a finite number"
        )
    return number


def plain(value: Any) -> Any:
    """A value of LightEval in JSON's own types."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if hasattr(value, "tolist"):  # numpy's numbers and arrays
        return plain(value.tolist())
    return value
