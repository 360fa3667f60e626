"""`--modeleval-dry-run`: what a run would ask and may cost, and nothing is sent.

A body is run up to its first call to a model, which nobody answers. That is what can be known: what
a body asks next depends on the reply.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import zip_longest
from typing import Any

import pytest

from pytest_modeleval.body import explain
from pytest_modeleval.errors import ModelevalError
from pytest_modeleval.items import MissingItem, SampleItem
from pytest_modeleval.models.token_counts import tokenizer_of
from pytest_modeleval.plain_text import one_line, shown
from pytest_modeleval.results.cost import dollars
from pytest_modeleval.results.record import Spending
from pytest_modeleval.run import Run
from pytest_modeleval.terminal import aligned

Skipped = pytest.skip.Exception


class DryRun:
    """Takes the place of pytest's loop: no test is run, and no file is written."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.asked: dict[tuple[str, str], Spending] = {}
        self.silent = 0
        self.done = False
        self.problems: dict[str, str] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        if session.config.option.collectonly or session.testsfailed:
            return None
        self.run.prepare(session)
        self.run.write_into(session.config.rootpath, "dry-run")  # which it would, if it asked
        self.run.protocol = replace(self.run.protocol, inline=True)
        for item in session.items:
            if isinstance(item, MissingItem):
                self.problems[item.nodeid] = str(item.plan.refusal)
        samples = [item for item in session.items if isinstance(item, SampleItem)]
        try:
            for item, following in zip_longest(samples, samples[1:]):
                self._look_at(item, following)
        except ModelevalError as error:
            raise pytest.UsageError(shown(str(error))) from None
        finally:
            session._setupstate.teardown_exact(None)
            self.run.stop()
        session.testsfailed += len(self.problems)
        self.done = True
        return True

    def _look_at(self, item: SampleItem, following: SampleItem | None) -> None:
        group = item.group
        try:
            if not group.is_set_up:
                item.ihook.pytest_runtest_setup(item=item)
            if group.refusal is None:
                with _silence(item.config):
                    self._run_body(item)
            else:
                self.problems.setdefault(group.name, group.refusal)
        except Skipped:
            pass
        except (ModelevalError, pytest.exit.Exception):
            raise
        except Exception as error:
            self.problems[item.nodeid] = explain(error)
        if following is None or following.group is not group:
            item.session._setupstate.teardown_exact(following)

    def _run_body(self, item: SampleItem) -> None:
        body = self.run.take(item)
        item.body = None
        for recorder in body.recorders:
            error = recorder.exception
            if isinstance(error, (KeyboardInterrupt, pytest.exit.Exception)):
                raise error
            if recorder.calls:
                for call in recorder.calls:
                    key = (item.group.name, call.model)
                    self.asked.setdefault(key, Spending()).add(call)
            elif isinstance(error, Exception) and not isinstance(error, AssertionError):
                self.problems[item.nodeid] = explain(error)
            elif not isinstance(error, Skipped):
                self.silent += 1

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        terminal = terminalreporter
        if not self.done:
            return
        terminal.write_sep("=", "dry run: nothing was sent")
        for line in self._lines():
            terminal.write_line(line)
        for place, problem in self.problems.items():
            terminal.write_line(f"{shown(place)}: {one_line(problem, 1000)}", red=True)

    def _lines(self) -> Sequence[str]:
        total = Spending()
        rows = [("benchmark", "model", "requests", "prompt tokens", "reply tokens", "cost")]
        for (benchmark, alias), spending in self.asked.items():
            rows.append((shown(benchmark), shown(alias), *_amounts(spending)))
            total.add_all(spending)
        if not self.asked:
            return ["no sample would ask a model"]
        if len(self.asked) > 1:
            rows.append(("in all", "", *_amounts(total)))
        lines = [*aligned(iter(rows)), ""]
        specs = {
            spec.alias: spec
            for spec in [*self.run.models.roles.values(), *self.run.models.specs.values()]
        }
        for alias in dict.fromkeys(alias for _, alias in self.asked):
            how = tokenizer_of(specs[alias].backend, specs[alias].name).how
            lines.append(f"prompt tokens of {shown(alias)}: {how}")
        lines.append(
            "counted is the first call of each sample and epoch, with a reply as long as its "
            "max_tokens allows; what is asked after a reply, retries and the response cache are "
            "not in it"
        )
        if self.silent:
            lines.append(f"{self.silent} samples ask no model")
        return lines


@contextmanager
def _silence(config: pytest.Config) -> Iterator[None]:
    """What bodies print is not shown, unless pytest captures nothing (-s)."""
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture is None:
        yield
        return
    capture.resume_global_capture()
    try:
        yield
    finally:
        capture.suspend_global_capture()
        capture.read_global_capture()


def _amounts(spending: Spending) -> tuple[str, str, str, str]:
    usage = spending.usage
    cost = "not known" if spending.cost is None else f"≤ {dollars(spending.cost)}"
    if spending.cost is not None and usage.get("unpriced"):
        cost += f" and {usage['unpriced']} without a price"
    return (
        f"{usage['requests']:,}",
        f"{usage.get('prompt_tokens', 0):,}",
        f"≤ {usage.get('completion_tokens', 0):,}",
        cost,
    )
