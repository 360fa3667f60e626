"""What all samples of one benchmark, parameter set and model have in common.

pytest itself makes a `Function` of each benchmark and parameter set, the *template*: its fixtures,
marks, class and parameters are pytest's own. The group keeps it for all its samples.
"""

from __future__ import annotations

import inspect
from array import array
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.tmpdir import tmppath_result_key

from pytest_modeleval.datasets.sample import as_text, cluster_name
from pytest_modeleval.datasets.samples import Samples
from pytest_modeleval.definition import Benchmark
from pytest_modeleval.errors import UsageError
from pytest_modeleval.gates import Reference, match_samples, parse_gates
from pytest_modeleval.models.model import Model
from pytest_modeleval.results.baseline import LIGHTEVAL_TASK, Baseline
from pytest_modeleval.results.record import SampleResult
from pytest_modeleval.results.samples import digest
from pytest_modeleval.tally import Plan

if TYPE_CHECKING:
    from pytest_modeleval.otel import Telemetry
    from pytest_modeleval.packs import PackModule
    from pytest_modeleval.results.kept import KeptRows


class SampleGroup:
    """What all samples of one benchmark, parameter set and model share.

    `rows` are the planned samples, as positions in `samples`. `place` is the group's own among all
    that were collected, `task_hash` is of what defines the benchmark, and `baseline` what its gates
    compare with. `enough` says that its gates
    are decided, and `refusal` why none of it can run. A random order of the samples is made from
    `order_seed`, and with `early_stop` it is what the gates are decided on.
    """

    def __init__(
        self,
        template: pytest.Function,
        definition: Benchmark,
        samples: Samples,
        rows: Sequence[int],
        *,
        model: str,
        params: str,
        gate_texts: Sequence[str],
        epochs: int,
        timeout: float | None,
        place: int,
        task_hash: str | None = None,
        baseline: Baseline | None = None,
        updating: bool = False,
        order_seed: str | None = None,
        early_stop: bool = False,
        pack: PackModule | None = None,
    ) -> None:
        self.template = template
        self.definition = definition
        self.samples = samples
        self.rows = rows
        self.model = model
        self.gate_texts = gate_texts
        self.gates = parse_gates(gate_texts)
        self.epochs = epochs
        self.timeout = timeout
        self.place = place
        self.task_hash = task_hash
        self.baseline = baseline
        self.updating = updating
        self.order_seed = order_seed
        self.early_stop = early_stop
        self.pack = pack
        self.family = 1
        self.enough = False
        self.refusal: str | None = None
        self.telemetry: Telemetry | None = None
        self.selected = 0
        self.selected_gates: set[str] = set()
        self.plan_sent = False
        self.setup_error: BaseException | None = None
        self._kept: KeptRows | None = None
        self._kept_places = array("l")
        function: Callable[..., Any] = template.obj
        self.function = function
        self.is_async = inspect.iscoroutinefunction(function)
        self.ihook = template.ihook
        self.location = template.location
        base, _, _ = template.nodeid.partition("[")
        self.name = f"{base}[{params}]" if params else base
        own_params = getattr(template, "callspec", None)
        self._prefix = f"{own_params.id}-" if own_params and own_params.id else ""
        self.node_prefix = f"{base}[{self._prefix}"
        self.chain = template.listchain()
        # What pytest's tmp_path asks the item that it was set up for: keep the folder, it may hold
        # what a wrong sample left.
        template.stash[tmppath_result_key] = {"call": False}
        self.arguments: dict[str, Any] | None = None
        self.is_set_up = False

    def refuse(self, why: str) -> None:
        """None of it runs; the plan may be told already."""
        self.refusal = self.plan.refusal = why

    def item_name(self, row: int) -> str:
        """The part of a node id in brackets."""
        return self._prefix + self.samples.id(row)

    def turns(self) -> dict[int, int] | None:
        """When each of the planned samples runs; None where they do as they are planned."""
        if self.order_seed is None:
            return None
        from pytest_modeleval.gates.early import sample_order

        order = sample_order(len(self.rows), self.order_seed)
        return {self.rows[place]: turn for turn, place in enumerate(order)}

    def place_of(self, row: int) -> int:
        """Where a sample stands among the planned ones."""
        return row if isinstance(self.rows, range) else bisect_left(self.rows, row)

    def keep(self, folder: Path) -> None:
        """Take over what an unfinished run has finished of this group."""
        from pytest_modeleval.results.kept import KeptRows

        kept = KeptRows(folder, self.name)
        places = kept.finished(self.model, self.epochs)
        if places:
            ids = map(self.samples.id, range(len(self.samples)))
            self._kept_places = array("l", (places.get(each, -1) for each in ids))
            self._kept = kept

    def is_kept(self, row: int) -> bool:
        """Whether an unfinished run has finished the sample."""
        return self._kept is not None and self._kept_places[row] >= 0

    def kept_results(self, row: int) -> list[SampleResult]:
        """What it has recorded, without what was asked and said."""
        assert self._kept is not None
        return self._kept.results(self._kept_places[row], self.model, self.samples.id(row))

    @cached_property
    def plan(self) -> Plan:
        """What this group sets out to do, in plain values: settled when the run starts."""
        columns = {name: self._column(name) for gate in self.gates for name in gate.columns}
        reference = self._reference()
        return Plan(
            benchmark=self.name,
            model=self.model,
            node_prefix=self.node_prefix,
            location=self.location,
            samples=len(self.rows),
            selected=self.selected,
            epochs=self.epochs,
            few_shot=self.definition.few_shot.count if self.definition.few_shot else 0,
            gates=list(self.gate_texts),
            left_out=[gate.name for gate in self.gates if gate.name not in self.selected_gates],
            columns=columns,
            clusters=self._clusters(),
            reference=asdict(reference) if reference else None,
            updating=self.updating,
            order_seed=self.order_seed if self.early_stop else None,
            family=self.family,
            dataset_fingerprint=self.samples.dataset.fingerprint,
            corpus_metrics=[asdict(metric) for metric in self.definition.corpus_metrics],
            task_hash=self.task_hash,
            refusal=self.refusal,
            place=self.place,
            pack=self.pack.plan(self.model) if self.pack is not None else None,
        )

    def _column(self, name: str) -> list[Any]:
        found = (self.samples.bare(row).metadata.get(name) for row in self.rows)
        return [each if isinstance(each, (str, int, float, bool)) else None for each in found]

    def _clusters(self) -> list[int] | None:
        """A number for each planned sample, the same for those that belong together."""
        field = self.definition.cluster
        if field is None:
            return None
        numbers: dict[str, int] = {}
        found = []
        for row in self.rows:
            value = self.samples.bare(row).metadata.get(field)
            if value is None:
                raise UsageError(
                    f"{self.template.originalname}: @benchmark(cluster={field!r}): sample "
                    f"{self.samples.id(row)} has no such field in its metadata: give it one, or "
                    "leave cluster out"
                )
            found.append(numbers.setdefault(cluster_name(value), len(numbers)))
        return found

    def _reference(self) -> Reference | None:
        if self.baseline is None:
            return None

        def digest_of(place: int) -> str:
            sample = self.samples.bare(self.rows[place])
            return digest(as_text(sample.input), as_text(sample.target))

        metrics = {gate.term.metric: None for gate in self.gates if gate.kind != "threshold"}
        ids = [self.samples.id(row) for row in self.rows]
        first = self.samples.bare(self.rows[0]).metadata if self.rows else {}
        task = first.get(LIGHTEVAL_TASK)
        return match_samples(
            self.baseline,
            self.name,
            ids,
            digest_of,
            list(metrics),
            task if isinstance(task, str) else None,
        )

    @cached_property
    def body_arguments(self) -> frozenset[str]:
        """The fixtures that the body itself takes."""
        return frozenset(self.template._fixtureinfo.argnames) - {"sample"}

    @cached_property
    def runs_plainly(self) -> bool:
        """Whether no mark asks for more than our own protocol does (skipif, xfail, usefixtures)."""
        slow = {"skip", "skipif", "xfail", "usefixtures"}
        return not any(mark.name in slow for mark in self.template.iter_markers())

    def take_arguments(self) -> None:
        """Keep the fixtures' values; the template has just been set up."""
        values = self.template.funcargs
        self.arguments = {name: values[name] for name in self.body_arguments}
        self._fit_to_function()
        self.is_set_up = True
        self.template.addfinalizer(self._forget_arguments)

    def _forget_arguments(self) -> None:
        """An xdist worker may be given samples of the group once more, later."""
        self.arguments = None
        self.is_set_up = False
        self.template._initrequest()  # so that the next time, if any, sets everything up anew

    def ready(self, *, stays: bool = True) -> bool:
        """Whether bodies may start before their turn: only if each fixture they need has its value
        already. Nothing is set up here, since that would be out of pytest's order. Where the group
        does not stay set up until that turn, the fixtures must be the session's."""
        if stays and self.arguments is not None:
            return True
        if self.refusal or not self.runs_plainly or "request" in self.body_arguments:
            return False
        template = self.template
        values: dict[str, Any] = {}
        params = getattr(getattr(template, "callspec", None), "params", {})
        for name in template.fixturenames:
            if name in ("sample", "request"):
                continue
            definitions = template._fixtureinfo.name2fixturedefs.get(name)
            if not definitions or definitions[-1].scope != "session":
                return False
            cached = definitions[-1].cached_result
            if cached is None or cached[2] is not None:
                return False
            if name in params and cached[1] is not params[name]:
                return False
            values[name] = cached[0]
        self.arguments = {name: values[name] for name in self.body_arguments}
        self._fit_to_function()
        return True

    def _fit_to_function(self) -> None:
        """A plain `def` gets the blocking face of its models."""
        assert self.arguments is not None
        if self.is_async:
            return
        for name, value in self.arguments.items():
            if isinstance(value, (Model, Models)):
                self.arguments[name] = value.blocking


class Models(dict[str, Model]):
    """Models by role: `models["judge"]`."""

    @property
    def blocking(self) -> dict[str, Any]:
        return {role: model.blocking for role, model in self.items()}

    def __missing__(self, role: str) -> Model:
        raise UsageError(
            f"models[{role!r}]: no model has that role; name one with --role {role}=BACKEND:NAME"
        )
