"""Which way the items of a run go: ours, pytest's own, or one body at a time in the main thread."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from pytest_modeleval.items import SampleItem

HARMLESS = ("_pytest.", "xdist.", "pytest_modeleval.", "_hypothesis_pytestplugin")
"""Modules whose hooks round a test ask nothing of a sample."""


@dataclass(frozen=True, slots=True)
class ProtocolChoice:
    """`named` is the node id of the single sample that was asked for, if one was: it is red when
    it is wrong. `inline`: bodies run in the main thread, one after the other, as a debugger needs.
    `plain`: pytest's own protocol runs the items. `others_make_reports`: another plugin wants to
    see every report being made."""

    named: str | None = None
    inline: bool = False
    plain: bool = False
    others_make_reports: bool = False


def choose_protocol(
    config: pytest.Config, items: Sequence[SampleItem], asked: int
) -> ProtocolChoice:
    """For `items`, of a command line that names `asked` of them by node id."""
    option = config.option
    named = items[0].nodeid if len(items) == asked == 1 else None
    inline = (
        named is not None or option.usepdb or getattr(option, "trace", False) or debugger_attached()
    )
    hooks = ("pytest_runtest_setup", "pytest_runtest_call", "pytest_runtest_teardown")
    plain = (
        inline
        or getattr(option, "setupshow", False)
        or _others_implement(config, *hooks, "pytest_runtest_protocol")
    )
    return ProtocolChoice(
        named, inline, plain, _others_implement(config, "pytest_runtest_makereport")
    )


def _others_implement(config: pytest.Config, *names: str) -> bool:
    return any(
        not _module_of(implementation.plugin).startswith(HARMLESS)
        for name in names
        for implementation in getattr(config.hook, name).get_hookimpls()
    )


def _module_of(plugin: object) -> str:
    return getattr(plugin, "__name__", None) or type(plugin).__module__


def debugger_attached() -> bool:
    """Whether somebody steps through this process; measuring coverage is not that."""
    tracer = sys.gettrace()
    if tracer is not None:
        module = getattr(tracer, "__module__", None) or type(tracer).__module__
        return not module.startswith("coverage")
    monitoring = getattr(sys, "monitoring", None)
    return monitoring is not None and monitoring.get_tool(monitoring.DEBUGGER_ID) is not None
