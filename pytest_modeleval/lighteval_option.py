"""What --lighteval names: a pack that no file holds, whose tasks are called as LightEval does."""

from __future__ import annotations

import pytest

from pytest_modeleval.errors import ModelevalError
from pytest_modeleval.options import RunConfig, load
from pytest_modeleval.packs import add
from pytest_modeleval.registry.pack import Pack, PackInfo, Task
from pytest_modeleval.registry.reading import PackFile

NAME = "lighteval"
"""Node ids begin with it: `lighteval::gsm8k|5[0042]`."""


def add_tasks(config: pytest.Config) -> None:
    """Collect the tasks that --lighteval names. Raises pytest.UsageError for settings that cannot
    be meant."""
    try:
        settings = load(config.getoption, config.rootpath)
    except ModelevalError as error:
        raise pytest.UsageError(str(error)) from None
    if settings.lighteval:
        add(
            config,
            PackFile(_pack(settings), config.rootpath / NAME, NAME, _text(settings), scored=False),
        )


def _pack(settings: RunConfig) -> Pack:
    tasks = tuple(
        Task(name=spec, lighteval=spec, custom_tasks=settings.lighteval_tasks)
        for spec in dict.fromkeys(settings.lighteval)
    )
    return Pack(pack=PackInfo(name=NAME, version="1.0.0"), task=tasks)


def _text(settings: RunConfig) -> bytes:
    """What tells one such pack from another."""
    return "\n".join([*settings.lighteval, settings.lighteval_tasks or ""]).encode()
