"""Which backends there are, and how `--model BACKEND:NAME` becomes one of them."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module, resources
from typing import Any

from pytest_modeleval.errors import ModelevalError, UsageError
from pytest_modeleval.models.prices import Price, said_price, without_price
from pytest_modeleval.models.protocol import Backend
from pytest_modeleval.models.rates import RATE_ARGUMENTS, Rates, said_rates
from pytest_modeleval.models.sampling import SAMPLING_FIELDS, checked
from pytest_modeleval.plain_text import raised


@dataclass(frozen=True, slots=True)
class BackendEntry:
    """A backend by name. `factory` is "module:class", imported when a model of it is opened.

    `in_process` says that the model's memory is this process's own, so that only one such model
    is held at a time. A `remote` one has limits that nobody tells: what is in flight adapts to
    them. Replies of a backend that is `cached` are kept in the response cache: they may depend on
    everything in a request but its benchmark's name.
    """

    factory: str
    in_process: bool = False
    remote: bool = False
    cached: bool = True


BACKENDS: dict[str, BackendEntry] = {
    "openai": BackendEntry("pytest_modeleval.models.openai:OpenAIBackend", remote=True),
    "llamacpp": BackendEntry("pytest_modeleval.models.llamacpp:LlamaCppBackend", in_process=True),
    "vllm": BackendEntry("pytest_modeleval.models.vllm:VllmBackend", in_process=True),
    "transformers": BackendEntry(
        "pytest_modeleval.models.transformers:TransformersBackend", in_process=True
    ),
    "replay": BackendEntry("pytest_modeleval.models.replay:ReplayBackend", cached=False),
    "echo": BackendEntry("pytest_modeleval.models.echo:EchoBackend"),
}


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model as it was asked for: `arguments` go to the backend, `sampling` to every request.
    `price` is what was said of it; without it, it is looked up. `rates` are what it may be
    asked."""

    alias: str
    backend: str
    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    sampling: Mapping[str, Any] = field(default_factory=dict)
    price: Price | None = None
    rates: Rates | None = None


def in_process(spec: ModelSpec, backends: Mapping[str, BackendEntry]) -> bool:
    """Whether the model would take this process's own memory."""
    entry = backends.get(spec.backend)
    return entry is not None and entry.in_process


def parse_spec(
    text: str, arguments: Mapping[str, Any], aliases: Mapping[str, Mapping[str, Any]]
) -> ModelSpec:
    """`BACKEND:NAME`, `tiny`, or an alias of the table `[tool.modeleval.models]`.

    `arguments` come from the command line and win over the alias's own. Raises UsageError.
    """
    if text in aliases:
        table = {**aliases[text], **arguments}
        place = f"[tool.modeleval.models.{text}]"
        price, rates = said_price(table, place), said_rates(table, place)
        spec = parse_spec(table.pop("model"), _for_backend(table), {})
        return replace(spec, alias=_safe(text), price=price, rates=rates)
    if text == "tiny":
        gguf = str(resources.files("pytest_modeleval") / "tiny" / "tiny.gguf")
        return _spec("tiny", "llamacpp", gguf, arguments)
    backend, colon, name = text.partition(":")
    if not colon:
        known = [*aliases, "tiny", *(f"{each}:NAME" for each in BACKENDS)]
        near = difflib.get_close_matches(text, [*aliases, "tiny", *BACKENDS], n=1)
        hint = f" Did you mean {near[0]}{':NAME' if near[0] in BACKENDS else ''}?" if near else ""
        raise UsageError(f"unknown model {text!r}; expected one of {', '.join(known)}.{hint}")
    return _spec(_short_name(name) or backend, backend, name, arguments)


def open_backend(spec: ModelSpec, backends: Mapping[str, BackendEntry]) -> Backend:
    """The backend that `spec` names, not started yet. Raises UsageError."""
    entry = backends.get(spec.backend)
    if entry is None:
        near = difflib.get_close_matches(spec.backend, backends, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UsageError(
            f"model {spec.backend}:{spec.name}: unknown backend {spec.backend!r}; "
            f"there are {', '.join(backends)}.{hint}"
        )
    module, _, name = entry.factory.partition(":")
    try:
        factory = getattr(import_module(module), name)
        backend: Backend = factory(spec.name, **spec.arguments)
    except ModelevalError:
        raise
    except Exception as error:  # of another package's backend
        raise UsageError(
            f"model {spec.backend}:{spec.name}: {entry.factory} raised {raised(error)}"
        ) from error
    return backend


def _spec(alias: str, backend: str, name: str, arguments: Mapping[str, Any]) -> ModelSpec:
    place = f"model {backend}:{name}"
    price, rates = said_price(arguments, place), said_rates(arguments, place)
    arguments = _for_backend(arguments)
    sampling = {key: value for key, value in arguments.items() if key in SAMPLING_FIELDS}
    rest = {key: value for key, value in arguments.items() if key not in SAMPLING_FIELDS}
    return ModelSpec(_safe(alias), backend, name, rest, checked(sampling), price, rates)


def _for_backend(arguments: Mapping[str, Any]) -> dict[str, Any]:
    left = without_price(arguments)
    return {key: value for key, value in left.items() if key not in RATE_ARGUMENTS}


def by_alias(specs: Sequence[ModelSpec]) -> dict[str, ModelSpec]:
    """The models by aliases that differ. Where the last parts of their names are equal, more of
    the name takes its place, then all of it with the backend, then a number."""
    count = Counter(spec.alias for spec in specs)
    found: dict[str, ModelSpec] = {}
    for spec in specs:
        names = [
            _safe("_".join(spec.name.rstrip("/").split("/")[-2:])),
            _safe(f"{spec.backend}_{spec.name}"),
            *(f"{spec.alias}-{number}" for number in range(2, len(specs) + 2)),
        ]
        free = (name for name in names if name not in found and name not in count)
        alias = spec.alias if count[spec.alias] == 1 else next(free)
        found[alias] = replace(spec, alias=alias)
    return found


def _short_name(name: str) -> str:
    """The last part of a path or a hub name, without the ending of a file."""
    last = name.rstrip("/").rpartition("/")[2]
    return re.sub(r"\.(gguf|jsonl)$", "", last)


def _safe(alias: str) -> str:
    """An alias stands in node ids, where brackets, colons and white space mean something."""
    return re.sub(r"[^\w.+@=-]+", "_", alias) or "model"
