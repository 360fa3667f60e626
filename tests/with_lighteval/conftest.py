"""A project that all tests of a module share, and small datasets: LightEval is slow to import."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.integration.conftest import Project
from tests.with_lighteval import fixtures, oracle


@pytest.fixture(scope="module")
def monkeypatch_module() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patched:
        yield patched


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    oracle.REPLIES.update(fixtures.write(folder))
    return folder


@pytest.fixture(scope="module")
def project(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch_module: pytest.MonkeyPatch,
) -> Project:
    """One for all tests of the module, which pytest's own fixture is not."""
    module = SimpleNamespace(
        function=None, node=request.node, config=request.config, addfinalizer=request.addfinalizer
    )
    pytester = pytest.Pytester(
        module,  # type: ignore[arg-type]
        tmp_path_factory,
        monkeypatch_module,
        _ispytest=True,
    )
    monkeypatch_module.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    made = Project(pytester)
    made.conftest(
        """
def pytest_modeleval_backends():
    return {"oracle": BackendEntry("tests.with_lighteval.oracle:Backend")}
"""
    )
    return made
