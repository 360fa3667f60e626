"""The files of a run, behind one door: samples go in as they arrive, the rest at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pytest_modeleval.errors import ModelevalError
from pytest_modeleval.results.details import DetailsWriter
from pytest_modeleval.results.junit import JUnitWriter
from pytest_modeleval.results.leaderboard import Leaderboard, leaderboard, write_leaderboard
from pytest_modeleval.results.record import GateRecord, Outcome, RunResult, SampleResult
from pytest_modeleval.results.results_json import write_results
from pytest_modeleval.results.run_folder import EXPORT, MARKER, RunFolder
from pytest_modeleval.results.run_state import RunState, write_state
from pytest_modeleval.results.samples import read_samples
from pytest_modeleval.results.summary import write_summary


class ResultFiles:
    """Everything that a run writes. Every method raises ModelevalError where it cannot be written.

    `written` names the finished files (and the folder of the details); it is empty until `finish`.
    """

    def __init__(
        self,
        folder: RunFolder,
        state: RunState,
        *,
        junit_samples: Any,
        wrong: Any,
        errors_pass: bool,
        slices: Sequence[str] = (),
        export: str | None = None,
    ) -> None:
        self._export = export
        if export is not None or (folder.path / EXPORT / MARKER).is_file():
            from pytest_modeleval.integrations.lighteval.export import remove_export

            remove_export(folder.path)
        folder.begin()
        self.folder = folder.path
        self.run_id = folder.run_id
        self._lock = folder.lock
        self._state = state
        write_state(self.folder, state)
        self.written: list[Path] = []
        self._slices = slices
        self._board: Leaderboard | None = None
        self._details = DetailsWriter(self.folder)
        self._junit = JUnitWriter(
            self.folder / "junit.xml", samples=junit_samples, wrong=wrong, errors_pass=errors_pass
        )

    def sample(
        self,
        node_id: str,
        row: int,
        outcome: Outcome,
        results: Sequence[SampleResult],
        *,
        duration: float,
        message: str | None,
        kept: bool = False,
    ) -> None:
        """Add a sample: its rows to the details, unless they were `kept` there, its case to
        junit.xml. `row` is its place among the planned ones."""
        if not kept:
            self._details.add(results)
        self._junit.sample(node_id, row, outcome, results, duration=duration, message=message)

    def gate(
        self, node_id: str, benchmark: str, model: str, record: GateRecord, *, message: str
    ) -> None:
        """Add a gate's case to junit.xml."""
        self._junit.gate(node_id, benchmark, model, record, message=message)

    def problem(self, node_id: str, message: str, *, undecided: bool = False) -> None:
        """Add a failure that is neither a sample's nor a gate's to junit.xml."""
        self._junit.problem(node_id, message, undecided=undecided)

    def know_models(self, identities: Mapping[str, dict[str, Any]]) -> None:
        """Keep who has answered, by alias: a run that is resumed may not have to ask again."""
        if any(self._state.identities.get(alias) != each for alias, each in identities.items()):
            self._state.identities.update(identities)
            write_state(self.folder, self._state)

    @property
    def known_models(self) -> Mapping[str, dict[str, Any]]:
        """Who has answered, also before the run was resumed."""
        return self._state.identities

    def finish(self, result: RunResult) -> None:
        """Write what a run ends with, each file whether or not another one could be written."""
        folder = self.folder
        problems: list[ModelevalError] = []
        writers: dict[str, Callable[[], object]] = {
            "results.json": partial(write_results, folder / "results.json", result),
            "details": self._details.close,
            "leaderboard.json": partial(self._write_leaderboard, result),
            "summary.md": partial(self._write_summary, result),
            "junit.xml": partial(self._junit.close, result),
        }
        if self._export is not None:
            writers[EXPORT] = partial(self._write_export, result)
        for name, write in writers.items():
            try:
                write()
                self.written.append(folder / name)
            except ModelevalError as error:
                problems.append(error)
        try:
            if result.complete and not problems:
                self._end("complete", None)
            else:
                self._end("incomplete", str(problems[0]) if problems else result.stopped)
        except ModelevalError as error:
            problems.append(error)
        if problems:
            raise problems[0]

    def abandon(self, reason: str) -> None:
        """The run was refused before any sample ran."""
        with suppress(ModelevalError):
            self._end("incomplete", reason)

    def release(self) -> None:
        """Another process may write into the folder now."""
        self._lock.release()

    def _end(self, state: Literal["complete", "incomplete"], reason: str | None) -> None:
        self._state.state, self._state.reason = state, reason
        self._state.updated = time.time()
        write_state(self.folder, self._state)

    def _write_leaderboard(self, result: RunResult) -> None:
        several = len({benchmark.model for benchmark in result.benchmarks}) > 1
        samples = read_samples(self.folder, self._slices) if several or self._slices else None
        self._board = leaderboard([result], samples, self._slices)
        write_leaderboard(self.folder / "leaderboard.json", self._board)

    def _write_export(self, result: RunResult) -> None:
        from pytest_modeleval.integrations.lighteval.export import export

        export(result, self.folder)

    def _write_summary(self, result: RunResult) -> None:
        write_summary(self.folder / "summary.md", result, self._board)
