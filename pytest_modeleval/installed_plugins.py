"""Loading the plugins that other installed distributions bring.

They are found by the entry point group `modeleval.plugins`, and not by pytest's own: they are
imported when a run needs them, so that a session without benchmarks pays nothing, and one that
cannot be imported is told in a sentence.
"""

from __future__ import annotations

import os
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NamedTuple

import pytest
from pluggy import PluginValidationError

from pytest_modeleval.errors import UsageError
from pytest_modeleval.plain_text import raised
from pytest_modeleval.registry.plugins import GROUP, lacking, versioned


class Loaded(NamedTuple):
    """The distribution of each plugin that came with one, by the plugin's `id`, and what was not
    loaded because it is switched off."""

    distributions: dict[int, Any]
    left_out: list[EntryPoint]


def load_plugins(config: pytest.Config) -> Loaded:
    """Import and register what is installed, unless it is switched off as pytest's own plugins are.

    Raises UsageError for a plugin that cannot be used.
    """
    manager = config.pluginmanager
    found: dict[int, Any] = {id(each): owner for each, owner in manager.list_plugin_distinfo()}
    left_out = []
    for point in entry_points(group=GROUP):
        if (named := manager.get_plugin(point.module)) is not None:  # with -p my_package
            found[id(named)] = point.dist
        elif _autoload_is_off(config) or manager.is_blocked(point.name):
            left_out.append(point)
        else:
            plugin = _load(manager, point)
            found[id(plugin)] = point.dist
    return Loaded(found, left_out)


def _autoload_is_off(config: pytest.Config) -> bool:
    variable = os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    return bool(variable or config.known_args_namespace.disable_plugin_autoload)


def _load(manager: pytest.PytestPluginManager, point: EntryPoint) -> object:
    assert point.dist is not None  # which is so for what entry_points() finds
    owner = versioned(point.dist)
    if lack := lacking(point.dist):
        raise UsageError(
            f"the plugin {owner} needs {lack}, or leave it out with -p no:{point.name}"
        )
    try:
        plugin: object = point.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # also SystemExit, or pytest.skip at the top of a module
        raise UsageError(
            f"the plugin {owner} cannot be imported: {raised(error)}: install what it lacks, "
            f"uninstall it, or leave it out with -p no:{point.name}"
        ) from error
    try:
        manager.register(plugin, f"{owner}: {point.name}")
        manager.check_pending()
    except PluginValidationError as error:
        raise UsageError(
            f"the plugin {owner} is not made for this version of pytest-modeleval: {error}"
        ) from error
    return plugin
