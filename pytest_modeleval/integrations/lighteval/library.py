"""LightEval itself, imported so that it works offline and beside others: its quirks are all here.

- Importing its tasks asks the hub about judges and downloads for nltk and tinyBenchmarks, and one
  task module that fails takes all others with it.
- Its time limits are signals, which only the main thread can have; metrics run beside it here.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any
from unittest import mock

from pytest_modeleval.datasets.hub import settle_hub
from pytest_modeleval.errors import UsageError
from pytest_modeleval.integrations.lighteval.time_limit import time_limit

TINY = "tiny_benchmarks"
"""The module of tasks that downloads, and unpickles, what its metrics need."""


@cache
def failed_modules() -> dict[str, str]:
    """Why modules of LightEval's tasks could not be imported, by their names."""
    return {}


@cache
def library() -> Any:
    """The module `lighteval`, ready to be used. Raises UsageError where it is not installed."""
    if importlib.util.find_spec("lighteval") is None:
        raise UsageError(
            "a task of LightEval needs the package 'lighteval': "
            "pip install 'pytest-modeleval[lighteval]'"
        )
    settle_hub()
    import nltk
    from huggingface_hub import HfApi

    _replace_time_limits()
    with (
        mock.patch.object(nltk, "download", lambda *names, **named: False),
        # Judges are looked for with an argument that newer versions of the hub refuse.
        mock.patch.object(HfApi, "list_models", lambda *arguments, **named: ["not asked"]),
    ):
        registry = importlib.import_module("lighteval.tasks.registry").Registry
        registry._load_from_files = staticmethod(_of_files)
        registry._load_from_subdirs = staticmethod(_of_folders)
        _configs(registry)
    nltk.download = _only_what_is_missing(nltk.download, nltk.data.find)
    return importlib.import_module("lighteval")


def _replace_time_limits() -> None:
    timeouts: Any = importlib.import_module("lighteval.utils.timeout")
    timeouts.timeout = time_limit
    comparison: Any = importlib.import_module("lighteval.metrics.utils.math_comparison")
    comparison.timeout = time_limit
    dynamic: Any = importlib.import_module("lighteval.metrics.dynamic_metrics")
    metric = dynamic.MultilingualExtractiveMatchMetric
    limited = metric.add_to_specifics_with_timeout
    if not hasattr(limited, "__wrapped__"):  # decorated before this process came here
        own = inspect.getclosurevars(limited).nonlocals["func"]
        metric.add_to_specifics_with_timeout = time_limit(2)(own)


def with_tiny_benchmarks() -> bool:
    """Whether the tasks `tiny:…` were allowed to download what they need."""
    return os.environ.get("MODELEVAL_LIGHTEVAL_TINY") == "1"


def _configs(registry: Any) -> Mapping[str, Any]:
    found: Mapping[str, Any] = registry.load_all_task_configs()
    return found


def _of_files(files: Sequence[Any], module_prefix: str) -> dict[str, Any]:
    return _of_modules(f"{module_prefix}.{file.stem}" for file in sorted(files))


def _of_folders(folders: Sequence[Any]) -> dict[str, Any]:
    return _of_modules(f"lighteval.tasks.tasks.{each.name}.main" for each in sorted(folders))


def _of_modules(names: Iterator[str]) -> dict[str, Any]:
    configs: dict[str, Any] = {}
    for name in names:
        short = name.removesuffix(".main").rpartition(".")[2]
        if short == TINY and not with_tiny_benchmarks():
            failed_modules()[short] = (
                "its metrics download a pickle, which is code: allow that with "
                "MODELEVAL_LIGHTEVAL_TINY=1"
            )
            continue
        try:
            module = importlib.import_module(name)
        except Exception as error:
            failed_modules()[short] = f"{type(error).__name__}: {error}"
        else:
            configs.update({config.name: config for config in getattr(module, "TASKS_TABLE", ())})
    return configs


def _only_what_is_missing(
    download: Callable[..., Any], find: Callable[[str], Any]
) -> Callable[..., Any]:
    """`nltk.download`, which otherwise asks its server each time."""

    def quietly(name: Any = None, *arguments: Any, **named: Any) -> Any:
        for folder in ("tokenizers", "corpora", "taggers"):
            try:
                find(f"{folder}/{name}")
                return True
            except LookupError:
                continue
        if os.environ.get("HF_HUB_OFFLINE") == "1":
            return False
        return download(name, *arguments, **{"quiet": True, **named})

    return quietly


@contextmanager
def seeded() -> Iterator[None]:
    """LightEval's pipeline seeds these before it makes documents: prompts that shuffle choices
    depend on it. Afterwards they are as they were."""
    import random

    import numpy

    states = random.getstate(), numpy.random.get_state()
    random.seed(1234)
    numpy.random.seed(1234)
    try:
        yield
    finally:
        random.setstate(states[0])
        numpy.random.set_state(states[1])
