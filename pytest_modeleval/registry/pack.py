"""A pack of benchmarks as data: what a `*.pack.toml` says, field by field.

These types are the file's format: it is checked against them, and its JSON Schema is made of them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

SCHEMA_VERSION = 1
"""Of the format of packs."""

Aggregate = Literal["macro_mean", "weighted_mean"]
Name = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.\-]*$",
        description="a name of letters, digits and `_ . -`",
    ),
]
"""It becomes a part of node ids and of file names."""
Version = Annotated[
    str,
    Meta(pattern=r"^\d+\.\d+\.\d+([-+].+)?$", description="a semantic version such as 1.0.0"),
]
Count = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(gt=0, lt=1)]


class Policy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When the pack's score counts.

    `required` names the tasks without which there is no score: all of them, where it is not said.
    `max_errors` is how many samples of
    the whole pack may fail with an error, a number or a percentage such as "1%". Each task needs
    `min_samples` that were judged. `confidence` is that of the score's interval.
    """

    required: tuple[str, ...] | UnsetType = UNSET
    max_errors: int | str = 0
    min_samples: Count = 1
    confidence: Share = 0.95


class PackInfo(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table `[pack]`: who it is, how its score is made of its tasks, and what must hold.

    The score is the mean of each task's primary metric, over tasks (`macro_mean`) or with each
    task's `weight` (`weighted_mean`). `gates` are expressions over `score`, and over the tasks by
    name, such as `score >= 0.6`.
    """

    name: Name
    version: Version
    description: str = ""
    licence: str = ""
    owner: str = ""
    citation: str = ""
    aggregate: Aggregate = "macro_mean"
    gates: tuple[str, ...] = ()
    policy: Policy = Policy()


class Task(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A `[[task]]`: a Python benchmark, LightEval's, or a whole task as data. Exactly one of
    `benchmark`, `lighteval` and `dataset` says which.

    For any kind: `name` (its own where it has one), the overrides `few_shot`, `max_samples`,
    `epochs`, `timeout` (seconds), `sampling` (fields of a request's sampling: temperature, …),
    `gates`, and for the pack's score `metric`, the primary one (accuracy; of
    LightEval's its own first), and `weight`. Overrides that are
    not said leave what the benchmark itself says; `gates` that are said take the place of its own.

    As data: `dataset` (a registered name, a path from the pack's folder, or hf:…), `prompt`
    and `system` (Jinja templates over the record's fields), `ask` ("chat", "complete", or "choose"
    among `choices`), `target` (a template, or the record's own field), `id`, `cluster` (fields),
    `extract` (a regular expression whose first group is the answer) and `scorers`.
    """

    benchmark: str | None = None
    lighteval: str | None = None
    dataset: str | None = None

    name: Name | None = None
    few_shot: Annotated[int, Meta(ge=0)] | None = None
    max_samples: Count | None = None
    epochs: Count | None = None
    timeout: Annotated[float, Meta(gt=0)] | None = None
    sampling: dict[str, Any] = {}
    gates: tuple[str, ...] | UnsetType = UNSET
    metric: str | None = None
    weight: Annotated[float, Meta(gt=0)] = 1.0

    prompt: str | None = None
    system: str | None = None
    ask: Literal["chat", "complete", "choose"] = "chat"
    target: str | None = None
    choices: str | tuple[str, ...] | None = None
    id: str | None = None
    cluster: str | None = None
    extract: str | None = None
    scorers: tuple[str | dict[str, Any], ...] = ("exact_match",)

    parameters: dict[str, Any] = {}
    """LightEval's only: parameters of the task's metrics."""
    custom_tasks: str | None = None
    """LightEval's only: a file of custom tasks, from the pack's folder."""


class PluginRequirement(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A `[[plugin]]`: an installed distribution that brings tasks, metrics, datasets or models.
    `version` is a range as pip reads it, such as ">=1.2,<2"."""

    package: str
    version: str = ""


class Pack(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole `*.pack.toml`."""

    pack: PackInfo
    task: tuple[Task, ...] = ()
    plugin: tuple[PluginRequirement, ...] = ()
    schema_version: int = SCHEMA_VERSION
