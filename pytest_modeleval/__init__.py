"""Benchmarks for language models as pytest test suites.

The public names, and nothing else; each is imported when it is first asked for, since pytest
imports this package in every project where it is installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_modeleval.definition import CorpusMetric as CorpusMetric
    from pytest_modeleval.definition import FewShot as FewShot
    from pytest_modeleval.definition import Sample as Sample
    from pytest_modeleval.definition import benchmark as benchmark
    from pytest_modeleval.definition import record_value as record_value
    from pytest_modeleval.definition import score as score
    from pytest_modeleval.errors import ModelevalError as ModelevalError
    from pytest_modeleval.models.messages import ContentPart as ContentPart
    from pytest_modeleval.models.messages import Message as Message
    from pytest_modeleval.models.messages import Tool as Tool

_HOMES = {
    "ContentPart": "models.messages",
    "CorpusMetric": "corpus_metric",
    "FewShot": "definition",
    "Message": "models.messages",
    "ModelevalError": "errors",
    "Sample": "definition",
    "Tool": "models.messages",
    "benchmark": "definition",
    "record_value": "recorder",
    "score": "recorder",
}

__all__ = [
    "ContentPart",
    "CorpusMetric",
    "FewShot",
    "Message",
    "ModelevalError",
    "Sample",
    "Tool",
    "benchmark",
    "record_value",
    "score",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
