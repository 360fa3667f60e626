"""The models of a run: opened when they are needed, closed when the run ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from typing import TYPE_CHECKING

from pytest_modeleval.background import BackgroundLoop
from pytest_modeleval.errors import ModelError, ModelevalError, UsageError
from pytest_modeleval.gpus import gpus_for
from pytest_modeleval.models.budget import NO_LIMITS, Budget
from pytest_modeleval.models.catalog import BackendEntry, ModelSpec, in_process, open_backend
from pytest_modeleval.models.layers import Endpoint, layered
from pytest_modeleval.models.limiter import Limiter
from pytest_modeleval.models.model import ChooseBy, Model
from pytest_modeleval.models.prices import GpuPrice, Price, known_price
from pytest_modeleval.models.protocol import Backend, Identity
from pytest_modeleval.models.response_cache import ResponseCache
from pytest_modeleval.models.shared_state import SharedState
from pytest_modeleval.models.stand_in import Nobody, StandIn
from pytest_modeleval.models.status import Status, combined
from pytest_modeleval.models.token_counts import tokenizer_of

if TYPE_CHECKING:
    from pytest_modeleval.otel import Telemetry

ASKS_NOBODY = ("echo", "replay")
"""Backends that no price is needed for."""

PATIENCE = 5.0
"""Seconds that a model may take to end which was interrupted while it was loaded."""


class ModelPool:
    """Models by alias. In-process engines under test are held one at a time."""

    def __init__(
        self,
        background: BackgroundLoop,
        backends: Mapping[str, BackendEntry],
        *,
        concurrency: int | None,
        run_id: str,
        cache: ResponseCache | None,
        max_attempts: int,
        choose_by: ChooseBy = "likelihood",
        budget: Budget = NO_LIMITS,
        processes: int = 1,
        max_outage: float,
        request_timeout: float | None = None,
        state: SharedState,
        fallback: ModelSpec | None = None,
        telemetry: Telemetry | None = None,
        warn: Callable[[str], None] = lambda message: None,
        dry_run: bool = False,
    ) -> None:
        self._background = background
        self._backends = backends
        self._concurrency = concurrency
        self._run_id = run_id
        self._cache = cache
        self._max_attempts = max_attempts
        self._choose_by = choose_by
        self._budget = budget
        self._processes = processes
        self._max_outage = max_outage
        self._request_timeout = request_timeout
        self._state = state
        self._telemetry = telemetry
        self._dry_run = dry_run
        self._warn = warn
        self._restarts = 0
        self._fallback = fallback
        self._fallbacks: dict[str, Backend] = {}
        self._open: dict[tuple[str, str], Model] = {}
        self.limiters: list[Limiter] = []
        self.identities: dict[str, Identity] = {}

    def open(self, spec: ModelSpec, role: str = "model") -> Model:
        """The model, loaded or probed. Raises UsageError or ModelError with one sentence. In a dry
        run it is a stand-in, and nothing is loaded or sent."""
        key = (role, spec.alias)
        if key in self._open:
            return self._open[key]
        if self._dry_run:
            backend = open_backend(spec, self._backends)
            return self._keep(spec, role, self._stand_in(spec, role, price_of(spec, backend)))
        endpoint = self._start(spec)
        spare = self._fallback if role == "model" else None
        fallback = None
        if spare is not None:
            try:
                fallback = self._start(spare)
            except BaseException:
                self._background.run(endpoint.backend.aclose())
                raise
            self._fallbacks[spec.alias] = fallback.backend
        cache = self._cache if self._backends[spec.backend].cached else None
        if cache is not None:
            cache.open()
        layers = layered(
            endpoint,
            alias=spec.alias,
            concurrency=self._concurrency,
            max_attempts=self._max_attempts,
            max_outage=self._max_outage,
            request_timeout=self._request_timeout,
            cache=cache,
            run_id=self._run_id,
            fallback=fallback,
            state=self._state,
            budget=self._budget,
        )
        model = Model(
            endpoint.backend,
            layers,
            alias=spec.alias,
            loop=self._background.loop,
            role=role,
            sampling=spec.sampling,
            choose_by=self._choose_by,
            telemetry=self._telemetry,
        )
        return self._keep(spec, role, model)

    def _start(self, spec: ModelSpec) -> Endpoint:
        """Its backend, loaded or probed."""
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
        except BaseException:  # Ctrl-C: what has been loaded so far is a process, or memory
            with suppress(FutureTimeout):
                self._background.run(backend.aclose(), timeout=PATIENCE)
            raise
        return Endpoint(
            backend,
            self._price(spec, backend),
            spec.rates,
            adapts=self._backends[spec.backend].remote,
            warn=self._warn if in_process(spec, self._backends) else None,
        )

    def _stand_in(self, spec: ModelSpec, role: str, price: Price | None) -> Model:
        nobody = Nobody(spec.backend, spec.name)
        layers = layered(
            Endpoint(nobody),
            alias=spec.alias,
            concurrency=None,
            max_attempts=1,
            max_outage=self._max_outage,
            cache=None,
            run_id=self._run_id,
        )
        return StandIn(
            nobody,
            layers,
            alias=spec.alias,
            loop=self._background.loop,
            role=role,
            sampling=spec.sampling,
            choose_by=self._choose_by,
            price=price,
            tokenizer=tokenizer_of(spec.backend, spec.name),
        )

    def _keep(self, spec: ModelSpec, role: str, model: Model) -> Model:
        self._open[role, spec.alias] = model
        self.limiters.append(model.layers.limiter)
        if role == "model":
            self.identities[spec.alias] = model.identity
        return model

    def _price(self, spec: ModelSpec, backend: Backend) -> Price | None:
        price = price_of(spec, backend)
        if isinstance(price, GpuPrice):
            # An engine of this process has its GPUs to itself; a server serves all processes.
            share = gpus_for(spec) or 1 if in_process(spec, self._backends) else 1 / self._processes
            return GpuPrice(price.hour * share)
        return price

    def close(self, spec: ModelSpec, role: str = "model") -> None:
        """Give the model's memory back."""
        model = self._open.pop((role, spec.alias), None)
        if model is not None:
            self.limiters.remove(model.layers.limiter)
            self._close(role, model)

    def _close(self, role: str, model: Model) -> None:
        restarting = model.layers.restarting
        self._restarts += restarting.restarts if restarting is not None else 0
        self._background.run((restarting or model.backend).aclose())
        if role == "model" and (fallback := self._fallbacks.pop(model.alias, None)) is not None:
            self._background.run(fallback.aclose())

    def status(self) -> Status:
        """What is asked of all models now."""
        return combined(
            Status(
                in_flight=layers.limiter.in_flight,
                limit=layers.limiter.limit,
                retries=layers.retrying.retries,
                away_s=layers.breaker.away_s,
            )
            for layers in [model.layers for model in list(self._open.values())]
        )

    @property
    def restarts(self) -> int:
        """How often an engine has died and was started anew."""
        open_now = [model.layers.restarting for model in self._open.values()]
        return self._restarts + sum(each.restarts for each in open_now if each is not None)

    def close_all(self) -> None:
        while self._open:
            (role, _), model = self._open.popitem()
            self._close(role, model)
        if self._cache is not None:
            self._cache.close()

    def holds(self, spec: ModelSpec, role: str = "model") -> bool:
        """Whether the model is open now."""
        return (role, spec.alias) in self._open


def price_of(spec: ModelSpec, backend: Backend) -> Price | None:
    """What was said of the model, else what is known; `backend` need not have started."""
    return spec.price if spec.price is not None else known_price(backend.identity)


def check_prices(specs: Iterable[ModelSpec], backends: Mapping[str, BackendEntry]) -> None:
    """With a limit in dollars every model needs a price. Raises UsageError; nothing is started."""
    for spec in specs:
        backend = open_backend(spec, backends)
        if spec.backend not in ASKS_NOBODY and price_of(spec, backend) is None:
            raise UsageError(
                f"--max-cost: what {spec.alias} ({spec.backend}:{spec.name}) costs is not known: "
                "say price = {input = 0.15, output = 0.60} (US dollars per million tokens) or "
                f"gpu_hour = 2.5 in [tool.modeleval.models.{spec.alias}]; 0 where it is free"
            )
