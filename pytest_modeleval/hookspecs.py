"""Hooks that other packages may implement, in a pytest plugin or a conftest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_modeleval.datasets.registered import RegisteredDataset
    from pytest_modeleval.models.catalog import BackendEntry
    from pytest_modeleval.results.record import RunResult


@pytest.hookspec
def pytest_modeleval_backends() -> Mapping[str, BackendEntry]:  # type: ignore[empty-body]
    """More backends for `--model BACKEND:NAME`, by name.

    Called once, when models are first asked for. A later plugin's name wins:

        def pytest_modeleval_backends():
            return {"triton": BackendEntry("my_package.triton:TritonBackend")}
    """


@pytest.hookspec
def pytest_modeleval_datasets() -> Sequence[RegisteredDataset]:  # type: ignore[empty-body]
    """More datasets that a benchmark may name. Called once, when benchmarks are collected."""


@pytest.hookspec
def pytest_modeleval_finished(result: RunResult, folder: Path) -> None:
    """A run has ended and its files are written: the place to write more of them.

    Called in the process that reports (not on xdist's workers), also when the run was stopped;
    `result.complete` tells.
    """
