"""Gates as test results: judged when their samples are in, and published as pytest reports."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Literal

import pytest

from pytest_modeleval.items import JudgedItem
from pytest_modeleval.pack_tally import PackPlan
from pytest_modeleval.plain_text import shown
from pytest_modeleval.results.record import GateRecord
from pytest_modeleval.scoreboard import Scoreboard
from pytest_modeleval.stash import SCOREBOARD
from pytest_modeleval.tally import Plan, sentence

MOST_LEFT = 10
"""Tests that are named where none could be run for want of workers."""


class GateFailed(AssertionError):
    """A gate does not hold or cannot be decided; its text is all that is shown."""


def run_gate(item: JudgedItem) -> None:
    """The body of a gate's item, in a run of one process."""
    record = item.record = item.judged(item.config.stash[SCOREBOARD])
    for name, value in properties(record):
        item.user_properties.append((name, value))
    if record.verdict == "not judged":
        reason = f"not judged: {record.reason}"
        raise pytest.skip.Exception(reason, _use_item_location=True)
    if record.verdict != "passed":
        raise GateFailed(sentence(record))


def properties(record: GateRecord) -> list[tuple[str, Any]]:
    """What the gate's test case carries in JUnit."""
    found: list[tuple[str, Any]] = [
        ("expression", record.expression),
        ("verdict", record.verdict),
    ]
    for name in ("value", "threshold", "slack", "lower", "upper"):
        if (value := getattr(record, name)) is not None:
            found.append((name, value))
    return found


def publish(session: pytest.Session, scoreboard: Scoreboard) -> None:
    """Under xdist no process has all samples but the controller, and it has no items: it reports
    the gates itself once the workers are done."""
    # A dataset that is not at hand has an item of its own, which said so already.
    due = [
        (tally, gate)
        for tally in scoreboard.tallies
        for gate in tally.gates
        if gate.name not in tally.plan.left_out and tally.plan.samples
    ]
    for tally, gate in due:
        publish_gate(session, tally.plan, scoreboard.judge(tally, gate))
    for pack in scoreboard.packs:
        for gate in pack.gates:
            if gate.name not in pack.plan.left_out:
                publish_gate(session, pack.plan, pack.judge(gate))


def publish_gate(session: pytest.Session, plan: Plan | PackPlan, record: GateRecord) -> None:
    outcome: Literal["passed", "failed", "skipped"] = "failed"
    longrepr: Any = sentence(record)
    path, line, _ = plan.location
    if record.verdict == "passed":
        outcome, longrepr = "passed", None
    elif record.verdict == "not judged":
        outcome, longrepr = "skipped", (path, line or 0, f"not judged: {record.reason}")
    publish_report(
        session,
        f"{plan.node_prefix}gate:{record.name}]",
        plan.location,
        outcome,
        longrepr,
        properties(record),
        record,
    )


def publish_report(
    session: pytest.Session,
    node_id: str,
    location: tuple[str, int | None, str],
    outcome: Literal["passed", "failed", "skipped"],
    longrepr: Any,
    user_properties: list[tuple[str, Any]],
    record: GateRecord | None = None,
) -> None:
    """Report a result that no item of this process stands for."""
    hook = session.config.hook
    place = (location[0], location[1], node_id.partition("::")[2])
    now = time.time()
    session.testscollected += 1
    hook.pytest_runtest_logstart(nodeid=node_id, location=place)
    for when in ("setup", "call", "teardown"):
        own = when == "call"
        report: Any = pytest.TestReport(
            node_id,
            place,
            {},
            outcome if own else "passed",
            longrepr if own else None,
            when,
            (),
            0.0,
            now,
            now,
            user_properties,
        )
        if own and record is not None:
            report.modeleval_gate = record
        hook.pytest_runtest_logreport(report=report)
    hook.pytest_runtest_logfinish(nodeid=node_id, location=place)


def publish_left(session: pytest.Session, left: Sequence[str]) -> None:
    """Workers died more often than --max-worker-restart allows: what they had is not run."""
    first = "\n".join(left[:MOST_LEFT])
    more = f"\n… and {len(left) - MOST_LEFT} more" if len(left) > MOST_LEFT else ""
    publish_report(
        session,
        "modeleval::workers",
        ("", None, "workers"),
        "failed",
        f"{len(left)} tests were not run, since too many workers died "
        f"(--max-worker-restart):\n{first}{more}",
        [],
    )


def publish_stopped(session: pytest.Session, scoreboard: Scoreboard) -> None:
    """The run was stopped from within: whatever the gates say, it is not green."""
    if scoreboard.stopped is None:
        return
    selected = sum(tally.plan.selected for tally in scoreboard.tallies)
    left = selected - sum(tally.done for tally in scoreboard.tallies)
    publish_report(
        session,
        "modeleval::stopped",
        ("", None, "stopped"),
        "failed",
        f"{left:,} of {selected:,} samples were not run: {shown(scoreboard.stopped)}",
        [],
    )


def publish_errors(session: pytest.Session, scoreboard: Scoreboard) -> None:
    """With --max-errors single errors do not fail the run; too many of them do, once."""
    selected = sum(tally.plan.selected for tally in scoreboard.tallies)
    allowed = scoreboard.settings.allowed_errors(selected)
    if allowed is not None and scoreboard.errors > allowed:
        publish_report(
            session,
            "modeleval::max-errors",
            ("", None, "max-errors"),
            "failed",
            f"{scoreboard.errors} of {selected} samples failed with an error; "
            f"--max-errors {scoreboard.settings.max_errors} allows {allowed}",
            [],
        )


def publish_unwritten(session: pytest.Session, problem: str) -> None:
    """The results are there, but not all of their files."""
    publish_report(session, "modeleval::files", ("", None, "files"), "failed", problem, [])
