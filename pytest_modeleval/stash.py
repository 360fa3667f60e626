"""Where the plugin keeps its state: on pytest's config, never in a global."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_modeleval.registry.reading import PackFile
    from pytest_modeleval.run import Run
    from pytest_modeleval.scoreboard import Scoreboard
    from pytest_modeleval.settings import RunConfig

SETTINGS: pytest.StashKey[RunConfig] = pytest.StashKey()
RUN: pytest.StashKey[Run] = pytest.StashKey()
WRONG: pytest.StashKey[str] = pytest.StashKey()
"""The sentence about settings that cannot be meant."""
SCOREBOARD: pytest.StashKey[Scoreboard] = pytest.StashKey()
STDOUT: pytest.StashKey[int] = pytest.StashKey()
"""A descriptor of standard output, where events have it to themselves."""
DIST_CHOSEN: pytest.StashKey[bool] = pytest.StashKey()
"""Whether the user has chosen one of xdist's schedulers with --dist, or runs without xdist."""
NAMED_ITEMS: pytest.StashKey[list[str]] = pytest.StashKey()
"""Items of tasks that no file holds, as the command line names them, with a whole path."""
ADDED_PACKS: pytest.StashKey[list[PackFile]] = pytest.StashKey()
"""Packs that are collected though no file holds them."""
