"""The files of a run, behind one door: samples go in as they arrive, the rest at the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pytest_modeleval.errors import ModelevalError
from pytest_modeleval.results.details import DetailsWriter
from pytest_modeleval.results.junit import JUnitWriter
from pytest_modeleval.results.leaderboard import write_leaderboard
from pytest_modeleval.results.record import GateRecord, Outcome, RunResult, SampleResult
from pytest_modeleval.results.results_json import write_results
from pytest_modeleval.results.run_folder import RunFolder
from pytest_modeleval.results.summary import write_summary


class ResultFiles:
    """Everything that a run writes. Every method raises ModelevalError where it cannot be written.

    `written` names the finished files (and the folder of the details); it is empty until `finish`.
    """

    def __init__(
        self,
        root: Path,
        folder: Path | None,
        *,
        junit_samples: Any,
        wrong: Any,
        errors_pass: bool,
    ) -> None:
        run = RunFolder.create(root, folder)
        self.run_id = run.run_id
        self.folder = run.path
        self.written: list[Path] = []
        self._details = DetailsWriter(run.path)
        self._junit = JUnitWriter(
            run.path / "junit.xml", samples=junit_samples, wrong=wrong, errors_pass=errors_pass
        )

    def sample(
        self,
        node_id: str,
        outcome: Outcome,
        results: Sequence[SampleResult],
        *,
        duration: float,
        message: str | None,
    ) -> None:
        """Add a sample: its rows to the details, its case to junit.xml."""
        for result in results:
            self._details.add(result)
        self._junit.sample(node_id, outcome, results, duration=duration, message=message)

    def gate(
        self, node_id: str, benchmark: str, model: str, record: GateRecord, *, message: str
    ) -> None:
        """Add a gate's case to junit.xml."""
        self._junit.gate(node_id, benchmark, model, record, message=message)

    def problem(self, node_id: str, message: str, *, undecided: bool = False) -> None:
        """Add a failure that is neither a sample's nor a gate's to junit.xml."""
        self._junit.problem(node_id, message, undecided=undecided)

    def finish(self, result: RunResult) -> None:
        """Write what a run ends with, each file whether or not another one could be written."""
        folder = self.folder
        problems: list[ModelevalError] = []
        writers: dict[str, Callable[[], object]] = {
            "results.json": partial(write_results, folder / "results.json", result),
            "summary.md": partial(write_summary, folder / "summary.md", result),
            "leaderboard.json": partial(write_leaderboard, folder / "leaderboard.json", [result]),
            "junit.xml": partial(self._junit.close, result),
            "details": self._details.close,
        }
        for name, write in writers.items():
            try:
                write()
                self.written.append(folder / name)
            except ModelevalError as error:
                problems.append(error)
        if problems:
            raise problems[0]
