"""Metrics of all samples together, where a mean of per-sample numbers will not do: an F1 score
over classes, BLEU of a corpus, a correlation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from pytest_modeleval.errors import ModelevalError, UsageError
from pytest_modeleval.gates.derived import CONFIDENCE, is_derived
from pytest_modeleval.recorder import BUILT_IN_METRICS, is_metric_name
from pytest_modeleval.results.record import Metric


@dataclass(frozen=True, slots=True)
class CorpusMetric:
    """One function over what all bodies recorded with `record_value`, and the metrics it gives.

    `function` is named as "package.module:function", since the process that calls it may not be the
    one that ran the samples. It is called as function(values, **arguments). `values` has a dict for
    each sample and epoch that recorded anything, in the dataset's order: what was recorded, by
    name. It returns a dict from each of `names` to its value: a number, or (value, lower, upper).
    With one name it may return the value itself. `arguments` are plain values.
    """

    names: tuple[str, ...]
    function: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = (self.names,) if isinstance(self.names, str) else tuple(self.names)
        object.__setattr__(self, "names", names)
        for name in names:
            taken = name in BUILT_IN_METRICS or name == CONFIDENCE or is_derived(name)
            if taken or not is_metric_name(name):
                why = "is measured already" if taken else "is no name that a gate could use"
                raise UsageError(f"CorpusMetric({name!r:.60}, …): that {why}; choose another name")
        if not names or not all(self.function.partition(":")[::2]):
            raise UsageError(
                f"CorpusMetric({names!r:.60}, {self.function!r:.60}): expected the names of its "
                'metrics, and its function as "package.module:function"'
            )

    def compute(self, values: Sequence[Mapping[str, Any]], samples: int) -> dict[str, Metric]:
        """Its metrics over these values, which are of so many samples. Raises ModelevalError where
        the function is not there, raises, or returns something else."""
        told = f"the function {self.function}"
        module, _, name = self.function.partition(":")
        try:
            function = getattr(import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise ModelevalError(
                f"{told} of {self.names[0]} cannot be imported ({error}): name one that every "
                'process of the run can import, as "package.module:function"'
            ) from error
        try:
            returned = function(values, **self.arguments)
        except ModelevalError:
            raise
        except Exception as error:
            raise ModelevalError(f"{told} raised {type(error).__name__}: {error}") from error
        if not isinstance(returned, Mapping):
            returned = {self.names[0]: returned} if len(self.names) == 1 else {}
        return {each: _metric(each, returned.get(each), told, samples) for each in self.names}


def _metric(name: str, returned: Any, told: str, samples: int) -> Metric:
    parts = returned if isinstance(returned, (tuple, list)) else (returned, None, None)
    try:
        value, lower, upper = (None if each is None else float(each) for each in parts)
    except (TypeError, ValueError):
        value = lower = upper = None
    if value is None or not math.isfinite(value):
        raise ModelevalError(
            f"{told} returned {returned!r:.60} for {name}: expected a finite number, or value, "
            "lower and upper end"
        )
    return Metric(value, lower, upper, samples)
