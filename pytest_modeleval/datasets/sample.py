"""The unit of evaluation: one question, what a right reply is, and what else is known of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

LONGEST_CLUSTER = 80
"""Characters."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample of a dataset, as a benchmark's body receives it.

    `id` is unique in its dataset; left empty by a `sample=` function, it is made from the record's
    id field or its row. `input` is a text or a sequence of messages. `few_shot` are examples to
    show before it. `epoch` counts the repetitions from 0. `resources` is an async exit stack that
    is closed when the body ends; a copy made by `dataclasses.replace` has its own.
    """

    id: str = ""
    input: Any = ""
    target: Any = None
    choices: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    few_shot: tuple[Sample, ...] = ()
    epoch: int = 0
    resources: AsyncExitStack = field(
        default_factory=AsyncExitStack, init=False, compare=False, repr=False
    )


def as_text(value: object) -> str:
    """A sample's input or target as files hold it: JSON where it is not a text."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False, default=str)


def cluster_name(value: object) -> str:
    """What tells one cluster from others; of a long text (a passage) its start and a digest."""
    text = as_text(value)
    if len(text) <= LONGEST_CLUSTER:
        return text
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    return f"{text[: LONGEST_CLUSTER // 2]}… {digest}"
