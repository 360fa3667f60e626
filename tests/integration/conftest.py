"""Benchmarks as their authors run them: projects of their own, driven through pytester."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import scipy.stats  # noqa: F401  and numpy cannot be imported twice

import pytest_modeleval.session  # noqa: F401  pytester forgets what only its own runs imported

PROBE = Path(__file__).with_name("probe_backend.py")

HOOK = """
import json
from dataclasses import asdict
from pytest_modeleval.models.catalog import BackendEntry
from probe_backend import PATIENCE, Probe

class Backend(Probe):
    '''Answers with what it was asked.'''

def pytest_modeleval_backends():
    return {"probe": BackendEntry("conftest:Backend")}

def pytest_modeleval_finished(result):
    with open("finished.json", "w", encoding="utf-8") as file:
        json.dump(asdict(result), file)
"""

ARITHMETIC = """
from pytest_modeleval import benchmark

@benchmark([{"id": f"s{n}", "input": str(n), "target": str(n % 3)} for n in range(6)])
async def test_sums(sample, model):
    reply = await model.chat(sample.input)
    assert reply.text == sample.target, "the reply is wrong"
"""
"""With a model that echoes s0, s1 and s2 are right, s3, s4 and s5 wrong."""


class Project:
    """A project with benchmarks, and a model `probe:` that echoes and counts.

    Of the plugins that are installed here only ours and those named in `plugins` are loaded.
    """

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.path = pytester.path
        self.plugins: list[str] = []
        pytester.makepyfile(probe_backend=PROBE.read_text(encoding="utf-8"))
        pytester.syspathinsert()

    def conftest(self, text: str = "") -> None:
        """`text` may define another `class Backend(Probe)`."""
        self.pytester.makeconftest(HOOK + text)

    def file(self, text: str, name: str = "test_it") -> None:
        self.pytester.makepyfile(**{name: text})

    def run(self, *arguments: str, model: str | None = "probe:") -> pytest.RunResult:
        with left_as_it_was():
            return self.pytester.runpytest_inprocess(*self._arguments(model), *arguments)

    def run_subprocess(self, *arguments: str, model: str | None = "probe:") -> pytest.RunResult:
        return self.pytester.runpytest_subprocess(*self._arguments(model), *arguments, timeout=60)

    def run_typing(self, typed: str, *arguments: str) -> pytest.RunResult:
        """In a process of its own, with `typed` for a debugger."""
        (self.path / "typed").write_text(typed)
        command = [*self.pytester._getpytestargs(), *self._arguments("probe:"), *arguments]
        with (self.path / "typed").open() as stdin:
            return self.pytester.run(*command, stdin=stdin, timeout=60)

    def _arguments(self, model: str | None) -> list[str]:
        if not (self.path / "conftest.py").exists():
            self.conftest()
        found = ["-p", "modeleval"]
        for plugin in self.plugins:
            found += ["-p", plugin]
        return found if model is None else [*found, f"--model={model}"]

    @property
    def probe(self) -> Any:
        """What the model saw."""
        return json.loads((self.path / "probe.json").read_text(encoding="utf-8"))

    @property
    def results(self) -> Any:
        """The run's results, as the hook for other packages has them."""
        return json.loads((self.path / "finished.json").read_text(encoding="utf-8"))

    @property
    def samples(self) -> dict[str, int]:
        """How many samples the only benchmark has of each outcome."""
        (benchmark,) = self.results["benchmarks"]
        return {name: count for name, count in benchmark["samples"].items() if count}

    @property
    def errors(self) -> dict[str, str]:
        """The error of each sample that has one."""
        (benchmark,) = self.results["benchmarks"]
        return {each["id"]: each["error"] for each in benchmark["errors"]}


@contextmanager
def left_as_it_was() -> Iterator[None]:
    """A run in this process may change the plugin, in its conftest, for itself alone."""
    before = [(holder, dict(vars(holder))) for holder in _modules_and_classes()]
    try:
        yield
    finally:
        for holder, values in before:
            for name, value in values.items():
                if vars(holder).get(name) is not value:
                    setattr(holder, name, value)


def _modules_and_classes() -> Iterator[Any]:
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "pytest_modeleval":
            yield module
            for value in vars(module).values():
                if isinstance(value, type) and value.__module__ == name:
                    yield value


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    for name in list(os.environ):
        if name.startswith(("MODELEVAL_", "PYTEST_ADDOPTS", "COV_", "COVERAGE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return Project(pytester)


@pytest.fixture
def sharded(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    project.plugins.append("xdist")
    return project
