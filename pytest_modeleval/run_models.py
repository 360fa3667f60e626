"""The models of a run: those that were named, and those that this process holds open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import cached_property
from typing import Any

from pytest_modeleval.errors import UsageError
from pytest_modeleval.group import Models
from pytest_modeleval.models.catalog import BackendEntry, by_alias, in_process, parse_spec
from pytest_modeleval.models.model import Model
from pytest_modeleval.models.pool import ModelPool, check_prices
from pytest_modeleval.settings import RunConfig


class RunModels:
    """The models under test by alias (`specs`), their helpers by role, and the second endpoint of
    the model.

    Args:
        backends: Those that there are; asked when the first one is needed.
        make_pool: What opens models; made when the first one is opened.
        opened: Told of each model under test.
    """

    def __init__(
        self,
        settings: RunConfig,
        *,
        backends: Callable[[], Mapping[str, BackendEntry]],
        make_pool: Callable[[], ModelPool],
        opened: Callable[[Model], None],
    ) -> None:
        self._settings = settings
        self._backends = backends
        self._make_pool = make_pool
        self._opened = opened
        self._told = 0
        aliases = settings.aliases
        self.specs = by_alias(
            [parse_spec(text, settings.model_arguments, aliases) for text in settings.models]
        )
        self.roles = {role: parse_spec(text, {}, aliases) for role, text in settings.roles.items()}
        second = settings.fallback_model
        self.fallback = None if second is None else parse_spec(second, {}, aliases)

    @cached_property
    def pool(self) -> ModelPool:
        return self._make_pool()

    @property
    def _open_pool(self) -> ModelPool | None:
        """The pool, if a model has been opened."""
        pool: ModelPool | None = self.__dict__.get("pool")
        return pool

    def check_prices(self) -> None:
        """Raises UsageError where --max-cost could not be held."""
        if self._settings.max_cost is not None:
            check_prices([*self.specs.values(), *self.roles.values()], self._backends())

    def open_all(self, first: str) -> None:
        """Every API is probed before any sample runs; of the engines only the first is loaded."""
        for alias in self.specs:
            if alias == first or not self.is_in_process(alias):
                self.under_test(alias)
        for role, spec in self.roles.items():
            self.pool.open(spec, role)

    def with_helpers(self, alias: str) -> Models:
        """The model under test and its helpers, by role."""
        found = Models(model=self.under_test(alias))
        for role, spec in self.roles.items():
            found[role] = self.pool.open(spec, role)
        return found

    def under_test(self, alias: str) -> Model:
        """The model of that alias, open."""
        held = self.pool.holds(self.specs[alias])
        if not held and self.is_in_process(alias):
            for other in self.specs:
                self.close_engine(other)
        model = self._open(alias)
        if not held:
            self._opened(model)
        return model

    def _open(self, alias: str) -> Model:
        job = self._settings.job
        try:
            return self.pool.open(self.specs[alias])
        except UsageError as error:
            if job is None or self._settings.models != (job.model,):
                raise
            raise job.explained(error) from None

    def is_in_process(self, alias: str) -> bool:
        """Whether the model under test takes memory of this process: of those one is held."""
        spec = self.specs.get(alias)
        return spec is not None and in_process(spec, self._backends())

    def close_engine(self, alias: str) -> None:
        """An in-process engine ends before the next one is loaded."""
        if self.is_in_process(alias):
            self.pool.close(self.specs[alias])

    def close(self) -> None:
        """Close all that are open."""
        if self._open_pool is not None:
            self._open_pool.close_all()

    def known(self) -> dict[str, dict[str, Any]]:
        """Which models have answered, by alias: plain values."""
        identities = self._open_pool.identities if self._open_pool is not None else {}
        return {
            alias: asdict(replace(identity, details=dict(identity.details)))
            for alias, identity in identities.items()
        }

    def to_tell(self) -> dict[str, dict[str, Any]] | None:
        """As `known`, where one has been opened since this was last asked."""
        count = len(self._open_pool.identities) if self._open_pool is not None else 0
        if count == self._told:
            return None
        self._told = count
        return self.known()

    @property
    def restarts(self) -> int:
        """How often an engine of this process has died and was started anew."""
        return self._open_pool.restarts if self._open_pool is not None else 0
