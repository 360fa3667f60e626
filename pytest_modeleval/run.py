"""One evaluation: what is shared between collecting, running and reporting its benchmarks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from pytest_modeleval.asked import Asked
from pytest_modeleval.background import BackgroundLoop
from pytest_modeleval.body import Body
from pytest_modeleval.capture import OutputRouting, log_formatter
from pytest_modeleval.datasets.registered import REGISTERED, RegisteredDataset
from pytest_modeleval.datasets.samples import Samples
from pytest_modeleval.errors import ModelevalError
from pytest_modeleval.group import Models, SampleGroup
from pytest_modeleval.items import SampleItem
from pytest_modeleval.lookahead import Lookahead, Upcoming, run_inline
from pytest_modeleval.models.catalog import BACKENDS, BackendEntry, by_alias, parse_spec
from pytest_modeleval.models.model import Model
from pytest_modeleval.models.pool import ModelPool
from pytest_modeleval.module_text import ModuleText
from pytest_modeleval.options import RunConfig
from pytest_modeleval.plain_text import shown
from pytest_modeleval.tally import Plan

HARMLESS = ("_pytest.", "xdist.", "pytest_modeleval.", "_hypothesis_pytestplugin")
"""Modules whose hooks round a test ask nothing of a sample."""


class Run:
    """The state of this process's part of an evaluation, from collection to the end."""

    def __init__(self, config: pytest.Config, settings: RunConfig) -> None:
        self.config = config
        self.settings = settings
        self.asked = Asked(config)
        self.groups: list[SampleGroup] = []
        self.missing: list[Plan] = []
        self.opened: dict[Any, tuple[Samples, Sequence[int]]] = {}
        self.used_gates: set[int] = set()
        self.wrong_gates: list[str] = []
        self.module_texts: dict[Path, ModuleText] = {}
        self.lookahead: Lookahead | None = None
        self.has_samples = False
        self.blocked = False
        self.inline = False
        self.plain_protocol = False
        self.others_make_reports = False
        self._strict: str | None = None
        self.specs = by_alias(
            [
                parse_spec(text, settings.model_arguments, settings.aliases)
                for text in settings.models
            ]
        )
        self.roles = {
            role: parse_spec(text, {}, settings.aliases) for role, text in settings.roles.items()
        }

    # ---------------------------------------------------------------- what other packages add

    @cached_property
    def backends(self) -> Mapping[str, BackendEntry]:
        found = dict(BACKENDS)
        for more in self.config.hook.pytest_modeleval_backends():
            found.update(more)
        return found

    @cached_property
    def registered_datasets(self) -> Sequence[RegisteredDataset]:
        more = self.config.hook.pytest_modeleval_datasets()
        return [*REGISTERED, *(dataset for each in more for dataset in each)]

    # ---------------------------------------------------------------- who and how

    @property
    def worker(self) -> str:
        """The xdist worker's name, or "main"."""
        given: Mapping[str, Any] = getattr(self.config, "workerinput", {})
        return str(given.get("workerid", "main"))

    @property
    def wrong_passes(self) -> bool:
        return self.settings.wrong == "pass" and self._strict is None

    @cached_property
    def first_lines_only(self) -> bool:
        """Whether no more than the first line of a failing assert is shown, in pytest's words."""
        return (
            self.wrong_passes
            and not self.others_make_reports
            and self.config.get_verbosity(pytest.Config.VERBOSITY_ASSERTIONS) < 2
            and len(self.config.hook.pytest_assertrepr_compare.get_hookimpls()) == 1
        )

    @property
    def errors_are_counted(self) -> bool:
        """With --max-errors an error does not fail the run by itself."""
        return self.settings.max_errors is not None

    @property
    def strict(self) -> bool:
        """Whether this run is of one sample that was named."""
        return self._strict is not None

    def is_strict(self, item: SampleItem) -> bool:
        """A single sample that was named by its node id is red when it is wrong."""
        return self._strict is not None and item.nodeid == self._strict

    @cached_property
    def formatter(self) -> Any:
        return log_formatter(self.config)

    # ---------------------------------------------------------------- running

    @cached_property
    def background(self) -> BackgroundLoop:
        return BackgroundLoop()

    @cached_property
    def pool(self) -> ModelPool:
        return ModelPool(self.background, self.backends, concurrency=self.settings.concurrency)

    def prepare(self, session: pytest.Session) -> SampleItem | None:
        """Find out how the session's samples are to be run, and name the first of them. Raises
        pytest.UsageError where there are samples, but no model."""
        items = [item for item in session.items if isinstance(item, SampleItem)]
        if not items:
            return None
        if not self.specs:
            raise pytest.UsageError(
                "no model to evaluate: name one with --model, such as --model=tiny, "
                "--model=openai:NAME, or an alias from [tool.modeleval.models]"
            )
        self._choose_protocol(items)
        self.has_samples = True
        return items[0]

    def start(self, first: SampleItem, upcoming: Upcoming) -> None:
        """Load or probe the models and start looking ahead. Raises pytest.UsageError."""
        try:
            self._open_models(first.group.model)
        except ModelevalError as error:
            raise pytest.UsageError(shown(str(error))) from None
        self._refuse_what_cannot_run()
        self.lookahead = Lookahead(
            self.background,
            upcoming,
            self.pool.limiters,
            seed=self.settings.seed,
            warn=self._warn,
        )

    def routing(self) -> OutputRouting:
        return OutputRouting(self.config)

    def known_models(self) -> dict[str, dict[str, Any]]:
        """Which models have answered, by alias: plain values."""
        identities = self.pool.identities if "pool" in self.__dict__ else {}
        return {
            alias: asdict(replace(identity, details=dict(identity.details)))
            for alias, identity in identities.items()
        }

    def stop(self) -> None:
        """Give up what still runs and close every model."""
        self.blocked = self.lookahead is not None and not self.lookahead.cancel()
        if "background" in self.__dict__ and not self.blocked:
            self.pool.close_all()
            self.background.stop()

    def stuck(self) -> list[str]:
        """What neither we nor the interpreter can end, by name."""
        if self.lookahead is None:
            return []
        bodies = self.lookahead.running if self.blocked else self.lookahead.stuck()
        return sorted(body.name for body in bodies)

    def take(self, item: SampleItem) -> Body:
        """The finished body of an item."""
        if not item.group.is_set_up:
            item.group.take_arguments()
        if self.inline:
            return run_inline(item, self.settings.seed)
        assert self.lookahead is not None
        return self.lookahead.take(item)

    def model(self, alias: str) -> Model:
        return self.pool.open(self.specs[alias])

    def models(self, alias: str) -> Models:
        """The model under test and its helpers, by role."""
        found = Models(model=self.model(alias))
        for role, spec in self.roles.items():
            found[role] = self.pool.open(spec, role)
        return found

    def close_engine(self, alias: str) -> None:
        """An in-process engine ends before the next one is loaded."""
        if self.pool.is_in_process(self.specs[alias]):
            self.pool.close(self.specs[alias])

    def missing_plan(
        self, template: pytest.Function, model: str, params: str, gates: Sequence[str], why: str
    ) -> Plan:
        """A benchmark whose dataset is not at hand is in the results all the same."""
        base = template.nodeid.partition("[")[0]
        return Plan(
            benchmark=f"{base}[{params}]" if params else base,
            model=model,
            node_prefix=f"{base}[",
            location=template.location,
            samples=0,
            selected=0,
            epochs=1,
            gates=list(gates),
            refusal=why,
            skipped=self.settings.missing == "skip",
        )

    def _warn(self, message: str) -> None:
        terminal = self.config.pluginmanager.getplugin("terminalreporter")
        if terminal is not None:
            terminal.write_line(message, yellow=True)

    def _open_models(self, first: str) -> None:
        """Every API is probed before any sample runs; of the engines only the first is loaded."""
        for alias, spec in self.specs.items():
            if alias == first or not self.pool.is_in_process(spec):
                self.pool.open(spec)
        for role, spec in self.roles.items():
            self.pool.open(spec, role)

    def _refuse_what_cannot_run(self) -> None:
        for group in self.groups:
            spec = self.specs[group.model]
            if self.pool.holds(spec):
                group.refusal = lacking(group, self.pool.open(spec))

    def _choose_protocol(self, items: Sequence[SampleItem]) -> None:
        option = self.config.option
        if len(items) == 1 and self.asked.count == 1:
            self._strict = items[0].nodeid
        self.inline = (
            self._strict is not None
            or option.usepdb
            or getattr(option, "trace", False)
            or debugger_attached()
        )
        hooks = ("pytest_runtest_setup", "pytest_runtest_call", "pytest_runtest_teardown")
        self.plain_protocol = (
            self.inline
            or getattr(option, "setupshow", False)
            or self._others_implement(*hooks, "pytest_runtest_protocol")
        )
        self.others_make_reports = self._others_implement("pytest_runtest_makereport")

    def _others_implement(self, *names: str) -> bool:
        return any(
            not _module_of(implementation.plugin).startswith(HARMLESS)
            for name in names
            for implementation in getattr(self.config.hook, name).get_hookimpls()
        )


def debugger_attached() -> bool:
    """Whether somebody steps through this process; measuring coverage is not that."""
    tracer = sys.gettrace()
    if tracer is not None:
        module = getattr(tracer, "__module__", None) or type(tracer).__module__
        return not module.startswith("coverage")
    monitoring = getattr(sys, "monitoring", None)
    return monitoring is not None and monitoring.get_tool(monitoring.DEBUGGER_ID) is not None


CALLS: dict[str, Callable[[Any], bool]] = {
    "chat": lambda can: bool(can.chat),
    "complete": lambda can: bool(can.completion),
    "loglikelihood": lambda can: bool(can.loglikelihood),
    "choose": lambda can: bool(can.loglikelihood),
}


def lacking(group: SampleGroup, model: Model) -> str | None:
    """Why the model cannot serve the benchmark, as far as the body's own text tells. A body that
    asks for `capabilities` decides for itself."""
    code = getattr(group.template.function, "__code__", None)
    names = set(code.co_names) if code is not None else set()
    if "capabilities" in names or "model" not in group.body_arguments:
        return None
    for name, can in CALLS.items():
        if name in names and not can(model.capabilities):
            return (
                f"{group.template.originalname} calls model.{name}, but {model.alias} "
                f"({model.identity.backend}) cannot do that"
                + (": it has no chat template" if name == "chat" else "")
            )
    return None


def _module_of(plugin: object) -> str:
    return getattr(plugin, "__name__", None) or type(plugin).__module__
