"""The process that reports counts every sample here and writes the run's files.

It is the only process of a run without xdist, else the controller. Samples arrive on pytest's test
reports, so the same code serves both.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_modeleval.options import RunConfig
from pytest_modeleval.results.command import without_secrets
from pytest_modeleval.results.record import BenchmarkResult, RunResult
from pytest_modeleval.tally import Plan, SampleReport, Tally, sample_outcome, sentence

if TYPE_CHECKING:
    import pytest

    from pytest_modeleval.results.files import ResultFiles


class Scoreboard:
    """All tallies of a run, and its files. The folder is made with the first sample."""

    def __init__(self, settings: RunConfig, root: Path) -> None:
        self.settings = settings
        self.root = root
        self.strict = False
        self.result: RunResult | None = None
        self.gpus: dict[str, str] = {}
        self._tallies: dict[tuple[str, str], Tally] = {}
        self._identities: dict[str, dict[str, Any]] = {}
        self.files: ResultFiles | None = None

    @property
    def tallies(self) -> Iterable[Tally]:
        return self._tallies.values()

    @property
    def errors(self) -> int:
        return sum(tally.counts["error"] for tally in self.tallies)

    def open_files(self) -> None:
        """Make the run's folder. Raises ModelevalError where that cannot be."""
        from pytest_modeleval.results.files import ResultFiles

        if self.files is None:
            self.files = ResultFiles(
                self.root,
                self.settings.out,
                junit_samples=self.settings.junit_samples,
                wrong=self.settings.wrong,
                errors_pass=self.settings.max_errors is not None,
            )

    def know_models(self, identities: Mapping[str, dict[str, Any]]) -> None:
        """Which models have answered, by alias."""
        self._identities.update(identities)

    def tally(self, plan: Plan) -> Tally:
        """The tally of a plan; a later plan of the same name is the same benchmark."""
        key = (plan.benchmark, plan.model)
        if key not in self._tallies:
            self._tallies[key] = Tally(plan)
        return self._tallies[key]

    def take(self, report: pytest.TestReport, sample: SampleReport) -> None:
        """Count one sample, and hand its rows to the files. Raises ModelevalError where they
        cannot be written."""
        if sample.plan is not None:
            self.tally(sample.plan)
        if not sample.results:
            return
        first = sample.results[0]
        tally = self._tallies[first.benchmark, first.model]
        tally.add(sample.row, sample.results, sample.started)
        if self.files is not None:
            self.files.sample(
                report.nodeid,
                sample_outcome(sample.results),
                sample.results,
                duration=report.duration,
                message=getattr(report, "modeleval_explanation", None) or first.error,
            )

    def finish(self, *, complete: bool) -> RunResult:
        """Judge what is left, and write every file. Raises ModelevalError where that fails; the
        result is kept all the same."""
        benchmarks = [tally.result() for tally in self.tallies]
        for benchmark in benchmarks:
            benchmark.model_identity = benchmark.model_identity or self._identities.get(
                benchmark.model, {}
            )
        complete = complete and not any(each.samples["not_run"] for each in benchmarks)
        self.result = RunResult(
            run_id=self.files.run_id if self.files else "",
            complete=complete,
            verdict=self._verdict(benchmarks, complete),
            environment=self._environment(),
            benchmarks=benchmarks,
        )
        if self.files is not None:
            self._write(self.files, self.result)
        return self.result

    def _write(self, files: ResultFiles, result: RunResult) -> None:
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

    def _verdict(self, benchmarks: list[BenchmarkResult], complete: bool) -> Any:
        verdicts = {gate.verdict for each in benchmarks for gate in each.gates}
        selected = sum(tally.plan.selected for tally in self.tallies)
        allowed = self.settings.allowed_errors(selected) or 0
        wrong_fails = self.strict or self.settings.wrong == "fail"
        wrong = wrong_fails and any(each.samples["wrong"] for each in benchmarks)
        if "failed" in verdicts or self.errors > allowed or wrong:
            return "failed"
        refused = any(tally.plan.refusal and not tally.plan.skipped for tally in self.tallies)
        if "undecided" in verdicts or refused or not complete:
            return "undecided"
        return "passed"

    def _environment(self) -> dict[str, Any]:
        import platform
        from importlib.metadata import version

        found = {
            "pytest_modeleval": version("pytest-modeleval"),
            "pytest": version("pytest"),
            "python": platform.python_version(),
            "platform": platform.platform(),
            "command": without_secrets(sys.argv[1:]),
        }
        return {**found, "gpus": self.gpus} if self.gpus else found
