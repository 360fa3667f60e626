"""How a sample's item runs: set up, its body awaited, reported, taken down.

Our own protocol spares pytest's machinery for each sample: fixtures are set up with a group's first
sample and taken down after its last, and a sample between them costs two reports. Where a mark or
another plugin wants more (`skipif`, `xfail`, reruns, a debugger), pytest's own protocol runs the
item, and `run_in_pytest_protocol` hands it the body. Both ways end in `complete_report`.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.runner import check_interactive_exception, get_reraise_exceptions

from pytest_modeleval.body import Body, explain, outcome_of
from pytest_modeleval.comparisons import shorten_comparisons
from pytest_modeleval.errors import StopRun
from pytest_modeleval.items import SampleItem, is_kept
from pytest_modeleval.reporting import (
    NOT_NEEDED,
    add_sections,
    attach,
    call_info,
    complete_given_up,
    complete_not_needed,
    complete_report,
    emit_warnings,
    plain_report,
    unrun,
)
from pytest_modeleval.stash import RUN

if TYPE_CHECKING:
    from pytest_modeleval.run import Run


def run_protocol(run: Run, item: SampleItem, nextitem: pytest.Item | None) -> bool | None:
    """Set up where it is the first of its group, await its body, report, and take down where it
    is the last. None leaves the item to pytest's own protocol."""
    group = item.group
    stopped = group.enough or (run.halted is not None and item.body is None)
    if not stopped and (run.protocol.plain or not group.runs_plainly):
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
        report = plain_report(item, "setup", "failed", longrepr=problem)
        attach(report, item, unrun(item, "error", problem))
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
        report = plain_report(item, "call", "skipped")
        complete_given_up(run, item, report, run.halted or "")
        item.ihook.pytest_runtest_logreport(report=report)
        return report  # type: ignore[no-any-return]
    if isinstance(error, StopRun):
        report = plain_report(item, "call", "skipped", body=body, run=run)
        complete_report(run, item, report, body)
        item.ihook.pytest_runtest_logreport(report=report)
        return report  # type: ignore[no-any-return]
    if error is None and not run.protocol.others_make_reports:
        report = plain_report(item, "call", "passed", body=body, run=run)
        complete_report(run, item, report, body)
        item.ihook.pytest_runtest_logreport(report=report)
        emit_warnings(item, body)
        return report  # type: ignore[no-any-return]
    call = call_info(body, error)
    expected = isinstance(error, pytest.xfail.Exception)
    wrong_passes = run.wrong_passes and not run.protocol.others_make_reports and not expected
    if outcome_of(error) == "wrong" and wrong_passes:
        # A full traceback would cost more than the sample itself, and is not shown.
        report = plain_report(item, "call", "passed", body=body, run=run)
        complete_report(run, item, report, body)
    else:
        add_sections(run, item, body)
        report = item.ihook.pytest_runtest_makereport(item=item, call=call)
    item.ihook.pytest_runtest_logreport(report=report)
    if report.failed and check_interactive_exception(call, report):
        item.ihook.pytest_exception_interact(node=item, call=call, report=report)
    emit_warnings(item, body)
    return report  # type: ignore[no-any-return]


def _report_not_needed(run: Run, item: SampleItem) -> pytest.TestReport:
    report = plain_report(item, "call", "skipped")
    complete_not_needed(run, item, report)
    item.ihook.pytest_runtest_logreport(report=report)
    return report  # type: ignore[no-any-return]


def _report_given_up(run: Run, item: SampleItem, reason: str) -> None:
    report = plain_report(item, "call", "skipped")
    complete_given_up(run, item, report, reason)
    item.ihook.pytest_runtest_logreport(report=report)


def report_condemned(run: Run, item: pytest.Item, nextitem: pytest.Item | None, why: str) -> bool:
    """An item that has ended its worker process twice is an error, and is not run."""
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    report = plain_report(item, "call", "failed", longrepr=why)
    if isinstance(item, SampleItem):
        attach(report, item, unrun(item, "error", why))
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
        report = plain_report(item, "teardown", "passed")
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
    add_sections(run, item, body)
    emit_warnings(item, body)
    if isinstance(body.exception, StopRun):
        pytest.skip(str(body.exception))
    if body.exception is not None:
        raise body.exception


def _take(run: Run, item: SampleItem) -> Body:
    body = run.take(item)
    if isinstance(body.exception, (pytest.exit.Exception, KeyboardInterrupt)):
        raise body.exception
    return body
