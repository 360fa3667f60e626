"""What a benchmark is, as one hash: it changes when what is asked and how it is judged does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from importlib.metadata import version
from inspect import unwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_modeleval.module_text import ModuleText

if TYPE_CHECKING:
    from pytest_modeleval.packs import PackModule
    from pytest_modeleval.registry.pack import Task


def task_hash(template: pytest.Function, text_of: Callable[[Path], ModuleText]) -> str | None:
    """SHA-256, in hex, of what defines a benchmark; None where it has no text.

    Of a Python function it is its source text with its decorators and all that it names in its own
    module; what other modules define is not in it. Of a pack's task it is the task's table too,
    and of LightEval's the version of LightEval and the file of custom tasks.
    """
    texts = list(_texts(template, text_of))
    if not texts:
        return None
    return sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()


def _texts(template: pytest.Function, text_of: Callable[[Path], ModuleText]) -> Iterator[str]:
    pack = _pack_of(template)
    task = _task_of(pack, template.originalname) if pack is not None else None
    if pack is not None and task is not None:
        yield table(task)
        if task.lighteval is not None:
            yield version("lighteval")
            if task.custom_tasks is not None:
                yield (pack.pack_file.folder / task.custom_tasks).read_text("utf-8", "replace")
    if task is None or task.benchmark is not None:
        code = getattr(unwrap(template.function), "__code__", None)
        if code is not None:
            text = text_of(Path(code.co_filename)).definition(code.co_firstlineno)
            if text is not None:
                yield text


def table(task: Task) -> str:
    """What a task's table says, in any order and however it is written; what it leaves to us is
    not in it."""
    import msgspec

    said = msgspec.structs.asdict(task)
    defaults = {each.name: each.default for each in msgspec.structs.fields(task)}
    own = {name: value for name, value in said.items() if value != defaults[name]}
    return json.dumps(msgspec.to_builtins(own), sort_keys=True)


def _pack_of(template: pytest.Function) -> PackModule | None:
    """The pack that a benchmark is a task of."""
    if not any(type(node).__name__ == "PackModule" for node in template.listchain()):
        return None  # what packs need is not imported
    from pytest_modeleval.packs import PackModule

    return next(node for node in template.listchain() if isinstance(node, PackModule))


def _task_of(pack: PackModule, name: str) -> Task | None:
    from pytest_modeleval.registry.reading import task_name

    return next((each for each in pack.pack_file.pack.task if task_name(each) == name), None)
