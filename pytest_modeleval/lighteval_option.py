"""What --lighteval names: a pack that no file holds, whose tasks are called as LightEval does."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pytest_modeleval.errors import ModelevalError
from pytest_modeleval.packs import add
from pytest_modeleval.registry.pack import Pack, PackInfo, Task
from pytest_modeleval.registry.reading import PackFile
from pytest_modeleval.settings import RunConfig, load
from pytest_modeleval.stash import NAMED_ITEMS

NAME = "lighteval"
"""Node ids begin with it: `lighteval::gsm8k|5[0042]`."""


def add_tasks(config: pytest.Config) -> None:
    """Collect the tasks that --lighteval names. Raises pytest.UsageError for settings that cannot
    be meant."""
    try:
        settings = load(config.getoption, config.rootpath)
    except ModelevalError as error:
        raise pytest.UsageError(str(error)) from None
    if not settings.lighteval:
        return
    pack = _pack(settings, _take_named(config))
    path = config.rootpath / NAME
    add(config, PackFile(pack, path, NAME, _text(settings), scored=False))


def _take_named(config: pytest.Config) -> list[str]:
    """The items of these tasks that the command line names: pytest would look for their file."""
    named = [each for each in config.args if each.startswith(f"{NAME}::")]
    if named:
        config.args = [each for each in config.args if each not in named]
        config.stash[NAMED_ITEMS] = [str(config.rootpath / each) for each in named]
    return named


def _pack(settings: RunConfig, named: Sequence[str]) -> Pack:
    """All tasks, or those of the items that are named."""
    wanted = {each.removeprefix(f"{NAME}::").partition("[")[0] for each in named}
    tasks = tuple(
        Task(name=spec, lighteval=spec, custom_tasks=settings.lighteval_tasks)
        for spec in dict.fromkeys(settings.lighteval)
        if not wanted or spec in wanted
    )
    if not tasks:
        raise pytest.UsageError(
            f"{named[0]}: --lighteval names no such task; it names {', '.join(settings.lighteval)}"
        )
    return Pack(pack=PackInfo(name=NAME, version="1.0.0"), task=tasks)


def _text(settings: RunConfig) -> bytes:
    """What tells one such pack from another."""
    return "\n".join([*settings.lighteval, settings.lighteval_tasks or ""]).encode()
