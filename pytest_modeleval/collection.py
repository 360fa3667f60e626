"""From a benchmark to its items: the samples asked for, then the gates over them."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterator, Sequence

import pytest

from pytest_modeleval.datasets.samples import Samples
from pytest_modeleval.datasets.selection import select
from pytest_modeleval.datasets.source import open_samples
from pytest_modeleval.definition import Benchmark
from pytest_modeleval.errors import DatasetMissing, GateError, UsageError
from pytest_modeleval.gates import Gate, check, parse_gate, parse_gates
from pytest_modeleval.gates.corpus import check_corpus
from pytest_modeleval.gates.derived import check_derived, is_derived
from pytest_modeleval.group import SampleGroup
from pytest_modeleval.items import GateItem, JudgedItem, MissingItem, SampleItem
from pytest_modeleval.module_text import ModuleText
from pytest_modeleval.pack_gates import Member, PackGateItem
from pytest_modeleval.packs import PackModule
from pytest_modeleval.recorder import BUILT_IN_METRICS
from pytest_modeleval.results.baseline import Baseline
from pytest_modeleval.run import Run
from pytest_modeleval.task_hash import task_hash

_CAPTURED = "what a body prints is captured for its own sample anyway"
_SCORE = "record a metric of the sample with score(name, value) instead"
REFUSED_FIXTURES = {
    "capfd": _CAPTURED,
    "capfdbinary": _CAPTURED,
    "capsys": _CAPTURED,
    "capsysbinary": _CAPTURED,
    "capteesys": _CAPTURED,
    "monkeypatch": "patch in a module- or session-scoped fixture instead",
    "record_property": _SCORE,
    "record_xml_attribute": _SCORE,
    "recwarn": "use pytest.warns instead",
    "subtests": _SCORE,
}
"""Fixtures that change the whole process or speak of one test, while many bodies run at once."""


def expand(
    run: Run, templates: Sequence[pytest.Function], definition: Benchmark
) -> list[pytest.Item]:
    """The items of a benchmark, with each parameter set and model.

    Raises ModelevalError for a dataset, a gate or a body that cannot be used.
    """
    items = [item for template in templates for item in _expand_one(run, template, definition)]
    _check_found(run, templates, items)
    return items


def _check_found(
    run: Run, templates: Sequence[pytest.Function], items: Sequence[pytest.Item]
) -> None:
    """pytest itself would only say that the function was not found."""
    wanted = run.asked.named(templates[0]) if templates else None
    lost = (wanted or set()) - {in_brackets(item) for item in items}
    if lost:
        lost_id = min(lost)
        groups = [group for group in run.groups if group.template in templates]
        ids = [group.item_name(row) for group in groups for row in group.rows]
        near = difflib.get_close_matches(lost_id, ids, n=3) or ids[:3]
        raise UsageError(
            f"{templates[0].originalname} has no sample {lost_id!r} among the {len(ids)} that are "
            f"planned; there are, for example, {', '.join(near)}"
        )


def in_brackets(item: pytest.Item) -> str:
    """What stands in the brackets of a node id."""
    return item.name.partition("[")[2].removesuffix("]")


def _expand_one(run: Run, template: pytest.Function, definition: Benchmark) -> list[pytest.Item]:
    _check_body(template)
    model, params = _model_and_params(run, template)
    base = template.nodeid.partition("[")[0]
    pack = template.getparent(PackModule)
    if pack is not None and definition.task is not None:
        name = f"{base}[{params}]" if params else base
        pack.members.append(Member(definition.task, definition.primary, model, name))
    gate_texts = _gate_texts(run, template, definition)
    try:
        samples, rows = _samples(run, template, definition)
    except DatasetMissing as missing:
        plan = run.missing_plan(template, model, params, gate_texts, str(missing))
        return [MissingItem.make(template, plan)]
    early_stop = bool(gate_texts) and run.settings.early_stop and not run.settings.baseline_update
    group = SampleGroup(
        template,
        definition,
        samples,
        rows,
        model=model,
        params=params,
        gate_texts=gate_texts,
        epochs=run.settings.epochs or definition.epochs,
        timeout=definition.timeout or run.settings.sample_timeout,
        place=next(run.places),
        task_hash=task_hash(template.function, run.text_of),
        baseline=_baseline(run, model, gate_texts),
        updating=run.settings.baseline_update,
        order_seed=_order_seed(run, template, early_stop),
        early_stop=early_stop,
        pack=pack,
    )
    run.groups.append(group)
    return list(_items(run, group))


def _order_seed(run: Run, template: pytest.Function, early_stop: bool) -> str | None:
    """What a random order of the samples is made from, the same for every model; None where they
    run in that of the dataset."""
    seed = run.settings.sample_order
    if seed is None and early_stop:
        seed = run.settings.seed
    return None if seed is None else f"{seed}/{template.nodeid.partition('[')[0]}"


def _baseline(run: Run, model: str, gate_texts: Sequence[str]) -> Baseline | None:
    """What the benchmark is compared with, if a gate of it compares."""
    compares = any(gate.kind != "threshold" for gate in parse_gates(gate_texts))
    return run.baselines.of(model) if compares and not run.settings.baseline_update else None


def _items(run: Run, group: SampleGroup) -> Iterator[pytest.Item]:
    """All of a group's items, or only those that the command line names: looking for a few ids
    among a hundred thousand items would take pytest longer than running them."""
    wanted = run.asked.named(group.template)
    for row in group.rows:
        if wanted is None or group.item_name(row) in wanted:
            yield SampleItem.make(group, row)
    for gate in group.gates:
        item = GateItem.make(group, gate)
        if wanted is None or in_brackets(item) in wanted:
            yield item


def complete(run: Run, session: pytest.Session) -> None:
    """After every plugin has selected and sorted: give a gate that was asked for the samples that
    it speaks of, count what is left of each benchmark, and keep that together."""
    samples: dict[SampleGroup, list[SampleItem]] = {group: [] for group in run.groups}
    gates: dict[SampleGroup, list[GateItem]] = {}
    packs: list[PackGateItem] = []
    for item in session.items:
        if isinstance(item, PackGateItem):
            packs.append(item)
        elif isinstance(item, SampleItem):
            samples[item.group].append(item)
        elif isinstance(item, GateItem):
            gates.setdefault(item.group, []).append(item)
    for group, own in gates.items():
        own.sort(key=lambda item: item.group.gates.index(item.gate))
        chosen = samples[group]
        if len(chosen) < len(group.rows) and (
            not chosen or session.config.getoption("lf", False) or _named(run, own)
        ):
            chosen[:] = [SampleItem.make(group, row) for row in group.rows]
    _complete_packs(run, session, samples, packs)
    compared = [gate for group in run.groups for gate in group.gates if gate.kind == "regression"]
    for group, chosen in samples.items():
        if (turns := group.turns()) is not None:
            chosen.sort(key=lambda item: turns[item.row])
        group.family = 1 if run.settings.gate_correction == "none" else len(compared)
        group.selected = len(chosen)
        group.selected_gates = {item.gate.name for item in gates.get(group, ())}
    session.items[:] = _together(session.items, samples, gates)


def _complete_packs(
    run: Run,
    session: pytest.Session,
    samples: dict[SampleGroup, list[SampleItem]],
    gates: Sequence[PackGateItem],
) -> None:
    """As a benchmark's gate, one on a pack's score brings the samples that it speaks of, where none
    were chosen. A pack knows now which of its gates were."""
    for pack in {group.pack: None for group in samples if group.pack is not None}:
        pack.selected_gates = {(gate.model, gate.gate.name) for gate in gates if gate.pack is pack}
    for gate in gates:
        own = [group for group in samples if gate.speaks_of(group)]
        named = run.asked.names(gate.path, gate.name)
        if named or session.config.getoption("lf", False) or not any(map(samples.get, own)):
            for group in own:
                samples[group][:] = [SampleItem.make(group, row) for row in group.rows]
    for item in session.items:
        if isinstance(item, MissingItem) and (of := item.getparent(PackModule)) is not None:
            item.plan.pack = of.plan(item.plan.model)


def _together(
    items: Sequence[pytest.Item],
    samples: dict[SampleGroup, list[SampleItem]],
    gates: dict[SampleGroup, list[GateItem]],
) -> Iterator[pytest.Item]:
    """A benchmark's samples side by side and its gates behind them, wherever another plugin has
    put them (--ff, --nf, pytest-randomly): fixtures are set up once, and gates speak of all. Those
    against a baseline come at the end of all, since they are judged together."""
    last: list[JudgedItem] = []
    of_packs: list[JudgedItem] = []
    for item in items:
        if isinstance(item, PackGateItem):
            of_packs.append(item)
            groups = [group for group in samples if item.speaks_of(group)]
        elif isinstance(item, (SampleItem, GateItem)):
            groups = [item.group] if item.group in samples else []
        else:
            yield item
            continue
        for group in groups:
            yield from samples.pop(group)
            for gate in gates.get(group, ()):
                if gate.gate.kind == "regression":
                    last.append(gate)
                else:
                    yield gate
    yield from last
    yield from of_packs


def _named(run: Run, gates: Sequence[GateItem]) -> bool:
    for gate in gates:
        wanted = run.asked.named(gate.group.template)
        if wanted is not None and in_brackets(gate) in wanted:
            return True
    return False


def _samples(
    run: Run, template: pytest.Function, definition: Benchmark
) -> tuple[Samples, Sequence[int]]:
    at_most = [each for each in (run.settings.max_samples, definition.max_samples) if each]
    max_samples = min(at_most, default=None)
    key = (id(definition), max_samples, run.settings.sample_seed)
    if key not in run.opened:
        samples = open_samples(
            definition.dataset,
            folders=run.settings.data,
            base=template.path.parent,
            registered=run.registered_datasets,
            to_sample=definition.sample,
            few_shot=definition.few_shot,
        )
        rows = select(samples, max_samples, run.settings.sample_seed)
        run.opened[key] = (samples, rows)
    return run.opened[key]


def _model_and_params(run: Run, template: pytest.Function) -> tuple[str, str]:
    """The model's alias, and what stands in the node id beside it and the sample."""
    callspec = getattr(template, "callspec", None)
    text: str = callspec.id if callspec else ""
    alias = callspec.params.get("modeleval_alias") if callspec else None
    if len(run.models.specs) > 1 and alias in run.models.specs:
        return str(alias), text.removeprefix(str(alias)).removeprefix("-")
    return next(iter(run.models.specs), ""), text


def _check_body(template: pytest.Function) -> None:
    name = template.originalname
    arguments = set(template._fixtureinfo.argnames)
    if inspect.isasyncgenfunction(template.obj) or inspect.isgeneratorfunction(template.obj):
        raise UsageError(f"benchmark {name} has a yield in it: a body runs once, from end to end")
    if "sample" not in arguments:
        raise UsageError(f"benchmark {name} must take `sample`: def {name}(sample, model)")
    for fixture, instead in REFUSED_FIXTURES.items():
        if fixture in arguments:
            raise UsageError(
                f"benchmark {name} asks for {fixture}, which is made for one test at a time, but "
                f"many bodies run at once: {instead}"
            )
    for fixture, definitions in template._fixtureinfo.name2fixturedefs.items():
        if fixture != "sample" and any("sample" in each.argnames for each in definitions):
            raise UsageError(
                f"fixture {fixture} asks for `sample`, but fixtures are set up once for all "
                f"samples of {name}: make it a function that the body calls with its sample"
            )


def _gate_texts(run: Run, template: pytest.Function, definition: Benchmark) -> Sequence[str]:
    """The benchmark's own gates and those of the command line, each of a metric that there is."""
    base = template.nodeid.partition("[")[0]
    names = {template.originalname, template.name, base, template.nodeid}
    epochs = run.settings.epochs or definition.epochs
    corpus = {name for metric in definition.corpus_metrics for name in metric.names}
    known = {*BUILT_IN_METRICS, *definition.metrics, *_module_text(run, template).scores, *corpus}
    try:
        for gate in parse_gates(definition.gates):
            _check_gate(gate, known, epochs, corpus)
    except GateError as error:
        raise GateError(f"{template.originalname}: {error}") from None
    texts = list(definition.gates)
    for number, (benchmark, expression) in enumerate(run.settings.gates):
        if benchmark not in names:
            continue
        run.used_gates.add(number)
        try:
            _check_gate(parse_gate(expression), known, epochs, corpus)
            parse_gates([*texts, expression])
        except GateError as error:
            run.wrong_gates.append(f'--gate "{benchmark}: …": {error}')
        else:
            texts.append(expression)
    return texts


def _check_gate(gate: Gate, known: set[str], epochs: int, corpus: set[str]) -> None:
    if gate.term.metric in corpus:
        check_corpus(gate)
        return
    if is_derived(gate.term.metric) and gate.term.metric not in known:
        check_derived(gate, known, epochs)
        return
    try:
        check(gate, known)
    except GateError as error:
        raise GateError(
            f"{error}. A metric that a helper records is named with @benchmark(metrics=[…])"
        ) from None


def _module_text(run: Run, template: pytest.Function) -> ModuleText:
    text = run.text_of(template.path)
    if text.twins is not None:
        name, first, second = text.twins
        raise UsageError(
            f"{template.location[0]}: there are two functions {name}, in lines {first} and "
            f"{second}: the second takes the place of the first, which would never run; give "
            "each benchmark its own name"
        )
    return text


def check_gates_used(run: Run) -> None:
    """Every --gate must have found its benchmark, and a metric of it."""
    if run.wrong_gates:
        raise UsageError(run.wrong_gates[0])
    names = sorted({group.template.originalname for group in run.groups})
    for number, (benchmark, _) in enumerate(run.settings.gates):
        if number not in run.used_gates and names:
            near = difflib.get_close_matches(benchmark, names, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise UsageError(
                f'--gate "{benchmark}: …": no benchmark of that name was collected; '
                f"there are {', '.join(names)}.{hint}"
            )
