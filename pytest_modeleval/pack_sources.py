"""Python benchmarks that are tasks of a pack: their modules, as pytest sees them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest
from _pytest.python import importtestmodule

from pytest_modeleval.definition import definition_of
from pytest_modeleval.errors import UsageError
from pytest_modeleval.registry.document import no_such

TaskFunction = Callable[..., Any]
"""A benchmark's function, with its definition."""


class SourceModule(pytest.Module):
    """The module of Python benchmarks that are tasks: with its own path and fixtures, and the
    node id of the pack."""

    @classmethod
    def of_pack(cls, pack: pytest.Module, path: Path) -> SourceModule:
        module: SourceModule = cls.from_parent(pack, path=path, nodeid=pack.id)
        module._load_fixtures(pack)
        return module

    def _load_fixtures(self, pack: pytest.Module) -> None:
        manager: Any = self.config.pluginmanager
        namespaces = self.config.getini("consider_namespace_packages")
        manager._loadconftestmodules(
            self.path,
            importmode=self.config.getoption("importmode"),
            rootpath=self.config.rootpath,
            consider_namespace_packages=namespaces,
        )
        fixtures = self.session._fixturemanager
        above_pack = {node.path for node in pack.listchain()} | {self.config.rootpath}
        for conftest in manager._getconftestmodules(self.path):
            if Path(conftest.__file__).parent not in above_pack:
                fixtures.parsefactories(holder=conftest, node=self)
        self._register_setup_module_fixture()
        self._register_setup_function_fixture()
        fixtures.parsefactories(holder=self.obj.of, node=self)

    def _getobj(self) -> TaskNames:
        pytest.register_assert_rewrite(_module_name(self.path))
        return TaskNames(importtestmodule(self.path, self.config))

    def funcnamefilter(self, name: str) -> bool:
        return True

    def function(self, name: str) -> TaskFunction:
        """The benchmark of that name. Raises UsageError where there is none."""
        known: dict[str, TaskFunction] = {
            each: found for each, found in vars(self.obj.of).items() if definition_of(found)
        }
        if name not in known:
            what = no_such("benchmark", name, sorted(known)) if known else "no benchmark in it"
            raise UsageError(f"{self.path.name} has {what}")
        return known[name]


class TaskNames(ModuleType):
    """A module in which functions have the names of tasks, too; all else it has of the module that
    it stands for."""

    def __init__(self, of: ModuleType) -> None:
        super().__init__(of.__name__)
        self.__dict__["of"] = of

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["of"], name)


def copied(function: TaskFunction) -> TaskFunction:
    """The same function once more: another definition may be set on it."""
    assert isinstance(function, FunctionType)
    copy = FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__qualname__ = function.__qualname__
    copy.__dict__.update(function.__dict__)
    return copy


def _module_name(path: Path) -> str:
    """As it is imported: with the packages that the file lies in."""
    names = [path.stem]
    folder = path.parent
    while (folder / "__init__.py").is_file():
        names.insert(0, folder.name)
        folder = folder.parent
    return ".".join(names)
