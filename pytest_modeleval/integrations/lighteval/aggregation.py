"""Metrics of LightEval over all documents: computed where LightEval is imported already, else in a
process of its own that ends at once.

Importing LightEval costs seconds and half a gigabyte: the controller of several processes, which
runs no sample, must not pay for it. This module imports nothing of it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_modeleval.errors import ModelevalError

FUNCTION = f"{__name__}:aggregate"
LONGEST = 600.0
"""Seconds that the process may take."""


def aggregate(
    values: Sequence[Mapping[str, Any]],
    spec: str,
    names: Mapping[str, str],
    custom_tasks: str | None = None,
) -> dict[str, float]:
    """The metrics of a `CorpusMetric`: `names` says what LightEval calls each, `spec` is the task
    that has them. Raises ModelevalError where LightEval does."""
    if "lighteval" in sys.modules:
        return compute(values, spec, names, custom_tasks)
    asked = json.dumps([values, spec, names, custom_tasks])
    try:
        ended = subprocess.run(
            [sys.executable, "-m", __name__],
            input=asked,
            capture_output=True,
            encoding="utf-8",
            timeout=LONGEST,
        )
    except subprocess.TimeoutExpired:
        raise ModelevalError(
            f"LightEval has not computed {', '.join(names)} of {spec} within {LONGEST:g} s"
        ) from None
    lines = ended.stdout.splitlines()
    if ended.returncode or not lines:
        why = (ended.stderr.strip() or f"exit status {ended.returncode}").splitlines()[-1]
        raise ModelevalError(f"LightEval could not compute {', '.join(names)} of {spec}: {why}")
    found: dict[str, float] = json.loads(lines[-1])
    return found


def compute(
    values: Sequence[Mapping[str, Any]],
    spec: str,
    names: Mapping[str, str],
    custom_tasks: str | None,
) -> dict[str, float]:
    """The same in this process."""
    from pytest_modeleval.integrations.lighteval.specification import Specification, load_tasks

    (task,) = load_tasks(Specification.parse(spec), custom_tasks).values()
    aggregations = task.aggregation()
    found = {}
    for here, name in names.items():
        items = [_restored(each[here]) for each in values if here in each]
        found[here] = float(aggregations[name](items))
    return found


def _restored(value: Any) -> Any:
    """A value as LightEval's metrics made it, before it was written as JSON."""
    from lighteval.metrics.sample_preparator import (
        GenerativeCorpusMetricInput,
        PerplexityCorpusMetricInput,
    )

    if isinstance(value, dict):
        for kind in (GenerativeCorpusMetricInput, PerplexityCorpusMetricInput):
            if set(value) == set(kind.__dataclass_fields__):
                return kind(**value)
    return value


if __name__ == "__main__":
    print(json.dumps(compute(*json.load(sys.stdin))))
