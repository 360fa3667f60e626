"""What a report of a sample says: its results, its outcome, and what a person reads of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import pytest
from _pytest._code import ExceptionInfo
from _pytest.skipping import xfailed_key

from pytest_modeleval.body import Body, explain, results_of, unrun_result
from pytest_modeleval.capture import sections_of
from pytest_modeleval.errors import StopRun
from pytest_modeleval.items import SampleItem
from pytest_modeleval.plain_text import one_line, shown
from pytest_modeleval.results.record import Outcome, SampleResult
from pytest_modeleval.stash import RUN
from pytest_modeleval.tally import SampleReport, sample_outcome

if TYPE_CHECKING:
    from pytest_modeleval.run import Run

NOT_NEEDED = "not needed: the gates are decided"

MOST_SHOWN = 20_000
"""Characters of a prompt or a reply that are printed on a miss."""

When = Literal["setup", "call", "teardown"]


def complete_not_needed(run: Run, item: SampleItem, report: Any) -> None:
    run.forget(item)
    attach(report, item, [])
    report.modeleval_outcome = "not_needed"
    _not_run(item, report, NOT_NEEDED)


def complete_given_up(run: Run, item: SampleItem, report: Any, reason: str) -> None:
    attach(report, item, unrun(item, "not_run", reason))
    report.modeleval.stopped = run.halted
    _not_run(item, report, reason)


def _not_run(item: SampleItem, report: Any, reason: str) -> None:
    path, line, _ = item.location
    report.outcome, report.longrepr = "skipped", (path, line or 0, shown(reason))


def complete_unrun(item: SampleItem, report: Any, call: pytest.CallInfo[None]) -> None:
    """Give a report of a set-up that failed or was skipped the result of its sample."""
    error = call.excinfo.value if call.excinfo is not None else None
    if isinstance(error, StopRun):
        run = item.config.stash[RUN]
        run.halt(str(error))
        complete_given_up(run, item, report, str(error))
        return
    expected = isinstance(error, pytest.xfail.Exception)
    outcome: Outcome = "skipped" if report.skipped or expected else "error"
    attach(report, item, unrun(item, outcome, _reason(report)))


def complete_report(run: Run, item: SampleItem, report: Any, body: Body | None) -> None:
    """Say on the report what became of the sample, and give it the sample's results."""
    if body is None and item.group.enough:
        complete_not_needed(run, item, report)
        return
    if body is None and (why := run.given_up(item)) is not None:
        complete_given_up(run, item, report, why)
        return
    if body is None:
        attach(report, item, unrun(item, "error", _reason(report)))
        return
    results = results_of(body, run.worker, run.gpus)
    report.start = body.recorders[0].started_at  # when it ran, not when it was waited for
    report.duration = sum(recorder.duration for recorder in body.recorders)
    report.stop = report.start + report.duration
    attach(report, item, results)
    report.modeleval.kept = body.kept is not None
    report.modeleval.identities = run.models.to_tell()
    if results:
        report.user_properties.extend(results[0].scores.items())
        if run.protocol.plain or not item.group.runs_plainly:
            item.user_properties.extend(report.user_properties)  # for pytest's teardown report
    if report.modeleval_outcome == "wrong" and not _xfails(item, body.exception):
        _show_wrong(run, item, report, body)
    elif report.modeleval_outcome == "error" and run.errors_are_counted:
        report.modeleval_explanation = explain(body.exception)
        report.outcome = "passed"
    elif isinstance(body.exception, StopRun):
        report.modeleval.stopped = str(body.exception)
        _not_run(item, report, str(body.exception))
    item.body = None
    for recorder in body.recorders:
        recorder.exception = None  # its traceback leads back here: a circle that would linger


def _xfails(item: SampleItem, error: BaseException | None) -> bool:
    """Whether pytest itself will call this failure expected, once we have handed it on."""
    marked = "stash" in item.__dict__ and item.stash.get(xfailed_key, None) is not None
    return marked or isinstance(error, pytest.xfail.Exception)


def _show_wrong(run: Run, item: SampleItem, report: Any, body: Body) -> None:
    report.modeleval_explanation = one_line(str(body.exception))
    if run.is_strict(item):
        report.outcome = "failed"
        report.sections.extend(_dialogue(report.modeleval.results))
    elif run.settings.wrong == "pass":
        report.outcome = "passed"
        report.longrepr = None
    elif run.settings.wrong == "xfail":
        report.outcome = "skipped"
        report.wasxfail = f"wrong: {report.modeleval_explanation}"


def _dialogue(results: Sequence[SampleResult]) -> list[tuple[str, str]]:
    """What was asked, what came back and what was expected, for the person who looks at a miss."""
    sections = []
    for result in results:
        for number, call in enumerate(result.calls, 1):
            which = f" {number}" if len(result.calls) > 1 else ""
            asked = "\n".join(f"[{each['role']}] {each['content']}" for each in call.messages)
            sections.append((f"prompt{which} to {call.model}", asked))
            answer = call.reply
            if call.loglikelihoods:
                answer = "\n".join(
                    f"{each['sum']:10.4f}  {each['continuation']!r}" for each in call.loglikelihoods
                )
            sections.append((f"reply{which}", answer or ""))
        sections.append(("expected", result.target))
    return [(title, shown(_cut(text))) for title, text in sections]


def _cut(text: str) -> str:
    if len(text) <= MOST_SHOWN:
        return text
    return f"{text[:MOST_SHOWN]}\n… and {len(text) - MOST_SHOWN} more characters: see the details"


def attach(report: Any, item: SampleItem, results: list[SampleResult]) -> None:
    group = item.group
    plan = None if group.plan_sent else group.plan
    group.plan_sent = True
    started = report.start or time.time()
    report.modeleval = SampleReport(group.place_of(item.row), results, started, plan)
    report.modeleval_outcome = sample_outcome(results)


def unrun(item: SampleItem, outcome: Outcome, why: str) -> list[SampleResult]:
    return [unrun_result(item.group, item.row, outcome, why)]


def plain_report(
    item: pytest.Item,
    when: When,
    outcome: Literal["passed", "failed", "skipped"],
    *,
    body: Body | None = None,
    run: Run | None = None,
    longrepr: Any = None,
) -> Any:
    started = duration = 0.0
    sections: Sequence[tuple[str, str]] = ()
    if body is not None and run is not None:
        started = body.recorders[0].started_at
        duration = sum(recorder.duration for recorder in body.recorders)
        sections = _sections(run, body)
    return pytest.TestReport(
        item.id, item.location, {}, outcome, longrepr, when,
        sections, duration, started, started + duration, [],
    )  # fmt: skip


def call_info(body: Body, error: BaseException | None) -> pytest.CallInfo[None]:
    recorder = body.recorders[0]
    return pytest.CallInfo(
        None,
        ExceptionInfo.from_exception(error) if error is not None else None,
        recorder.started_at,
        recorder.started_at + recorder.duration,
        recorder.duration,
        "call",
        _ispytest=True,
    )


def _sections(run: Run, body: Body) -> list[tuple[str, str]]:
    return [
        section for recorder in body.recorders for section in sections_of(recorder, run.formatter)
    ]


def add_sections(run: Run, item: SampleItem, body: Body) -> None:
    for title, text in _sections(run, body):
        _, kind, when = title.split()
        item.add_report_section(when, kind, text)


def emit_warnings(item: SampleItem, body: Body) -> None:
    for recorder in body.recorders:
        for warning in recorder.warnings:
            item.ihook.pytest_warning_recorded.call_historic(
                kwargs={
                    "warning_message": warning,
                    "nodeid": item.nodeid,
                    "when": "runtest",
                    "location": None,
                }
            )


def _reason(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2])
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(crash.message if crash is not None else report.longrepr)
