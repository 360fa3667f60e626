"""Metrics that are made of what all samples recorded."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_modeleval.corpus_metric import CorpusMetric
from pytest_modeleval.errors import GateError, ModelevalError, UsageError
from pytest_modeleval.gates import parse_gate
from pytest_modeleval.gates.corpus import check_corpus
from pytest_modeleval.recorder import Recorder, current, record_value
from pytest_modeleval.results.record import Outcome, SampleResult
from pytest_modeleval.tally import Plan, Tally
from pytest_modeleval.wire import packed, sample_report

HERE = "tests.unit.test_corpus"


def span(values: list[dict[str, Any]], scale: int = 1) -> float:
    """No mean: the distance between the first sample's value and the last one's."""
    return (values[-1]["x"] - values[0]["x"]) * scale


def ends(values: list[dict[str, Any]]) -> dict[str, Any]:
    return {"first": values[0]["x"], "last": (values[-1]["x"], 1, 9)}


def broken(values: list[dict[str, Any]]) -> float:
    return values[0]["y"]


def tally(*metrics: dict[str, Any], gates: list[str] | None = None, samples: int = 3) -> Tally:
    fields = list(metrics) or [{"names": ("span",), "function": f"{HERE}:span", "arguments": {}}]
    return Tally(
        Plan(
            "test_x.py::test_x",
            "m",
            "test_x.py::test_x[",
            ("test_x.py", 3, "test_x"),
            samples,
            samples,
            1,
            gates=gates or [],
            corpus_metrics=fields,
        )
    )


def add(tally: Tally, row: int, x: Any, outcome: Outcome = "right") -> None:
    values = {} if x is None else {"x": x}
    tally.add(row, [SampleResult("b", "m", f"s{row}", 0, outcome, values=values)], 100.0)


class TestValue:
    def test_it_is_of_all_samples_in_their_order(self) -> None:
        found = tally({"names": ["span"], "function": f"{HERE}:span", "arguments": {"scale": 2}})
        for row, x in ((2, 9), (0, 2), (1, 5)):
            add(found, row, x, "wrong")
        metric = found.metrics()["span"]
        assert (metric.value, metric.lower, metric.upper, metric.n) == (14.0, None, None, 3)

    def test_one_function_may_give_several_with_intervals(self) -> None:
        found = tally({"names": ("first", "last"), "function": f"{HERE}:ends"})
        add(found, 0, 2)
        add(found, 1, 5)
        metrics = found.metrics()
        assert list(metrics) == ["accuracy", "first", "last"]
        assert metrics["first"].value == 2.0
        assert (metrics["last"].value, metrics["last"].lower, metrics["last"].upper) == (5, 1, 9)

    def test_an_errored_sample_has_no_part(self) -> None:
        found = tally()
        add(found, 0, 2)
        add(found, 1, 5)
        add(found, 2, 100, "error")
        assert found.metrics()["span"].value == 3.0
        assert found.metrics()["span"].n == 2

    def test_a_later_sample_changes_it(self) -> None:
        found = tally()
        add(found, 0, 2)
        assert found.metrics()["span"].value == 0
        add(found, 1, 5)
        assert found.metrics()["span"].value == 3

    @pytest.mark.parametrize(
        ("function", "told"),
        [
            (f"{HERE}:broken", "raised KeyError: 'y'"),
            (f"{HERE}:nothing", "cannot be imported"),
            ("no_such_module:f", "cannot be imported"),
            ("builtins:print", "raised TypeError"),
            ("builtins:list", "returned None for span: expected a finite number"),
        ],
    )
    def test_what_it_cannot_be_computed_for(self, function: str, told: str) -> None:
        fields = {"names": ("span", "b"), "function": function, "arguments": {}}
        if "print" in function:
            fields["arguments"] = {"no": 1}
        found = tally(fields, gates=["span >= 1"], samples=1)
        add(found, 0, 2)
        assert "span" not in found.metrics()
        (problem,) = found.corpus.problems
        assert told in problem
        (record,) = found.result().gates
        assert record.verdict == "undecided"
        assert record.reason == problem


class TestGates:
    def judged(self, *values: Any, gate: str = "span >= 3") -> tuple[str, str | None, float | None]:
        found = tally(gates=[gate])
        for row, x in enumerate(values):
            add(found, row, x, "error" if x == "error" else "right")
        (record,) = found.result().gates
        return record.verdict, record.reason, record.slack

    def test_holds_or_not(self) -> None:
        assert self.judged(2, 3, 5) == ("passed", None, 0.0)
        assert self.judged(2, 3, 4) == ("failed", "span is 2, not >= 3", -1.0)

    def test_every_sample_must_have_its_values(self) -> None:
        needs = "span needs every value"
        assert self.judged(2, 9)[:2] == ("undecided", f"1 not run of 3 samples, and {needs}")
        assert self.judged(2, 9, "error")[:2] == (
            "undecided",
            f"1 errored of 3 samples, and {needs}",
        )
        assert self.judged(2, 9, None)[:2] == (
            "undecided",
            f"1 without the metric of 3 samples, and {needs}",
        )

    @pytest.mark.parametrize(
        "gate",
        [
            "lower(span) >= 1",
            "median(span) >= 1",
            'span[lang == "de"] >= 1',
            "span >= baseline",
            "non_inferior(span, 0.1)",
        ],
    )
    def test_only_its_value_is_gated(self, gate: str) -> None:
        with pytest.raises(GateError, match="span is one number of all samples together"):
            check_corpus(parse_gate(gate))


@pytest.mark.parametrize(
    ("names", "function", "told"),
    [
        ("accuracy", "m:f", "is measured already"),
        ("ece", "m:f", "is measured already"),
        ("f1 macro", "m:f", "is no name that a gate could use"),
        ((), "m:f", "expected the names"),
        ("f1", "m.f", '"package.module:function"'),
    ],
)
def test_a_definition_that_cannot_be_meant(names: Any, function: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        CorpusMetric(names, function)


class TestRecording:
    def test_plain_values_are_kept(self) -> None:
        recorder = Recorder("b", "s0")
        token = current.set(recorder)
        try:
            record_value("pair", (1, "ü"))
            record_value("pair", {"gold": [1, None], "predicted": "x"})
            with pytest.raises(ModelevalError, match="expected a plain JSON value"):
                record_value("odd", {1, 2})
            with pytest.raises(ModelevalError, match="expected a plain JSON value"):
                record_value("odd", float("nan"))
        finally:
            current.reset(token)
        assert recorder.values == {"pair": {"gold": [1, None], "predicted": "x"}}

    def test_outside_of_a_body(self) -> None:
        with pytest.raises(ModelevalError, match="outside the body"):
            record_value("x", 1)

    def test_they_travel(self) -> None:
        from pytest_modeleval.tally import SampleReport

        result = SampleResult("b", "m", "s0", 0, "right", values={"x": [1, "ü"]})
        report = SampleReport(0, [result], 1.0, tally().plan)
        back = sample_report(packed(report))
        assert back.results[0].values == {"x": [1, "ü"]}
        assert back.plan is not None
        assert Tally(back.plan).corpus.names == ["span"]
