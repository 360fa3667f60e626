"""What a benchmark is, as one hash: it changes when what is asked and how it is judged does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from importlib.metadata import version
from inspect import unwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_modeleval.module_text import ModuleText

if TYPE_CHECKING:
    from pytest_modeleval.registry.pack import Task

ATTRIBUTE = "__modeleval_task__"
"""What a pack sets on a task's function: the task, the function's name and the pack's folder."""


def task_hash(function: Callable[..., Any], text_of: Callable[[Path], ModuleText]) -> str | None:
    """SHA-256, in hex, of what defines a benchmark; None where it has no text.

    Of a Python function it is its source text with its decorators and all that it names in its own
    module; what other modules define is not in it. Of a pack's task it is the task's table too,
    and of LightEval's the version of LightEval and the file of custom tasks.
    """
    texts = list(_texts(function, text_of))
    if not texts:
        return None
    return sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()


def _texts(function: Callable[..., Any], text_of: Callable[[Path], ModuleText]) -> Iterator[str]:
    task, name, folder = getattr(function, ATTRIBUTE, (None, "", Path()))
    if task is not None:
        yield name
        yield table(task)
        if task.lighteval is not None:
            yield version("lighteval")
            if task.custom_tasks is not None:
                yield (folder / task.custom_tasks).read_text("utf-8", "replace")
    if task is None or task.benchmark is not None:
        code = getattr(unwrap(function), "__code__", None)
        if code is not None:
            text = text_of(Path(code.co_filename)).definition(code.co_firstlineno)
            if text is not None:
                yield text


def table(task: Task) -> str:
    """What a task's table says, in any order and however it is written; what it leaves to us is
    not in it."""
    import msgspec

    own = {}
    for field in msgspec.structs.fields(task):
        value = getattr(task, field.name)
        made = field.default_factory
        default = field.default if made is msgspec.NODEFAULT else made()
        if value != default:
            own[field.name] = value
    return json.dumps(msgspec.to_builtins(own), sort_keys=True)
