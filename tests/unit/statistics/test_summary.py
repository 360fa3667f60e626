"""A metric over samples, as the results file shows it."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

from pytest_modeleval.results.record import Metric
from pytest_modeleval.statistics import mean_interval, summary, wilson_interval


def test_zeros_and_ones_are_a_proportion() -> None:
    lower, upper, _ = wilson_interval(3, 4)
    assert summary("accuracy", [1.0, 0.0, 1.0, 1.0]) == Metric(0.75, lower, upper, 4)
    assert summary("exact_match", [1.0, 0.0, 1.0, 1.0]) == Metric(0.75, lower, upper, 4)


def test_other_values_are_a_mean() -> None:
    values = [0.25, 1.5, 0.5]
    lower, upper, _ = mean_interval(values)
    assert summary("f1", values) == Metric(0.75, lower, upper, 3)


def test_a_quantity_is_never_a_proportion() -> None:
    assert summary("cost", [0.0, 0.0, 0.0]) == Metric(0.0, 0.0, 0.0, 3)


def test_an_interval_stays_where_the_metric_can_be() -> None:
    accuracy = summary("accuracy", [1.0, 1.0, 0.5])
    latency = summary("latency_s", [0.1, 5.0])
    assert accuracy is not None and accuracy.upper == 1.0
    assert latency is not None and latency.lower == 0.0


def test_samples_without_a_value_are_not_counted() -> None:
    metric = summary("f1", [math.nan, 0.5, math.nan])
    assert metric == Metric(0.5, None, None, 1)
    assert summary("f1", [math.nan]) is None
    assert summary("f1", []) is None


@pytest.mark.parametrize("package", ["statistics", "gates"])
def test_importing_and_using_it_loads_no_scientific_library(package: str) -> None:
    """They would cost a short run more than everything else."""
    code = (
        f"import sys, pytest_modeleval.{package}\n"
        "from pytest_modeleval.statistics import summary\n"
        "summary('latency_s', [1.0, 2.0, 4.0])\n"
        "loaded = {'numpy', 'scipy', 'pytest', 'pyarrow'} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
