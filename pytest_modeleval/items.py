"""The pytest items of a benchmark: one lean item a sample, one item a gate.

A `SampleItem` holds only which sample it is; all the rest it looks up at its group. A hundred
thousand of them weigh what a few thousand functions do.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from _pytest._code import ExceptionInfo
from _pytest._code.code import TerminalRepr, Traceback
from _pytest.mark.structures import NodeKeywords
from _pytest.nodeid import NodeId
from _pytest.stash import Stash

from pytest_modeleval.errors import ModelevalError, WrongSample
from pytest_modeleval.gates import Gate
from pytest_modeleval.group import SampleGroup
from pytest_modeleval.plain_text import shown
from pytest_modeleval.results.record import GateRecord
from pytest_modeleval.tally import Plan

if TYPE_CHECKING:
    from pytest_modeleval.scoreboard import Scoreboard


def _own(name: str, make: Callable[[SampleItem], Any]) -> Any:
    """An attribute that most items never need: made when it is first asked for."""

    def get(item: SampleItem) -> Any:
        values = item.__dict__
        if name not in values:
            values[name] = make(item)
        return values[name]

    def put(item: SampleItem, value: Any) -> None:
        item.__dict__[name] = value

    return property(get, put)


def _shared(path: str) -> Any:
    """An attribute that every item of a group has in common."""
    return property(operator.attrgetter(f"group.{path}"))


class SampleItem(pytest.Item):
    """One sample as a pytest item: a group, a row in its dataset, and nothing else."""

    __slots__ = ("body", "group", "row")
    _pytest_diamond_inheritance_warning_shown = True

    group: SampleGroup
    row: int
    body: Any

    config = _shared("template.config")
    session = _shared("template.session")
    parent = _shared("template.parent")
    path = _shared("template.path")
    ihook = _shared("ihook")
    module = _shared("template.module")
    cls = _shared("template.cls")
    obj = _shared("function")
    function = _shared("template.function")
    originalname = _shared("template.originalname")
    fixturenames = _shared("template.fixturenames")
    callspec = _shared("template.callspec")

    own_markers = _own("own_markers", lambda item: list(item.group.template.own_markers))
    keywords = _own("keywords", lambda item: NodeKeywords(item))
    extra_keyword_matches = _own("extra_keyword_matches", lambda item: set())
    stash = _own("stash", lambda item: Stash())
    user_properties = _own("user_properties", lambda item: [])
    _report_sections = _own("_report_sections", lambda item: [])

    @classmethod
    def make(cls, group: SampleGroup, row: int) -> SampleItem:
        """Without pytest's constructor, which would build what the properties look up."""
        item = cls.__new__(cls)
        item.group = group
        item.row = row
        item.body = None
        return item

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"{self.originalname}[{self.group.item_name(self.row)}]"

    @property
    def nodeid(self) -> str:
        group = self.group
        return f"{group.node_prefix}{group.samples.id(self.row)}]"

    @property
    def _id(self) -> NodeId:  # type: ignore[override]
        template = self.group.template.id
        return NodeId(
            path=template.path, names=template.names, params=self.group.item_name(self.row)
        )

    @property
    def id(self) -> NodeId:
        return self._id

    @property
    def location(self) -> tuple[str, int | None, str]:
        path, line, _ = self.group.location
        return path, line, self.name

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, self.group.location[1], self.name

    def listchain(self) -> list[Any]:
        """The template stands between the module and the item, so that pytest's SetupState sets
        fixtures up once a group and takes them down after its last sample."""
        return [*self.group.chain, self]

    def listextrakeywords(self) -> set[str]:
        own: set[str] = self.__dict__.get("extra_keyword_matches", set())
        return self.group.template.listextrakeywords() | own

    def iter_markers_with_node(self, name: str | None = None) -> Iterator[Any]:
        if "own_markers" in self.__dict__:
            return super().iter_markers_with_node(name)
        return self.group.template.iter_markers_with_node(name)

    def runtest(self) -> None:
        """Where pytest's own protocol comes; ours (runtest_protocol.py) takes the body itself."""
        from pytest_modeleval.runtest_protocol import run_in_pytest_protocol

        run_in_pytest_protocol(self)

    def _traceback_filter(self, excinfo: ExceptionInfo[BaseException]) -> Traceback:
        """A traceback starts in the author's own function, as pytest does for its own."""
        return self.group.template._traceback_filter(excinfo)

    def repr_failure(  # type: ignore[override]
        self, excinfo: ExceptionInfo[BaseException]
    ) -> str | TerminalRepr:
        if is_kept(self):
            return shown(excinfo.exconly())  # the traceback is not kept
        error = excinfo.value
        if isinstance(error, ModelevalError):
            own = [entry for entry in excinfo.traceback if entry.path == self.path]
            place = f"{self.location[0]}:{own[-1].lineno + 1}: " if own else ""
            return shown(f"{place}{error}")
        if isinstance(error, WrongSample):
            return shown(str(error))
        return harmless(self.group.template.repr_failure(excinfo))


def harmless(failure: str | TerminalRepr) -> str | TerminalRepr:
    """The same failure; what a reply has put into its message controls no terminal."""
    if isinstance(failure, str):
        return shown(failure)
    for traceback, crash, _ in getattr(failure, "chain", ()):
        if crash is not None:
            crash.message = shown(crash.message)
        for entry in traceback.reprentries:
            entry.lines[:] = map(shown, entry.lines)
    return failure


def is_kept(item: pytest.Item) -> bool:
    """Whether an earlier process of this run has finished the sample, so that it is only told."""
    return isinstance(item, SampleItem) and item.group.is_kept(item.row)


class JudgedItem(pytest.Item):
    """A gate as a pytest item, after the samples it speaks of. `record` is there once it ran."""

    def __init__(self, *, gate: Gate, **rest: Any) -> None:
        super().__init__(**rest)
        self.gate = gate
        self.record: GateRecord | None = None

    def judged(self, scoreboard: Scoreboard) -> GateRecord:
        """The gate's verdict now."""
        raise NotImplementedError

    def runtest(self) -> None:
        from pytest_modeleval.verdicts import run_gate

        run_gate(self)

    def repr_failure(  # type: ignore[override]
        self, excinfo: ExceptionInfo[BaseException]
    ) -> str | TerminalRepr:
        from pytest_modeleval.verdicts import GateFailed

        if isinstance(excinfo.value, GateFailed):
            return str(excinfo.value)
        return super().repr_failure(excinfo)


class GateItem(JudgedItem):
    """A gate of a benchmark: `test_gsm8k[gate:accuracy]`."""

    def __init__(self, *, group: SampleGroup, **rest: Any) -> None:
        super().__init__(**rest)
        self.group = group

    @classmethod
    def make(cls, group: SampleGroup, gate: Gate) -> GateItem:
        item: GateItem = cls.from_parent(
            cast(pytest.Collector, group.template.parent),
            name=f"{group.template.originalname}[{gate_part(group, gate)}]",
            nodeid=gate_node_id(group, gate),
            group=group,
            gate=gate,
        )
        item.own_markers.extend(group.template.own_markers)
        return item

    def judged(self, scoreboard: Scoreboard) -> GateRecord:
        return scoreboard.judge(scoreboard.tally(self.group.plan), self.gate)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, self.group.location[1], self.name


def gate_part(group: SampleGroup, gate: Gate) -> str:
    return f"{group._prefix}gate:{gate.name}"


def gate_node_id(group: SampleGroup, gate: Gate) -> str:
    return f"{group.node_prefix}gate:{gate.name}]"


class MissingItem(pytest.Item):
    """Stands for a benchmark whose dataset is not at hand; its plan says why."""

    def __init__(self, *, plan: Plan, **rest: Any) -> None:
        super().__init__(**rest)
        self.plan = plan

    @classmethod
    def make(cls, template: pytest.Function, plan: Plan) -> MissingItem:
        name = template.name.removesuffix("]")
        joint = "-" if "[" in name else "["
        node_id = template.nodeid.removesuffix("]")
        item: MissingItem = cls.from_parent(
            cast(pytest.Collector, template.parent),
            name=f"{name}{joint}dataset]",
            nodeid=f"{node_id}{joint}dataset]",
            plan=plan,
        )
        item.own_markers.extend(template.own_markers)
        return item

    def runtest(self) -> None:
        if self.plan.skipped:
            raise pytest.skip.Exception(str(self.plan.refusal), _use_item_location=True)
        raise Undecided(f"undecided: {self.plan.refusal}")

    def repr_failure(  # type: ignore[override]
        self, excinfo: ExceptionInfo[BaseException]
    ) -> str | TerminalRepr:
        if isinstance(excinfo.value, Undecided):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, self.plan.location[1], self.name


class Undecided(Exception):
    """Its text is all that is shown."""
