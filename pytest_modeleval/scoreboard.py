"""The process that reports counts every sample here and writes the run's files.

It is the only process of a run without xdist, else the controller. Samples arrive on pytest's test
reports, so the same code serves both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_modeleval.gates import Gate
from pytest_modeleval.pack_tally import PackTally, pack_tallies
from pytest_modeleval.results.baseline import update_baselines
from pytest_modeleval.results.provenance import Provenance
from pytest_modeleval.results.record import (
    BenchmarkResult,
    GateRecord,
    PackResult,
    PluginRecord,
    RunResult,
    Spending,
)
from pytest_modeleval.settings import RunConfig
from pytest_modeleval.tally import Plan, SampleReport, Tally, sample_outcome, sentence

if TYPE_CHECKING:
    import pytest

    from pytest_modeleval.results.events import Phase
    from pytest_modeleval.results.files import ResultFiles
    from pytest_modeleval.results.run_folder import RunFolder
    from pytest_modeleval.results.run_state import RunState


class Arrived(NamedTuple):
    """A sample's report, as far as it is counted and written."""

    node_id: str
    sample: SampleReport
    duration: float
    message: str | None


class Scoreboard:
    """All tallies of a run, and its files. The folder is made with the first sample. `enough` is
    told of a benchmark and model whose gates are decided before the last sample, `reach` of the
    phase that the run has come to."""

    def __init__(self, settings: RunConfig, provenance: Provenance) -> None:
        self.settings = settings
        self.provenance = provenance
        self.strict = False
        self.result: RunResult | None = None
        self.gpus: dict[str, str] = {}
        self.resources: dict[str, Any] | None = None
        self.plugins: list[PluginRecord] = []
        self.notes: list[str] = []
        self.stopped: str | None = None
        self.reach: Callable[[Phase], None] = lambda phase: None
        self.restarts = 0
        self.enough: Callable[[str, str], None] = lambda benchmark, model: None
        self._expected = (0, 0)
        self._tallies: dict[tuple[str, str], Tally] = {}
        self._packs: dict[tuple[str, str], PackTally] = {}
        self._identities: dict[str, dict[str, Any]] = {}
        self.files: ResultFiles | None = None

    @property
    def tallies(self) -> Iterable[Tally]:
        """In the order in which the benchmarks were collected."""
        return self._tallies.values()

    def expect(self, selected: int, kept: int) -> None:
        """So many samples are to be reported, of which so many were finished by an earlier process
        of the run."""
        self._expected = (selected, kept)

    @property
    def expected(self) -> tuple[int, int]:
        """As `expect` has it, or what the plans that are known come to."""
        selected, kept = self._expected
        return max(selected, sum(tally.plan.selected for tally in self.tallies)), kept

    @property
    def errors(self) -> int:
        return sum(tally.counts["error"] for tally in self.tallies)

    def open_files(self, folder: RunFolder, state: RunState) -> None:
        """Begin to write into the run's folder. Raises ModelevalError where that cannot be."""
        from pytest_modeleval.results.files import ResultFiles

        self.provenance.begin()
        self.files = ResultFiles(
            folder,
            state,
            junit_samples=self.settings.junit_samples,
            wrong=self.settings.wrong,
            errors_pass=self.settings.max_errors is not None,
            slices=self.settings.slices,
            export=self.settings.export,
        )
        self.reach("running_evaluation")

    def abandon(self, reason: str) -> None:
        """The run was refused before any sample ran."""
        if self.files is not None:
            self.files.abandon(reason)

    def release(self) -> None:
        """Another process may write into the run's folder now."""
        self.provenance.end()
        if self.files is not None:
            self.files.release()

    def know_models(self, identities: Mapping[str, dict[str, Any]]) -> None:
        """Which models have answered, by alias."""
        self._identities.update(identities)
        if self.files is not None:
            self.files.know_models(identities)

    def tally(self, plan: Plan) -> Tally:
        """The tally of a plan; a later plan of the same name is the same benchmark."""
        key = (plan.benchmark, plan.model)
        if key not in self._tallies:
            self._tallies[key] = Tally(plan)
            by_place = sorted(self._tallies.items(), key=lambda each: each[1].plan.place)
            self._tallies = dict(by_place)
        return self._tallies[key]

    def take(self, report: pytest.TestReport, sample: SampleReport) -> None:
        """Count one sample, and hand its rows to the files. Raises ModelevalError where they
        cannot be written."""
        if sample.plan is not None:
            self.tally(sample.plan)
        if sample.identities:
            self.know_models(sample.identities)
        if not sample.results:
            return
        first = sample.results[0]
        tally = self._tallies[first.benchmark, first.model]
        if sample.stopped is not None:
            self.stopped = tally.stopped = tally.stopped or sample.stopped
        arrived = Arrived(
            report.nodeid,
            sample,
            report.duration,
            getattr(report, "modeleval_explanation", None) or first.error,
        )
        if tally.early is None:
            self._count(tally, arrived)
            return
        for due in tally.early.put(sample.row, arrived):
            self._count(tally, due)
        if tally.early.stopped and not tally.ended_early:
            tally.ended_early = True
            self.enough(tally.plan.benchmark, tally.plan.model)

    def _count(self, tally: Tally, arrived: Arrived) -> None:
        sample = arrived.sample
        tally.add(sample.row, sample.results, sample.started)
        if self.files is not None:
            self.files.sample(
                arrived.node_id,
                sample.row,
                sample_outcome(sample.results),
                sample.results,
                duration=arrived.duration,
                message=arrived.message,
                kept=sample.kept,
            )

    def judge(self, tally: Tally, gate: Gate) -> GateRecord:
        """The gate's verdict. Those that ask for no more than "no worse than the baseline" are
        judged all at once, when the first of them is asked for: all samples are in by then."""
        if gate.kind != "regression":
            return tally.judge(gate)
        if gate.name not in tally.records:
            self._judge_together()
        return tally.records[gate.name]

    @property
    def packs(self) -> Iterable[PackTally]:
        """Each pack with each model, with what there is of its benchmarks by now."""
        pack_tallies(self.tallies, self._packs)
        return self._packs.values()

    def judge_pack(self, file: str, model: str, gate: Gate) -> GateRecord:
        """The verdict of a gate on a pack's score."""
        pack_tallies(self.tallies, self._packs)
        return self._packs[file, model].judge(gate)

    def _judge_together(self) -> None:
        found = [
            tally.judge(gate)
            for tally in self.tallies
            for gate in tally.gates
            if gate.kind == "regression"
        ]
        if sum(record.p_value is not None for record in found) > 1:
            from pytest_modeleval.gates.correction import correct

            correct(found, self.settings.gate_correction)

    def finish(self, *, complete: bool, reason: str | None = None) -> RunResult:
        """Judge what is left, and write every file; `reason` says why the run is incomplete.
        Raises ModelevalError where that fails; the result is kept all the same."""
        self.stopped = self.stopped or reason
        for tally in self.tallies:
            tally.stopped = tally.stopped or reason
        for tally in self.tallies:
            for late in tally.early.rest() if tally.early is not None else ():
                self._count(tally, late)
        for tally in self.tallies:
            for gate in tally.gates:
                if gate.kind == "regression":
                    self.judge(tally, gate)
        benchmarks = [tally.result() for tally in self.tallies]
        for tally in self.tallies:
            name = tally.plan.benchmark
            self.notes += [f"{name}: {problem}" for problem in tally.corpus.problems]
        known = {**(self.files.known_models if self.files else {}), **self._identities}
        for benchmark in benchmarks:
            benchmark.model_identity = benchmark.model_identity or known.get(benchmark.model, {})
        complete = complete and not any(each.samples["not_run"] for each in benchmarks)
        total, models = self._spending()
        packs = [pack.result() for pack in self.packs]
        self.result = RunResult(
            run_id=self.files.run_id if self.files is not None else "",
            complete=complete,
            stopped=None if complete else self.stopped,
            verdict=self._verdict([*benchmarks, *packs], complete),
            gate_correction=self.settings.gate_correction,
            environment=self._environment(),
            benchmarks=benchmarks,
            usage=total.usage,
            cost=total.cost,
            saved=total.saved,
            models=models,
            resources=self.resources,
            plugins=self.plugins,
            job=self.settings.job.record if self.settings.job is not None else None,
            packs=packs,
            restarts=self.restarts,
        )
        if self.files is not None:
            self.reach("persisting_artifacts")
            self._write(self.files, self.result)
            if self.settings.baseline_update:
                self.notes += update_baselines(self.files.folder, self.provenance.root, self.result)
        return self.result

    def _spending(self) -> tuple[Spending, dict[str, Spending]]:
        """What the run took: in all, and by model."""
        total, models = Spending(), dict[str, Spending]()
        for tally in self.tallies:
            total.add_all(tally.spending)
            for alias, spending in tally.models.items():
                models.setdefault(alias, Spending()).add_all(spending)
        return total, models

    def _write(self, files: ResultFiles, result: RunResult) -> None:
        for pack in self.packs:
            for name, record in pack.records.items():
                node_id = f"{pack.plan.node_prefix}gate:{name}]"
                file, model = pack.plan.file, pack.plan.model
                files.gate(node_id, file, model, record, message=sentence(record))
        for tally in self.tallies:
            for name, record in tally.records.items():
                node_id = f"{tally.plan.node_prefix}gate:{name}]"
                files.gate(
                    node_id,
                    tally.plan.benchmark,
                    tally.plan.model,
                    record,
                    message=sentence(record),
                )
            if tally.plan.refusal and not tally.plan.samples and not tally.plan.skipped:
                node_id = f"{tally.plan.node_prefix}dataset]"
                files.problem(node_id, tally.plan.refusal, undecided=True)
        files.finish(result)

    def _verdict(self, judged: Sequence[BenchmarkResult | PackResult], complete: bool) -> Any:
        verdicts = {gate.verdict for each in judged for gate in each.gates}
        selected = sum(tally.plan.selected for tally in self.tallies)
        allowed = self.settings.allowed_errors(selected) or 0
        wrong_fails = self.strict or self.settings.wrong == "fail"
        wrong = wrong_fails and any(tally.counts["wrong"] for tally in self.tallies)
        if "failed" in verdicts or self.errors > allowed or wrong:
            return "failed"
        refused = any(tally.plan.refusal and not tally.plan.skipped for tally in self.tallies)
        if "undecided" in verdicts or refused or not complete:
            return "undecided"
        return "passed"

    def _environment(self) -> dict[str, Any]:
        settings = self.settings
        seeds = {
            "run": settings.seed,
            "samples": settings.sample_seed,
            "order": settings.sample_order,
        }
        found = {**self.provenance.record(), "seeds": seeds}
        return {**found, "gpus": self.gpus} if self.gpus else found
