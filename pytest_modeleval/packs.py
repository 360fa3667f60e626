"""From a pack to pytest's items: each task is a benchmark of the pack's file.

A pack's file is a module to pytest whose functions are its tasks, so that all that works for
benchmarks in Python works for it: fixtures, parameters, selection, xdist. A task that is a Python
benchmark keeps its own module, with that one's fixtures, marks and path.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest
from _pytest.nodeid import NodeId
from _pytest.pathlib import absolutepath

from pytest_modeleval.datasets.few_shot import FewShot
from pytest_modeleval.definition import ATTRIBUTE, Benchmark, definition_of
from pytest_modeleval.errors import GateError, ModelevalError, UsageError
from pytest_modeleval.gates import parse_gates
from pytest_modeleval.pack_gates import Member, PackGateItem, pack_plan
from pytest_modeleval.pack_sources import SourceModule, TaskFunction, copied
from pytest_modeleval.plugin import active
from pytest_modeleval.registry.finding import find_pack
from pytest_modeleval.registry.pack import Task
from pytest_modeleval.registry.reading import (
    ENDING,
    PackFile,
    check_pack_gate,
    read_pack,
    task_name,
)
from pytest_modeleval.settings import load
from pytest_modeleval.stash import ADDED_PACKS, SETTINGS
from pytest_modeleval.task_hash import ATTRIBUTE as OF_TASK


def is_named(path: Path, config: pytest.Config) -> bool:
    """Whether a pack's file was named: none is collected for lying in a folder."""
    start = config.invocation_params.dir
    return any(absolutepath(start / each.partition("::")[0]) == path for each in config.args)


def named_parts(path: Path, config: pytest.Config) -> set[str] | None:
    """What stands behind the `::` where a pack was named; None where all of it was."""
    start = config.invocation_params.dir
    found = [each.partition("::") for each in config.args]
    parts = {part for file, _, part in found if absolutepath(start / file) == path}
    return None if "" in parts or not parts else parts


def add_named(config: pytest.Config) -> None:
    """Make of each `--pack`, and of what a job runs, the path of its file, in the place of the
    folders where pytest would look for tests if no path was given. What the command line names is
    run in place of the job's. Raises pytest.UsageError for a pack that is not there."""
    typed = config.args_source is pytest.Config.ArgsSource.ARGS or any(
        map(config.getoption, ("modeleval_pack", "modeleval_lighteval"))
    )
    try:
        settings = load(config.getoption, config.rootpath)
        job = settings.job
        found = job.named(settings.pack_path) if job is not None and not typed else []
        if not found:
            found = [find_pack(asked, settings.pack_path) for asked in settings.packs]
    except ModelevalError as error:
        raise pytest.UsageError(str(error)) from None
    if not found:
        return
    _collect_only_what_is_named(config)
    config.args = list(dict.fromkeys([*config.args, *map(str, found)]))


def add(config: pytest.Config, pack_file: PackFile) -> None:
    """Collect a pack that no file holds, after all that is named by its path; its place is where
    its node ids begin. To be called before the collection, in each process that collects."""
    _collect_only_what_is_named(config)
    config.stash.setdefault(ADDED_PACKS, []).append(pack_file)


def added(session: pytest.Session) -> list[pytest.Collector]:
    """A collector of each pack that was added."""
    return [
        PackModule.from_parent(
            session,
            path=pack_file.path,
            nodeid=NodeId(path=pack_file.place),
            pack_file=pack_file,
        )
        for pack_file in session.config.stash.get(ADDED_PACKS, [])
    ]


def _collect_only_what_is_named(config: pytest.Config) -> None:
    """No folder stands in for paths that were not given."""
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args, config.args_source = [], pytest.Config.ArgsSource.ARGS


def named_packs(config: pytest.Config) -> Iterator[PackFile]:
    """The packs that were named, as far as they can be read: of the others, collection tells."""
    start = config.invocation_params.dir
    for path in {absolutepath(start / each.partition("::")[0]): None for each in config.args}:
        if path.name.endswith(ENDING):
            inside = path.is_relative_to(config.rootpath)
            place = path.relative_to(config.rootpath).as_posix() if inside else path.name
            with suppress(ModelevalError):
                yield read_pack(path, place)
    yield from config.stash.get(ADDED_PACKS, [])


class PackModule(pytest.Module):
    """A pack's file, with its tasks as functions.

    `members` are the benchmarks that its tasks have come to, `selected_gates` the models and names
    of the gates on its score that are to be judged.
    """

    def __init__(self, *, pack_file: PackFile | None = None, **rest: Any) -> None:
        super().__init__(**rest)
        self._pack_file = pack_file
        self._sources: dict[Path, SourceModule] = {}
        self.members: list[Member] = []
        self.selected_gates: set[tuple[str, str]] = set()

    @classmethod
    def of_path(cls, path: Path, parent: pytest.Collector) -> PackModule:
        """The node ids of a pack outside the project begin with its file's name."""
        outside = not path.is_relative_to(parent.config.rootpath)
        own: Any = {"nodeid": NodeId(path=path.name)} if outside else {}
        module: PackModule = cls.from_parent(parent, path=path, **own)
        return module

    @property
    def pack_file(self) -> PackFile:
        if self._pack_file is None:
            settings = self.config.stash.get(SETTINGS, None)
            job = settings.job if settings is not None else None
            read = read_pack if job is None else job.pack_file
            self._pack_file = read(self.path, self.nodeid)
        return self._pack_file

    @cached_property
    def gate_texts(self) -> list[str]:
        """The gates on its score: its own, and those of the command line. Raises UsageError for one
        of what is not there."""
        run = active(self.config)
        pack = self.pack_file.pack
        texts = list(pack.pack.gates)
        tasks = [name for task in pack.task if (name := task_name(task)) is not None]
        for number, (of, text) in enumerate(run.settings.gates):
            if of in (pack.pack.name, self.path.name, self.nodeid):
                run.used_gates.add(number)
                try:
                    check_pack_gate(text, tasks)
                    parse_gates([*texts, text])
                except GateError as error:
                    run.wrong_gates.append(f'--gate "{of}: …": {error}')
                else:
                    texts.append(text)
        return texts

    def plan(self, model: str) -> dict[str, Any] | None:
        """What it sets out to do with a model, as plain values; to be asked when all of it is
        collected and selected. None for a pack that has no score."""
        return asdict(pack_plan(self, model)) if self.pack_file.scored else None

    def _getobj(self) -> ModuleType:
        return ModuleType(self.pack_file.pack.pack.name)

    def funcnamefilter(self, name: str) -> bool:
        return True

    def collect(self) -> Iterator[pytest.Item | pytest.Collector]:
        parts = named_parts(self.path, self.config)
        if parts is None or self.session.isinitpath(self.path):  # where pytest itself looks for it
            yield from self._all()
            return
        for item in self._all():
            if item.name in parts or item.name.partition("[")[0] in parts:
                yield item

    def _all(self) -> Iterator[pytest.Item | pytest.Collector]:
        for number, task in enumerate(self.pack_file.pack.task):
            try:
                for collector, name, function in self._functions(task):
                    setattr(function, OF_TASK, (task, name, self.pack_file.folder))
                    yield from _items(collector, name, function)
            except ModelevalError as error:
                raise type(error)(f"{self.pack_file.place_of(number)}: {error}") from error
        yield from PackGateItem.of_pack(self)

    def _functions(self, task: Task) -> Iterator[tuple[pytest.Module, str, TaskFunction]]:
        """The benchmarks that a task comes to, with the module that each belongs to."""
        name = task_name(task)
        assert name is not None  # which the reading has seen to
        if task.benchmark is not None:
            path, _, own = task.benchmark.partition("::")
            source = self._source(path)
            yield source, name, _as_task(copied(source.function(own)), task)
        elif task.lighteval is not None:
            yield from self._of_lighteval(task, name)
        else:
            run = active(self.config)
            known = run.contributed
            from pytest_modeleval.registry.data_task import DataTask  # which brings in Jinja

            function = DataTask(task, known.scorers(), run.registered_datasets).as_function()
            yield self, name, self._adapted(function, task)

    def _of_lighteval(
        self, task: Task, name: str
    ) -> Iterator[tuple[pytest.Module, str, TaskFunction]]:
        """One benchmark, or those of a superset, each with its part of the superset's name."""
        from pytest_modeleval.integrations.lighteval import lighteval_tasks

        assert task.lighteval is not None
        found = lighteval_tasks(
            task.lighteval,
            few_shot=task.few_shot,
            parameters=task.parameters,
            custom_tasks=task.custom_tasks and self.pack_file.folder / task.custom_tasks,
            folders=active(self.config).settings.data,
        )
        for each in found:
            own_name = name if len(found) == 1 else each.name_within(name)
            of_corpus = [metric for one in each.definition.corpus_metrics for metric in one.names]
            primary = each.primary or next(iter(of_corpus), each.definition.primary)
            setattr(each.function, ATTRIBUTE, replace(each.definition, primary=primary))
            yield self, own_name, self._adapted(each.function, task)

    def _adapted(self, function: TaskFunction, task: Task) -> TaskFunction:
        """With what the task says otherwise, and a place in the pack for people to look at."""
        assert isinstance(function, FunctionType)
        line = self.pack_file.line(self.pack_file.pack.task.index(task))
        code = (lambda: None).__code__.replace(co_filename=str(self.path), co_firstlineno=line)
        function.place_as = FunctionType(code, {})  # type: ignore[attr-defined]
        return _as_task(function, task)

    def _source(self, reference: str) -> SourceModule:
        path = Path(os.path.normpath(self.pack_file.folder / reference))
        if path not in self._sources:
            if not path.is_file():
                raise UsageError(f'benchmark = "{reference}::…": there is no file {path}')
            self._sources[path] = SourceModule.of_pack(self, path)
        return self._sources[path]


def _items(
    collector: pytest.Module, name: str, function: TaskFunction
) -> Iterable[pytest.Item | pytest.Collector]:
    """As pytest makes them of a function in a module."""
    collector.obj.__dict__[name] = function
    made = collector.ihook.pytest_pycollect_makeitem(collector=collector, name=name, obj=function)
    return made if isinstance(made, list) else [made]


def _as_task(function: TaskFunction, task: Task) -> TaskFunction:
    """A benchmark's function, with the definition that the task makes of its own."""
    definition = definition_of(function)
    assert definition is not None
    setattr(function, ATTRIBUTE, overridden(definition, task))
    return function


def overridden(definition: Benchmark, task: Task) -> Benchmark:
    """A benchmark's definition with what a task says otherwise."""
    own: dict[str, Any] = {"task": task_name(task)}
    if task.metric is not None:
        own["primary"] = task.metric
    if task.few_shot is not None and task.lighteval is None:  # which shows its examples itself
        shown = definition.few_shot or FewShot(0)
        own["few_shot"] = replace(shown, count=task.few_shot) if task.few_shot else None
    if task.epochs is not None:
        own["epochs"] = task.epochs
    if task.timeout is not None:
        own["timeout"] = task.timeout
    if task.max_samples is not None:
        own["max_samples"] = task.max_samples
    if task.sampling:
        own["sampling"] = {**definition.sampling, **task.sampling}
    if isinstance(task.gates, tuple):
        own["gates"] = task.gates
    return replace(definition, **own)
