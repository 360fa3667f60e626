"""How a report of ours is called: its category, letter and word."""

from __future__ import annotations

from typing import Any


def category(report: Any, *, letters: bool) -> tuple[str, str, Any] | None:
    """The category, letter and word of one of our reports, as pytest_report_teststatus gives them;
    None leaves it to pytest. Without `letters` a sample is counted and listed, but not shown as it
    comes."""
    outcome = getattr(report, "modeleval_outcome", None)
    ours = outcome is not None or hasattr(report, "modeleval_gate")
    found: tuple[str, str, Any] | None = None
    if hasattr(report, "wasxfail"):
        if ours and not letters and report.skipped:
            return "xfailed", "", "XFAIL"
    elif outcome == "right" and report.passed:
        found = "passed", ".", "RIGHT"
    elif outcome == "wrong" and report.passed:
        found = "wrong", "w", ("WRONG", {"yellow": True})
    elif outcome == "error" and report.passed:
        found = "errored", "e", ("ERRORED", {"red": True})
    elif outcome == "not_needed":
        found = "not needed", "", ""
    elif outcome == "not_run":
        found = "not run", "n", ("NOT RUN", {"yellow": True})
    elif ours and not letters and (report.when == "call" or not report.passed):
        name = "error" if report.failed and report.when != "call" else report.outcome
        found = name, "", name.upper()
    return found if letters or found is None else (found[0], "", found[2])
