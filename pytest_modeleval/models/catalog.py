"""Which backends there are, and how `--model BACKEND:NAME` becomes one of them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module, resources
from typing import Any

from pytest_modeleval.errors import UsageError
from pytest_modeleval.models.model import SAMPLING_FIELDS
from pytest_modeleval.models.protocol import Backend


@dataclass(frozen=True, slots=True)
class BackendEntry:
    """A backend by name. `factory` is "module:class", imported when a model of it is opened.

    `in_process` says that the model's memory is this process's own, so that only one such model
    is held at a time.
    """

    factory: str
    in_process: bool = False


BACKENDS: dict[str, BackendEntry] = {
    "openai": BackendEntry("pytest_modeleval.models.openai:OpenAIBackend"),
    "llamacpp": BackendEntry("pytest_modeleval.models.llamacpp:LlamaCppBackend", in_process=True),
    "vllm": BackendEntry("pytest_modeleval.models.vllm:VllmBackend", in_process=True),
    "transformers": BackendEntry(
        "pytest_modeleval.models.transformers:TransformersBackend", in_process=True
    ),
    "replay": BackendEntry("pytest_modeleval.models.replay:ReplayBackend"),
    "echo": BackendEntry("pytest_modeleval.models.echo:EchoBackend"),
}


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model as it was asked for: `arguments` go to the backend, `sampling` to every request."""

    alias: str
    backend: str
    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    sampling: Mapping[str, Any] = field(default_factory=dict)


def parse_spec(
    text: str, arguments: Mapping[str, Any], aliases: Mapping[str, Mapping[str, Any]]
) -> ModelSpec:
    """`BACKEND:NAME`, `tiny`, or an alias of the table `[tool.modeleval.models]`.

    `arguments` come from the command line and win over the alias's own. Raises UsageError.
    """
    if text in aliases:
        table = dict(aliases[text])
        model = table.pop("model", None)
        if not isinstance(model, str):
            raise UsageError(
                f'[tool.modeleval.models.{text}] needs a line such as model = "openai:gpt-4o"'
            )
        spec = parse_spec(model, {**table, **arguments}, {})
        return ModelSpec(_safe(text), spec.backend, spec.name, spec.arguments, spec.sampling)
    if text == "tiny":
        gguf = str(resources.files("pytest_modeleval") / "tiny" / "tiny.gguf")
        return _spec("tiny", "llamacpp", gguf, arguments)
    backend, colon, name = text.partition(":")
    if not colon:
        known = [*aliases, "tiny", *(f"{each}:NAME" for each in BACKENDS)]
        near = difflib.get_close_matches(text, [*aliases, "tiny", *BACKENDS], n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UsageError(
            f"--model {text}: unknown model; expected one of {', '.join(known)}.{hint}"
        )
    return _spec(_short_name(name) or backend, backend, name, arguments)


def open_backend(spec: ModelSpec, backends: Mapping[str, BackendEntry]) -> Backend:
    """The backend that `spec` names, not started yet. Raises UsageError."""
    entry = backends.get(spec.backend)
    if entry is None:
        near = difflib.get_close_matches(spec.backend, backends, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UsageError(
            f"--model {spec.backend}:{spec.name}: unknown backend {spec.backend!r}; "
            f"there are {', '.join(backends)}.{hint}"
        )
    module, _, name = entry.factory.partition(":")
    factory = getattr(import_module(module), name)
    backend: Backend = factory(spec.name, **spec.arguments)
    return backend


def _spec(alias: str, backend: str, name: str, arguments: Mapping[str, Any]) -> ModelSpec:
    sampling = {key: value for key, value in arguments.items() if key in SAMPLING_FIELDS}
    rest = {key: value for key, value in arguments.items() if key not in SAMPLING_FIELDS}
    return ModelSpec(_safe(alias), backend, name, rest, sampling)


def _short_name(name: str) -> str:
    """The last part of a path or a hub name, without the ending of a file."""
    last = name.rstrip("/").rpartition("/")[2]
    return re.sub(r"\.(gguf|jsonl)$", "", last)


def _safe(alias: str) -> str:
    """An alias stands in node ids, where brackets, colons and white space mean something."""
    return re.sub(r"[^\w.+@=-]+", "_", alias) or "model"
