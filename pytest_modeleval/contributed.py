"""What other packages bring to a run by our hooks: backends, datasets and scorers by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
from packaging.utils import canonicalize_name

from pytest_modeleval.datasets.known import REGISTERED
from pytest_modeleval.datasets.registered import RegisteredDataset
from pytest_modeleval.errors import UsageError
from pytest_modeleval.installed_plugins import load_plugins
from pytest_modeleval.models.catalog import BACKENDS, BackendEntry
from pytest_modeleval.plain_text import raised
from pytest_modeleval.registry.finding import installed_packs, owner_of
from pytest_modeleval.registry.plugins import check_plugins, versioned
from pytest_modeleval.registry.reading import PackFile
from pytest_modeleval.results.record import PluginRecord
from pytest_modeleval.scorers.by_name import SCORERS

OURSELVES = "pytest-modeleval"
_WRITER = "pytest_modeleval_finished"


class Kind(NamedTuple):
    """What a hook brings: its type, how a person is told what to return, and what there is
    already."""

    noun: str
    hook: str
    type: Any
    expected: str
    own: Mapping[str, Any]


_BACKENDS = Kind(
    "backend", "pytest_modeleval_backends", BackendEntry, "a dict of BackendEntry by name", BACKENDS
)
_DATASETS = Kind(
    "dataset",
    "pytest_modeleval_datasets",
    RegisteredDataset,
    "a list of RegisteredDataset",
    {each.name: each for each in REGISTERED},
)
_SCORERS = Kind(
    "scorer",
    "pytest_modeleval_scorers",
    Callable,
    "a dict of functions by name",
    SCORERS,
)
_KINDS = (_BACKENDS, _DATASETS, _SCORERS)


class Owner(NamedTuple):
    """A plugin as pytest knows it, its implementation of a hook, and the distribution that it came
    with, if it came with one."""

    plugin: Any
    function: Callable[[], Any]
    distribution: Any

    def __str__(self) -> str:
        if self.distribution is not None:
            return versioned(self.distribution)
        return str(getattr(self.plugin, "__file__", None) or self.module)

    @property
    def module(self) -> str:
        return str(getattr(self.plugin, "__name__", type(self.plugin).__module__))

    def record(self, records: dict[str, PluginRecord]) -> PluginRecord:
        """The distribution's record, made with the first that it brings."""
        name = str(self.distribution.metadata["Name"])
        return records.setdefault(name, PluginRecord(name, self.distribution.version))


class Contributions:
    """What is brought to this run, and by whom; each hook of a plugin is called once.

    Two distributions cannot bring the same name. What the project itself brings, in a conftest,
    takes the place of what is installed.
    """

    def __init__(self, config: pytest.Config) -> None:
        """Raises UsageError for a plugin that cannot be used, and for a name brought twice."""
        self._hooks = config.pluginmanager.hook
        self._given: dict[Callable[[], Any], list[tuple[str, Any]]] = {}
        self._distributions, self._left_out = load_plugins(config)
        self._required: dict[str, PluginRecord] = {}
        for kind in _KINDS:
            self._merged(kind, self._installed(kind.hook))

    def require(self, pack: PackFile) -> None:
        """Hold what a pack asks for against what is installed. From then on that is recorded, and
        so is the distribution that the pack itself came with.

        Raises UsageError for a plugin that is not installed, does not fit, or is switched off.
        """
        for record in check_plugins(pack.pack.plugin, pack.place):
            for point in self._left_out:
                if point.dist is not None and point.dist.metadata["Name"] == record.name:
                    raise UsageError(
                        f"{pack.place} needs the plugin {record.name}, which is installed but left "
                        f"out, by -p no:{point.name} or PYTEST_DISABLE_PLUGIN_AUTOLOAD: name its "
                        f"module, -p {point.module}"
                    )
            self._require(record)
        if (owner := owner_of(pack.path)) is not None:
            self._require(PluginRecord(owner.metadata["Name"], owner.version))

    def _require(self, record: PluginRecord) -> None:
        if canonicalize_name(record.name) != OURSELVES:
            self._required[record.name] = record

    def backends(self) -> Mapping[str, BackendEntry]:
        """Those that there are, by name."""
        return self._merged(_BACKENDS, self._owners(_BACKENDS.hook))

    def datasets(self) -> Sequence[RegisteredDataset]:
        """Those that a benchmark may name."""
        return list(self._merged(_DATASETS, self._owners(_DATASETS.hook)).values())

    def scorers(self) -> Mapping[str, Callable[..., Any]]:
        """Those that a task as data may name."""
        return self._merged(_SCORERS, self._owners(_SCORERS.hook))

    def versions(self) -> dict[str, str]:
        """Of the installed distributions that bring something on which results depend, and of those
        that packs ask for, by name."""
        found = dict(self._required)
        for kind in _KINDS:
            for owner in self._installed(kind.hook):
                owner.record(found)
        return {name: found[name].version for name in sorted(found)}

    def records(self) -> list[PluginRecord]:
        """The installed distributions that brought something to the run, by name."""
        found = {name: replace(record, provides={}) for name, record in self._required.items()}
        for kind in _KINDS:
            for owner in self._installed(kind.hook):
                names = [name for name, _ in self._names(owner, kind)]
                owner.record(found).provides.setdefault(f"{kind.noun}s", []).extend(names)
        for owner in self._installed(_WRITER):
            owner.record(found).provides.setdefault("writers", []).append(owner.module)
        for record in found.values():
            if packs := installed_packs(record.name):
                record.provides["packs"] = packs
        return [found[name] for name in sorted(found)]

    def _merged(self, kind: Kind, owners: Iterable[Owner]) -> dict[str, Any]:
        found = dict(kind.own)
        holders: dict[str, Owner] = {}
        # what is installed first, so that the project's own takes its place
        for owner in sorted(owners, key=lambda each: each.distribution is None):
            for name, value in self._names(owner, kind):
                if owner.distribution is not None and found.get(name, value) is not value:
                    raise UsageError(
                        f"the {kind.noun} {name!r} is brought twice, by "
                        f"{holders.get(name, OURSELVES)} and by {owner}: uninstall one, leave it "
                        "out with -p no:NAME of its entry point, or have it use another name"
                    )
                found[name] = value
                holders[name] = owner
        return found

    def _names(self, owner: Owner, kind: Kind) -> list[tuple[str, Any]]:
        """What a plugin brings of one kind. Raises UsageError where its hook fails."""
        if owner.function not in self._given:
            try:
                returned = owner.function()
            except Exception as error:
                raise UsageError(f"{owner}: {kind.hook} raised {raised(error)}") from error
            named = _named(returned)
            if not all(
                isinstance(name, str) and isinstance(each, kind.type) for name, each in named
            ):
                raise UsageError(
                    f"{owner}: {kind.hook} must return {kind.expected}, not {returned!r:.80}"
                )
            self._given[owner.function] = named
        return self._given[owner.function]

    def _installed(self, hook: str) -> list[Owner]:
        """The distributions that implement a hook."""
        return [owner for owner in self._owners(hook) if owner.distribution is not None]

    def _owners(self, hook: str) -> Iterator[Owner]:
        """Whoever implements a hook, in the order in which pytest came to know them."""
        for each in getattr(self._hooks, hook).get_hookimpls():
            distribution = self._distributions.get(id(each.plugin))
            yield Owner(each.plugin, each.function, distribution)


def _named(returned: Any) -> list[tuple[Any, Any]]:
    """What a hook returned, each with its name; things without one have None."""
    if isinstance(returned, Mapping):
        return list(returned.items())
    if isinstance(returned, Sequence):
        return [(getattr(each, "name", None), each) for each in returned]
    return [] if returned is None else [(None, returned)]
