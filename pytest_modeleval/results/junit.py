"""junit.xml for CI systems: a suite for each benchmark and model, a case for each sample and gate.

Cases are written as they come, so that they need no memory. A suite must be in one piece with its
counts at its head, though samples of several benchmarks arrive mixed: each suite has a file of its
own until they are joined at the end. Suites and cases are then in the order that was planned, not
that in which samples arrived.

The strict schema of Jenkins' xUnit plugin allows properties only in suites, and skips a whole file
with one in a case. So a suite's metrics and thresholds are properties, and what is known of a case
stands in its output as `[[PROPERTY|name=value]]`, a spelling that several tools read as one.
"""

from __future__ import annotations

import platform
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal
from xml.sax.saxutils import escape, quoteattr

from pytest_modeleval.results.junit_suite import Suite, Tag
from pytest_modeleval.results.record import (
    BenchmarkResult,
    GateRecord,
    Metric,
    Outcome,
    PackResult,
    RunResult,
    SampleResult,
)
from pytest_modeleval.results.run_folder import replacing, writing

AFTER_SAMPLES = 2**62
"""The row of what is not a sample."""

MESSAGE_CHARACTERS = 2_000
"""A longer message is cut: a reply may be in it, and the details file has it whole."""

# What XML 1.0 cannot hold, escaped or not.
_ILLEGAL = re.compile("[^\t\n\r\x20-\x7e\x80-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

GATE_FIELDS = (
    *("expression", "verdict", "value", "threshold", "slack", "tolerance", "lower", "upper"),
    *(
        "method",
        "alpha",
        "p_value",
        "p_adjusted",
        "difference",
        "detectable",
        "compared",
        "better",
        "worse",
    ),
)


def _metrics(of: BenchmarkResult | PackResult) -> Mapping[str, Metric]:
    if isinstance(of, BenchmarkResult):
        return of.metrics
    return {} if of.score is None else {"score": Metric(of.score, of.lower, of.upper, 0)}


class JUnitWriter:
    """Writes junit.xml.

    `samples` says which samples become cases: "all"; "wrong", those that are not right; or "none".
    One in error fails the run, and is always a case. `wrong` says how a wrong sample is told:
    "pass", "xfail" (skipped) or "fail". With `errors_pass`, as `--max-errors` asks for, an error
    is told like a wrong sample that passes.
    """

    def __init__(
        self,
        path: Path,
        *,
        samples: Literal["all", "wrong", "none"] = "all",
        wrong: Literal["pass", "xfail", "fail"] = "pass",
        errors_pass: bool = False,
    ) -> None:
        self._path = path
        self._samples = samples
        self._wrong = wrong
        self._errors_pass = errors_pass
        self._started = datetime.now(timezone.utc)
        self._suites: dict[tuple[str, str], Suite] = {}
        self._folder = path.with_name(f".{path.name}.parts")
        with writing(self._folder):
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir()

    def sample(
        self,
        node_id: str,
        row: int,
        outcome: Outcome,
        results: Sequence[SampleResult],
        *,
        duration: float,
        message: str | None = None,
    ) -> None:
        """Add a sample with its results, one an epoch; `row` is its place among the planned ones,
        `duration` is in seconds, `message` says why it is not right. Raises ModelevalError when the
        file cannot be written."""
        if outcome != "error" and (
            self._samples == "none" or (self._samples == "wrong" and outcome == "right")
        ):
            return
        values: dict[str, object] = {} if outcome == "right" else {"outcome": outcome}
        values.update(_mean_scores(results))
        tag = self._tag(outcome)
        if tag is None and message:
            values["message"] = message
        suite = self._suite(results[0].benchmark, results[0].model)
        self._add(suite, node_id, row, duration, values, tag, outcome, message)

    def gate(
        self, node_id: str, benchmark: str, model: str, record: GateRecord, *, message: str = ""
    ) -> None:
        """Add a gate; `message` is its verdict as a sentence, in place of the record's reason.
        Raises ModelevalError when the file cannot be written."""
        values = {
            name: value for name in GATE_FIELDS if (value := getattr(record, name)) is not None
        }
        tag: Tag | None = None
        if record.verdict == "not judged":
            tag = "skipped"
        elif record.verdict != "passed":
            tag = "failure"
        suite, text = self._suite(benchmark, model), message or record.reason
        self._add(suite, node_id, AFTER_SAMPLES, 0.0, values, tag, record.verdict, text)

    def problem(self, node_id: str, message: str, *, undecided: bool = False) -> None:
        """Add a failure that is neither a sample's nor a gate's: too many errors, a dataset that is
        not at hand. Raises ModelevalError when the file cannot be written."""
        kind = "undecided" if undecided else "failed"
        suite = self._suite("run", "")
        self._add(suite, node_id, AFTER_SAMPLES, 0.0, {}, "failure", kind, message)

    def close(self, result: RunResult | None = None) -> None:
        """Join the suites; their order, metrics and thresholds are taken from `result`. Raises
        ModelevalError when the file cannot be written."""
        planned: dict[tuple[str, str], Suite] = {}
        for benchmark in result.judged if result is not None else ():
            name = benchmark.file if isinstance(benchmark, PackResult) else benchmark.name
            key = (name, benchmark.model)
            suite = planned[key] = self._suite(*key)
            for name, metric in _metrics(benchmark).items():
                suite.properties[name] = metric.value
                if metric.lower is not None and metric.upper is not None:
                    suite.properties[f"{name}.lower"] = metric.lower
                    suite.properties[f"{name}.upper"] = metric.upper
            for gate in benchmark.gates:
                suite.properties[f"gate:{gate.name}"] = gate.verdict
                if gate.threshold is not None:
                    suite.properties[f"gate:{gate.name}.threshold"] = gate.threshold
        self._suites = {**planned, **self._suites}
        with replacing(self._path) as temporary:
            for suite in self._suites.values():
                suite.write()
            temporary.write_text(self._head(), encoding="utf-8")
            with temporary.open("ab") as file:
                for suite in self._suites.values():
                    file.write(self._suite_head(suite).encode())
                    suite.copy(file)
                    file.write(b"</testsuite>\n")
                file.write(b"</testsuites>\n")
        shutil.rmtree(self._folder, ignore_errors=True)

    def _suite(self, benchmark: str, model: str) -> Suite:
        key = (benchmark, model)
        if key not in self._suites:
            file = self._folder / str(len(self._suites))
            name = f"{benchmark} ({model})" if model else benchmark
            properties = {"benchmark": benchmark, "model": model} if model else {}
            self._suites[key] = Suite(name, file, dict(properties))
        return self._suites[key]

    def _tag(self, outcome: Outcome) -> Tag | None:
        if outcome == "wrong":
            tags: dict[str, Tag | None] = {"pass": None, "xfail": "skipped", "fail": "failure"}
            return tags[self._wrong]
        if outcome == "error":
            return None if self._errors_pass else "error"
        return None if outcome == "right" else "skipped"

    def _add(
        self,
        suite: Suite,
        node_id: str,
        row: int,
        duration: float,
        values: Mapping[str, object],
        tag: Tag | None,
        kind: str,
        message: str | None,
    ) -> None:
        classname, name = case_name(node_id)
        text = (
            f'<testcase classname={_quoted(classname)} name={_quoted(name)} time="{duration:.3f}">'
        )
        if tag is not None:
            shown = _quoted(_cut(message or kind))
            text += f'<{tag} type="{kind.replace("_", " ")}" message={shown}/>'
        if values:
            text += f"<system-out>{_output(values.items())}</system-out>"
        with writing(self._path):
            suite.add(f"{text}</testcase>\n", row, tag, duration)

    def _head(self) -> str:
        suites = self._suites.values()
        tests = sum(len(suite.rows) for suite in suites)
        failures = sum(suite.counts["failure"] for suite in suites)
        errors = sum(suite.counts["error"] for suite in suites)
        seconds = (datetime.now(timezone.utc) - self._started).total_seconds()
        return (
            '<?xml version="1.0" encoding="utf-8"?>\n'
            f'<testsuites name="pytest-modeleval" tests="{tests}" failures="{failures}" '
            f'errors="{errors}" time="{seconds:.3f}">\n'
        )

    def _suite_head(self, suite: Suite) -> str:
        properties = "".join(
            f"<property name={_quoted(name)} value={_quoted(str(value))}/>"
            for name, value in suite.properties.items()
        )
        return (
            f"<testsuite name={_quoted(suite.name)} {suite.attributes} "
            f'timestamp="{self._started.isoformat()}" hostname={_quoted(platform.node())}>\n'
            f"<properties>{properties}</properties>\n"
        )


def case_name(node_id: str) -> tuple[str, str]:
    """Class and name of a case, as pytest's own junitxml makes them of a node id."""
    path, bracket, params = node_id.partition("[")
    file, *names = path.split("::")
    *classes, name = [file.replace("/", ".").removesuffix(".py"), *names]
    return ".".join(classes), f"{name}{bracket}{params}"


def legal(text: str) -> str:
    """The text with `#x..` for each character that XML cannot hold, as pytest writes it."""
    return _ILLEGAL.sub(lambda match: f"#x{ord(match[0]):02X}", text)


def _mean_scores(results: Sequence[SampleResult]) -> Mapping[str, float]:
    if len(results) == 1:
        return results[0].scores
    values: dict[str, list[float]] = {}
    for result in results:
        for name, value in result.scores.items():
            values.setdefault(name, []).append(value)
    return {name: sum(each) / len(each) for name, each in values.items()}


def _output(values: Iterable[tuple[str, object]]) -> str:
    lines = (
        f"[[PROPERTY|{name}={' '.join(_cut(str(value)).splitlines())}]]\n" for name, value in values
    )
    return escape(legal("".join(lines)))


def _quoted(text: str) -> str:
    return quoteattr(legal(text))


def _cut(text: str) -> str:
    return text if len(text) <= MESSAGE_CHARACTERS else f"{text[:MESSAGE_CHARACTERS]}…"
