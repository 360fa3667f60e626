"""The tiny model in its two forms, and what every engine's tests ask of it."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from pytest_modeleval.models.protocol import Request, Sampling

SUMS = ["1+1=", "7+5=", "12+30=", "45+54=", "99+1="]


def completion(prompt: str, **sampling: Any) -> Request:
    return Request(Sampling(**{"max_tokens": 16, **sampling}), prompt=prompt)


@pytest.fixture(scope="session")
def tiny_gguf() -> Path:
    return Path(str(resources.files("pytest_modeleval") / "tiny" / "tiny.gguf"))


@pytest.fixture(scope="session")
def tiny_checkpoint() -> Path:
    return Path(__file__).parents[2] / "examples" / "tiny_model" / "checkpoint"


@pytest.fixture
def children() -> object:
    """A function that lists the processes that this one has started and that still live."""
    return _children


def _children() -> set[int]:
    own = os.getpid()
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == own and state != "Z":
            found.add(int(stat.parent.name))
    return found
