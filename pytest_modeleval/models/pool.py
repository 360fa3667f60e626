"""The models of a run: opened when they are needed, closed when the run ends."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_modeleval.background import BackgroundLoop
from pytest_modeleval.errors import ModelError, ModelevalError
from pytest_modeleval.models.catalog import BackendEntry, ModelSpec, open_backend
from pytest_modeleval.models.limiter import Limiter
from pytest_modeleval.models.model import Model
from pytest_modeleval.models.protocol import Identity


class ModelPool:
    """Models by alias. In-process engines under test are held one at a time."""

    def __init__(
        self,
        background: BackgroundLoop,
        backends: Mapping[str, BackendEntry],
        *,
        concurrency: int | None,
    ) -> None:
        self._background = background
        self._backends = backends
        self._concurrency = concurrency
        self._open: dict[tuple[str, str], Model] = {}
        self.limiters: list[Limiter] = []
        self.identities: dict[str, Identity] = {}

    def open(self, spec: ModelSpec, role: str = "model") -> Model:
        """The model, loaded or probed. Raises UsageError or ModelError with one sentence."""
        key = (role, spec.alias)
        if key in self._open:
            return self._open[key]
        backend = open_backend(spec, self._backends)
        try:
            self._background.run(backend.start())
        except ModelevalError:
            self._background.run(backend.aclose())
            raise
        except Exception as error:
            self._background.run(backend.aclose())
            raise ModelError(
                f"{spec.backend}:{spec.name} could not be started: {type(error).__name__}: {error}"
            ) from error
        model = self._open[key] = Model(
            backend,
            alias=spec.alias,
            loop=self._background.loop,
            role=role,
            sampling=spec.sampling,
            concurrency=self._concurrency,
        )
        self.limiters.append(model.limiter)
        if role == "model":
            self.identities[spec.alias] = model.identity
        return model

    def is_in_process(self, spec: ModelSpec) -> bool:
        """Whether the model would take this process's own memory."""
        entry = self._backends.get(spec.backend)
        return entry is not None and entry.in_process

    def close(self, spec: ModelSpec, role: str = "model") -> None:
        """Give the model's memory back."""
        model = self._open.pop((role, spec.alias), None)
        if model is not None:
            self.limiters.remove(model.limiter)
            self._background.run(model.backend.aclose())

    def close_all(self) -> None:
        while self._open:
            _, model = self._open.popitem()
            self._background.run(model.backend.aclose())

    def holds(self, spec: ModelSpec, role: str = "model") -> bool:
        """Whether the model is open now."""
        return (role, spec.alias) in self._open
