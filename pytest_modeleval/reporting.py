"""From a finished body to pytest's reports.

Our own protocol spares pytest's machinery for each sample: fixtures are set up with a group's first
sample and taken down after its last, and a sample between them costs two reports. Where a mark or
another plugin wants more (`skipif`, `xfail`, reruns, a debugger), pytest's own protocol runs the
item, and `run_in_pytest_protocol` hands it the body. Both ways end in `complete_report`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Literal

import pytest
from _pytest._code import ExceptionInfo
from _pytest.runner import check_interactive_exception, get_reraise_exceptions
from _pytest.skipping import xfailed_key

from pytest_modeleval.body import Body, explain, outcome_of, results_of, unrun_result
from pytest_modeleval.capture import sections_of
from pytest_modeleval.comparisons import shorten_comparisons
from pytest_modeleval.errors import StopRun
from pytest_modeleval.items import SampleItem, is_kept
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


def run_protocol(run: Run, item: SampleItem, nextitem: pytest.Item | None) -> bool | None:
    """Set up where it is the first of its group, await its body, report, and take down where it
    is the last. None leaves the item to pytest's own protocol."""
    group = item.group
    stopped = group.enough or (run.halted is not None and item.body is None)
    if not stopped and (run.plain_protocol or not group.runs_plainly):
        return None
    ihook, node_id, location = group.ihook, item.nodeid, item.location
    ihook.pytest_runtest_logstart(nodeid=node_id, location=location)
    if run.first_lines_only:
        shorten_comparisons()
    called = None
    kept = is_kept(item)
    why = None if kept else run.given_up(item)
    ready = not group.enough and (kept or (why is None and _set_up(item)))
    if ready and not kept:
        why = group.refusal  # setting up may load a model, and then is known what it cannot do
    if group.enough:
        _report_not_needed(run, item)
    elif why is not None:
        _report_given_up(run, item, why)
    elif ready:
        called = _report_call(run, item)
    if item.session.shouldfail or item.session.shouldstop:
        nextitem = None
    _tear_down(item, nextitem, called)
    ihook.pytest_runtest_logfinish(nodeid=node_id, location=location)
    return True


def _set_up(item: SampleItem) -> bool:
    """Fixtures come with a group's first sample. Where they fail, it is told in full once."""
    group = item.group
    if group.arguments is not None and item.session._setupstate.is_node_active(group.template):
        return True
    if group.setup_error is not None:
        problem = f"the fixtures of this benchmark failed: {explain(group.setup_error)}"
        report = _plain_report(item, "setup", "failed", longrepr=problem)
        _attach(report, item, _unrun(item, "error", problem))
        item.ihook.pytest_runtest_logreport(report=report)
        return False
    call = pytest.CallInfo.from_call(
        lambda: item.ihook.pytest_runtest_setup(item=item),
        "setup",
        reraise=get_reraise_exceptions(item.config),
    )
    report = item.ihook.pytest_runtest_makereport(item=item, call=call)
    if call.excinfo is not None and not report.skipped:
        group.setup_error = call.excinfo.value
    item.ihook.pytest_runtest_logreport(report=report)
    return bool(report.passed)


def _report_call(run: Run, item: SampleItem) -> pytest.TestReport:
    body = _take(run, item)
    error = body.exception
    if item.group.enough and (not body.recorders or outcome_of(error) == "not_run"):
        item.body = None
        return _report_not_needed(run, item)
    if body.never:  # stopped while it was waited for
        report = _plain_report(item, "call", "skipped")
        _complete_given_up(run, item, report, run.halted or "")
        item.ihook.pytest_runtest_logreport(report=report)
        return report  # type: ignore[no-any-return]
    if isinstance(error, StopRun):
        report = _plain_report(item, "call", "skipped", body=body, run=run)
        complete_report(run, item, report, body)
        item.ihook.pytest_runtest_logreport(report=report)
        return report  # type: ignore[no-any-return]
    if error is None and not run.others_make_reports:
        report = _plain_report(item, "call", "passed", body=body, run=run)
        complete_report(run, item, report, body)
        item.ihook.pytest_runtest_logreport(report=report)
        _emit_warnings(item, body)
        return report  # type: ignore[no-any-return]
    call = _call_info(body, error)
    expected = isinstance(error, pytest.xfail.Exception)
    wrong_passes = run.wrong_passes and not run.others_make_reports and not expected
    if outcome_of(error) == "wrong" and wrong_passes:
        # A full traceback would cost more than the sample itself, and is not shown.
        report = _plain_report(item, "call", "passed", body=body, run=run)
        complete_report(run, item, report, body)
    else:
        _add_sections(run, item, body)
        report = item.ihook.pytest_runtest_makereport(item=item, call=call)
    item.ihook.pytest_runtest_logreport(report=report)
    if report.failed and check_interactive_exception(call, report):
        item.ihook.pytest_exception_interact(node=item, call=call, report=report)
    _emit_warnings(item, body)
    return report  # type: ignore[no-any-return]


def _report_not_needed(run: Run, item: SampleItem) -> pytest.TestReport:
    report = _plain_report(item, "call", "skipped")
    _complete_not_needed(run, item, report)
    item.ihook.pytest_runtest_logreport(report=report)
    return report  # type: ignore[no-any-return]


def _complete_not_needed(run: Run, item: SampleItem, report: Any) -> None:
    run.forget(item)
    _attach(report, item, [])
    report.modeleval_outcome = "not_needed"
    _not_run(item, report, NOT_NEEDED)


def _report_given_up(run: Run, item: SampleItem, reason: str) -> None:
    report = _plain_report(item, "call", "skipped")
    _complete_given_up(run, item, report, reason)
    item.ihook.pytest_runtest_logreport(report=report)


def _complete_given_up(run: Run, item: SampleItem, report: Any, reason: str) -> None:
    _attach(report, item, _unrun(item, "not_run", reason))
    report.modeleval.stopped = run.halted
    _not_run(item, report, reason)


def _not_run(item: SampleItem, report: Any, reason: str) -> None:
    path, line, _ = item.location
    report.outcome, report.longrepr = "skipped", (path, line or 0, shown(reason))


def report_condemned(run: Run, item: pytest.Item, nextitem: pytest.Item | None, why: str) -> bool:
    """An item that has ended its worker process twice is an error, and is not run."""
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    report = _plain_report(item, "call", "failed", longrepr=why)
    if isinstance(item, SampleItem):
        _attach(report, item, _unrun(item, "error", why))
        if run.errors_are_counted:
            report.modeleval_explanation = why
            report.outcome = "passed"
    item.ihook.pytest_runtest_logreport(report=report)
    _tear_down(item, nextitem, report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _tear_down(
    item: pytest.Item, nextitem: pytest.Item | None, called: pytest.TestReport | None
) -> None:
    """`called` is the report of the call: --junitxml takes its properties from the last report."""
    state = item.session._setupstate
    last = not _same_group(item, nextitem)
    first = state.is_node_active(item)
    if not last and not first:
        report = _plain_report(item, "teardown", "passed")
        _repeat(called, report)
        item.ihook.pytest_runtest_logreport(report=report)
        return
    capture = item.config.pluginmanager.getplugin("capturemanager")

    def take_down() -> None:
        if first:
            item.ihook.pytest_runtest_teardown(item=item, nextitem=nextitem)
            return
        with capture.item_capture("teardown", item) if capture else nullcontext():
            state.teardown_exact(nextitem)

    call = pytest.CallInfo.from_call(
        take_down, "teardown", reraise=get_reraise_exceptions(item.config)
    )
    report = item.ihook.pytest_runtest_makereport(item=item, call=call)
    _repeat(called, report)
    item.ihook.pytest_runtest_logreport(report=report)


def _repeat(called: pytest.TestReport | None, report: Any) -> None:
    if called is not None:
        report.user_properties = called.user_properties
        report.sections = called.sections


def _same_group(item: pytest.Item, other: pytest.Item | None) -> bool:
    both = isinstance(item, SampleItem) and isinstance(other, SampleItem)
    return both and item.group is other.group  # type: ignore[union-attr, attr-defined]


def run_in_pytest_protocol(item: SampleItem) -> None:
    """The item's `runtest`, for pytest's own protocol: as if the body had run right here."""
    run = item.config.stash[RUN]
    if item.group.enough:
        pytest.skip(NOT_NEEDED)
    if (why := run.given_up(item)) is not None:
        pytest.skip(why)
    body = _take(run, item)
    if body.never:
        pytest.skip(run.halted or "")
    _add_sections(run, item, body)
    _emit_warnings(item, body)
    if isinstance(body.exception, StopRun):
        pytest.skip(str(body.exception))
    if body.exception is not None:
        raise body.exception


def _take(run: Run, item: SampleItem) -> Body:
    body = run.take(item)
    if isinstance(body.exception, (pytest.exit.Exception, KeyboardInterrupt)):
        raise body.exception
    return body


def complete_unrun(item: SampleItem, report: Any, call: pytest.CallInfo[None]) -> None:
    """Give a report of a set-up that failed or was skipped the result of its sample."""
    error = call.excinfo.value if call.excinfo is not None else None
    if isinstance(error, StopRun):
        run = item.config.stash[RUN]
        run.halt(str(error))
        _complete_given_up(run, item, report, str(error))
        return
    expected = isinstance(error, pytest.xfail.Exception)
    outcome: Outcome = "skipped" if report.skipped or expected else "error"
    _attach(report, item, _unrun(item, outcome, _reason(report)))


def complete_report(run: Run, item: SampleItem, report: Any, body: Body | None) -> None:
    """Say on the report what became of the sample, and give it the sample's results."""
    if body is None and item.group.enough:
        _complete_not_needed(run, item, report)
        return
    if body is None and (why := run.given_up(item)) is not None:
        _complete_given_up(run, item, report, why)
        return
    if body is None:
        _attach(report, item, _unrun(item, "error", _reason(report)))
        return
    results = results_of(body, run.worker, run.gpus)
    report.start = body.recorders[0].started_at  # when it ran, not when it was waited for
    report.duration = sum(recorder.duration for recorder in body.recorders)
    report.stop = report.start + report.duration
    _attach(report, item, results)
    report.modeleval.kept = body.kept is not None
    report.modeleval.identities = run.models_to_tell()
    if results:
        report.user_properties.extend(results[0].scores.items())
        if run.plain_protocol or not item.group.runs_plainly:
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


def _attach(report: Any, item: SampleItem, results: list[SampleResult]) -> None:
    group = item.group
    plan = None if group.plan_sent else group.plan
    group.plan_sent = True
    started = report.start or time.time()
    report.modeleval = SampleReport(group.place_of(item.row), results, started, plan)
    report.modeleval_outcome = sample_outcome(results)


def _unrun(item: SampleItem, outcome: Outcome, why: str) -> list[SampleResult]:
    return [unrun_result(item.group, item.row, outcome, why)]


def _plain_report(
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


def _call_info(body: Body, error: BaseException | None) -> pytest.CallInfo[None]:
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


def _add_sections(run: Run, item: SampleItem, body: Body) -> None:
    for title, text in _sections(run, body):
        _, kind, when = title.split()
        item.add_report_section(when, kind, text)


def _emit_warnings(item: SampleItem, body: Body) -> None:
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
