"""One evaluation: what is shared between collecting, running and reporting its benchmarks."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key

from pytest_modeleval import routing
from pytest_modeleval.asked import Asked
from pytest_modeleval.background import BackgroundLoop
from pytest_modeleval.body import Body
from pytest_modeleval.capture import OutputRouting, log_formatter
from pytest_modeleval.contributed import Contributions
from pytest_modeleval.datasets.registered import RegisteredDataset
from pytest_modeleval.datasets.samples import Samples
from pytest_modeleval.errors import ModelevalError, StopRun
from pytest_modeleval.group import SampleGroup
from pytest_modeleval.items import SampleItem, is_kept
from pytest_modeleval.lookahead import Lookahead, Upcoming, run_inline
from pytest_modeleval.models.budget import Budget
from pytest_modeleval.models.catalog import BackendEntry
from pytest_modeleval.models.model import Model
from pytest_modeleval.models.pool import ModelPool
from pytest_modeleval.models.response_cache import ResponseCache
from pytest_modeleval.models.shared_state import SharedState
from pytest_modeleval.models.status import Status
from pytest_modeleval.module_text import ModuleText
from pytest_modeleval.plain_text import shown
from pytest_modeleval.protocol_choice import ProtocolChoice, choose_protocol
from pytest_modeleval.results.baseline import Baselines
from pytest_modeleval.results.run_folder import STATE
from pytest_modeleval.run_models import RunModels
from pytest_modeleval.settings import RunConfig
from pytest_modeleval.tally import Plan
from pytest_modeleval.telemetry import open_telemetry

if TYPE_CHECKING:
    from pytest_modeleval.otel import Telemetry


class Run:
    """The state of this process's part of an evaluation, from collection to the end."""

    def __init__(self, config: pytest.Config, settings: RunConfig) -> None:
        self.config = config
        self.settings = settings
        self.asked = Asked(config)
        self.contributed = Contributions(config)
        self.groups: list[SampleGroup] = []
        self.places = itertools.count()
        self.missing: list[Plan] = []
        self.opened: dict[Any, tuple[Samples, Sequence[int]]] = {}
        self.used_gates: set[int] = set()
        self.wrong_gates: list[str] = []
        self.notices: list[str] = []
        self.module_texts: dict[Path, ModuleText] = {}
        self.lookahead: Lookahead | None = None
        self.has_samples = False
        self.blocked = False
        self.protocol = ProtocolChoice()
        self._halted: str | None = None
        self.began = time.monotonic()
        self.idlers: list[Callable[[], None]] = []
        self.run_id = ""
        """The same in all processes of the run. It and `state` are there once samples are."""
        self.state: SharedState
        """What all processes of the run share; the file is made when it is first used."""
        self.models = RunModels(
            settings,
            backends=lambda: self.backends,
            make_pool=self._make_pool,
            opened=self._refuse_what_cannot_run,
        )

    # ---------------------------------------------------------------- what other packages add

    @cached_property
    def backends(self) -> Mapping[str, BackendEntry]:
        return self.contributed.backends()

    @cached_property
    def registered_datasets(self) -> Sequence[RegisteredDataset]:
        return self.contributed.datasets()

    @cached_property
    def baselines(self) -> Baselines:
        return Baselines(self.settings.baseline, self.config.rootpath, self.warn)

    # ---------------------------------------------------------------- who and how

    @property
    def worker(self) -> str:
        """The xdist worker's name, or "main"."""
        given: Mapping[str, Any] = getattr(self.config, "workerinput", {})
        return str(given.get("workerid", "main"))

    def write_into(self, folder: Path, run_id: str) -> None:
        """It is settled which run this is; nothing has been asked of a model."""
        self.run_id = run_id
        self.state = SharedState(folder.absolute() / STATE[0])

    @property
    def gpus(self) -> str | None:
        """The GPUs that this xdist worker was given for itself."""
        given: Mapping[str, Any] = getattr(self.config, "workerinput", {})
        return given.get("modeleval_gpus")

    @property
    def wrong_passes(self) -> bool:
        return self.settings.wrong == "pass" and self.protocol.named is None

    @cached_property
    def first_lines_only(self) -> bool:
        """Whether no more than the first line of a failing assert is shown, in pytest's words."""
        return (
            self.wrong_passes
            and not self.protocol.others_make_reports
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
        return self.protocol.named is not None

    def is_strict(self, item: SampleItem) -> bool:
        """A single sample that was named by its node id is red when it is wrong."""
        return item.nodeid == self.protocol.named

    @cached_property
    def formatter(self) -> Any:
        return log_formatter(self.config)

    # ---------------------------------------------------------------- running

    @cached_property
    def background(self) -> BackgroundLoop:
        return BackgroundLoop()

    def _make_pool(self) -> ModelPool:
        given: Mapping[str, Any] = getattr(self.config, "workerinput", {})
        settings = self.settings
        return ModelPool(
            self.background,
            self.backends,
            concurrency=settings.concurrency,
            max_attempts=settings.max_attempts,
            max_outage=settings.max_outage,
            request_timeout=settings.request_timeout,
            run_id=self.run_id,
            cache=self.cache,
            choose_by=settings.choose_by,
            state=self.state,
            fallback=self.models.fallback,
            budget=Budget(self.state, max_cost=settings.max_cost, max_tokens=settings.max_tokens),
            processes=given.get("workercount", 1),
            telemetry=self.telemetry,
            warn=self.warn,
            dry_run=settings.dry_run,
        )

    @cached_property
    def cache(self) -> ResponseCache | None:
        """The response cache; it opens with the first model."""
        settings = self.settings
        if settings.cache == "off":
            return None
        return ResponseCache(
            settings.cache_file, mode=settings.cache, limit=settings.cache_size, warn=self.warn
        )

    @cached_property
    def telemetry(self) -> Telemetry | None:
        """OpenTelemetry's spans and metrics, where they are configured."""
        given: Mapping[str, Any] = getattr(self.config, "workerinput", {})
        if self.settings.dry_run:
            return None
        try:
            return open_telemetry(given.get("modeleval_trace"))
        except ModelevalError as error:
            self.warn(str(error))
            return None

    def prepare(self, session: pytest.Session) -> None:
        """Find out how the session's samples are to be run. Raises pytest.UsageError where there
        are samples, but no model, or not the helpers that they ask for."""
        items = [item for item in session.items if isinstance(item, SampleItem)]
        if not items:
            return
        if not self.models.specs:
            raise pytest.UsageError(
                "no model to evaluate: name one with --model, such as --model=tiny, "
                "--model=openai:NAME, or an alias from [tool.modeleval.models]"
            )
        roles = self.models.roles
        try:
            for group in dict.fromkeys(item.group for item in items):
                routing.check_roles(group.template.originalname, self._asked_by(group), roles)
        except ModelevalError as error:
            raise pytest.UsageError(str(error)) from None
        self.protocol = choose_protocol(self.config, items, self.asked.count)
        self.has_samples = True

    def start(self, first: SampleItem, upcoming: Upcoming) -> None:
        """Load or probe the models and start looking ahead. Raises pytest.UsageError."""
        try:
            self.models.open_all(first.group.model)
        except ModelevalError as error:
            raise pytest.UsageError(shown(str(error))) from None
        for group in self.groups:
            group.telemetry = self.telemetry
        self.lookahead = Lookahead(
            self.background,
            upcoming,
            self.models.pool.limiters,
            seed=self.settings.seed,
            warn=self.warn,
            idle=self.idle,
            expendable=self._expendable,
        )
        if self._halted is not None:  # while the models were loaded
            self.lookahead.halt(self._halted)

    def idle(self) -> None:
        """Called now and then while the main thread waits for a body."""
        for each in self.idlers:
            each()

    @property
    def halted(self) -> str | None:
        """Why nothing more is run, if so."""
        return self._halted or (self.lookahead.halted if self.lookahead is not None else None)

    def halt(self, reason: str, grace: float | None = None) -> None:
        """Start no further body; what is left is reported as not run, and so is what runs for
        longer than `grace` seconds, if that is given. From any thread."""
        self._halted = self._halted or reason
        if self.lookahead is not None:
            self.lookahead.halt(reason, grace)

    def enough(self, benchmark: str, model: str) -> None:
        """All gates of a benchmark are decided: what it has left is not needed. From any thread."""
        for group in self.groups:
            if (group.name, group.model) == (benchmark, model):
                group.enough = True
                if self.lookahead is not None:
                    self.lookahead.drop(group)

    def forget(self, item: SampleItem) -> None:
        """The item is not needed: nobody will take its body."""
        if self.lookahead is not None:
            self.lookahead.forget(item)

    def given_up(self, item: SampleItem) -> str | None:
        """Why the item is not run: the model cannot serve its benchmark, or the run was stopped
        before its body began."""
        if item.group.refusal is not None:
            return item.group.refusal
        return self.halted if item.body is None else None

    @property
    def _expendable(self) -> int | None:
        """Standard error as it was before pytest captured it, in a worker whose samples another
        one runs again if it dies."""
        if "modeleval_journal" not in getattr(self.config, "workerinput", {}):
            return None
        return self.config.stash.get(fault_handler_stderr_fd_key, 2)

    def output(self) -> OutputRouting:
        return OutputRouting(self.config)

    def status(self) -> Status:
        """How this process is doing."""
        ahead = self.lookahead
        if ahead is None:
            return Status()
        return replace(
            self.models.pool.status(),
            ended=ahead.ended,
            instant=ahead.instant,
            running=len(ahead.running),
        )

    def stop(self) -> None:
        """Give up what still runs and close every model."""
        self.blocked = self.lookahead is not None and not self.lookahead.cancel()
        if "background" in self.__dict__ and not self.blocked:
            self.models.close()
            self.background.stop()
            self.state.close()
        if "telemetry" in self.__dict__ and self.telemetry is not None:
            self.telemetry.close(self.run_id)

    def stuck(self, *, hurried: bool = False) -> list[str]:
        """What neither we nor the interpreter can end, by name, after a grace period unless it is
        `hurried`."""
        if self.lookahead is None:
            return []
        bodies = self.lookahead.running if self.blocked else self.lookahead.stuck(hurried)
        return sorted(body.name for body in bodies)

    def take(self, item: SampleItem) -> Body:
        """The finished body of an item."""
        if is_kept(item):
            if self.lookahead is not None:
                self.lookahead.look_further()
            body = item.body = Body.of_kept(item.group, item.row)
            return body
        if not item.group.is_set_up:
            item.group.take_arguments()
        if self.protocol.inline:
            body = run_inline(item, self.settings.seed)
            if isinstance(body.exception, StopRun):
                self.halt(str(body.exception))
            return body
        assert self.lookahead is not None
        return self.lookahead.take(item)

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
            place=next(self.places),
        )

    def warn(self, message: str) -> None:
        """Tell the user at once; what a worker has to say is said when it ends."""
        self.notices.append(message)
        terminal = self.config.pluginmanager.getplugin("terminalreporter")
        if terminal is not None:
            if terminal._tw.width_of_current_line:  # letters stand in it
                terminal._tw.line()
            terminal.write_line(message, yellow=True)

    def text_of(self, path: Path) -> ModuleText:
        if path not in self.module_texts:
            self.module_texts[path] = ModuleText(path)
        return self.module_texts[path]

    def _asked_by(self, group: SampleGroup) -> routing.Asked:
        return routing.asked_by(group.template.function, self.text_of)

    def _refuse_what_cannot_run(self, model: Model) -> None:
        for group in self.groups:
            if group.selected and group.model == model.alias:
                why = routing.lacking(
                    group.template.originalname,
                    self._asked_by(group),
                    group.definition.needs,
                    model,
                    self.settings.choose_by,
                )
                if why is not None:
                    group.refuse(why)
