"""Hooks that other packages may implement, in a module of the entry point group
`modeleval.plugins`, a pytest plugin or a conftest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_modeleval.datasets.registered import RegisteredDataset
    from pytest_modeleval.models.catalog import BackendEntry
    from pytest_modeleval.results.record import RunResult


@pytest.hookspec
def pytest_modeleval_backends() -> Mapping[str, BackendEntry]:  # type: ignore[empty-body]
    """More backends for `--model BACKEND:NAME`, by name:

        def pytest_modeleval_backends():
            return {"triton": BackendEntry("my_package.triton:TritonBackend")}

    This hook and the next two are called once, when a run first asks for what they bring. A name
    that two installed packages bring is refused; what a conftest brings takes its place.
    """


@pytest.hookspec
def pytest_modeleval_datasets() -> Sequence[RegisteredDataset]:  # type: ignore[empty-body]
    """More datasets that a benchmark may name:

    def pytest_modeleval_datasets():
        return [RegisteredDataset(name="tickets", split="test", …)]
    """


@pytest.hookspec
def pytest_modeleval_scorers() -> Mapping[str, Callable[..., float | bool]]:  # type: ignore[empty-body]
    """More scorers that a task as data may name. Each is called with the reply's text (or what was
    extracted from it), the sample's target, and the parameters that the task gives:

        def keyword_share(text, target, *, case=False):
            ...

        def pytest_modeleval_scorers():
            return {"keyword_share": keyword_share}

    It returns a number or a truth value. One that raises makes its sample an error, and the rest
    stands. A benchmark in Python imports the function from the package that has it.
    """


@pytest.hookspec
def pytest_modeleval_finished(result: RunResult, folder: Path) -> None:
    """A run has ended and its files are written: the place to write more of them.

    Called in the process that reports (not on xdist's workers), also when the run was stopped;
    `result.complete` tells:

        def pytest_modeleval_finished(result, folder):
            (folder / "verdict.txt").write_text(result.verdict)
    """
