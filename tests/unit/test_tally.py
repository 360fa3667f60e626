"""Counting a benchmark's samples as they arrive."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_modeleval.results.record import Call, Outcome, SampleResult
from pytest_modeleval.tally import Plan, Tally, call_metrics, sample_outcome


def plan(**changes: Any) -> Plan:
    values: dict[str, Any] = {
        **{"benchmark": "test_x.py::test_x", "model": "m", "node_prefix": "test_x.py::test_x["},
        **{"location": ("test_x.py", 3, "test_x"), "samples": 4, "selected": 4, "epochs": 1},
        **{"gates": ["accuracy >= 0.5"], **changes},
    }
    return Plan(**values)


def result(outcome: Outcome, *, epoch: int = 0, **changes: Any) -> SampleResult:
    scores = {} if outcome in ("skipped", "not_run") else {"accuracy": float(outcome == "right")}
    return SampleResult("test_x.py::test_x", "m", "id", epoch, outcome, scores=scores, **changes)


def call(role: str = "model", **changes: Any) -> Call:
    return Call(role, "m", "chat", [], **changes)


class TestCounts:
    def test_each_outcome(self) -> None:
        tally = Tally(plan(samples=6, selected=5))
        for row, outcome in enumerate(("right", "wrong", "error", "skipped")):
            tally.add(row, [result(outcome)], 100.0)  # type: ignore[arg-type]
        assert tally.result().samples == {
            **{"planned": 6, "right": 1, "wrong": 1, "error": 1, "skipped": 1},
            **{"not_run": 1, "not_needed": 0, "deselected": 1},
        }
        assert tally.accuracy == pytest.approx(1 / 3)

    def test_a_sample_that_did_not_run_is_not_done(self) -> None:
        tally = Tally(plan())
        tally.add(0, [result("not_run")], 100.0)
        assert tally.done == 0
        assert tally.result().samples["not_run"] == 4

    def test_nothing_yet(self) -> None:
        found = Tally(plan()).result()
        assert found.metrics == {}
        assert found.timing == {
            **{"started": None, "duration_s": None, "samples_per_s": None, "tokens_per_s": None}
        }

    def test_the_first_errors_are_kept(self) -> None:
        tally = Tally(plan(samples=50, selected=50))
        for row in range(50):
            tally.add(row, [result("error", error=f"error {row}")], 100.0)
        errors = tally.result().errors
        assert [each["error"] for each in errors] == [f"error {row}" for row in range(10)]
        assert tally.counts["error"] == 50


class TestEpochs:
    @pytest.mark.parametrize(
        ("outcomes", "outcome"),
        [
            (["right", "right"], "right"),
            (["right", "wrong"], "wrong"),
            (["wrong", "error"], "error"),
            (["right", "skipped"], "skipped"),
            (["right", "not_run"], "not_run"),
            ([], "not_run"),
        ],
    )
    def test_the_worst_is_the_samples(self, outcomes: list[Outcome], outcome: Outcome) -> None:
        assert sample_outcome([result(each) for each in outcomes]) == outcome

    def test_a_samples_score_is_the_mean(self) -> None:
        tally = Tally(plan(samples=2, selected=2, epochs=2))
        tally.add(0, [result("right"), result("wrong", epoch=1)], 100.0)
        tally.add(1, [result("right"), result("right", epoch=1)], 100.0)
        accuracy = tally.result().metrics["accuracy"]
        assert (accuracy.value, accuracy.n) == (0.75, 2)
        assert (tally.counts["right"], tally.counts["wrong"]) == (1, 1)


class TestGates:
    def judged(self, tally: Tally) -> tuple[str, str | None]:
        (record,) = tally.result().gates
        return record.verdict, record.reason

    def test_all_in(self) -> None:
        tally = Tally(plan())
        for row in range(4):
            tally.add(row, [result("right")], 100.0)
        assert self.judged(tally) == ("passed", None)

    def test_some_not_selected(self) -> None:
        assert self.judged(Tally(plan(selected=3))) == (
            "not judged",
            "1 of the 4 planned samples were not selected",
        )

    def test_refused(self) -> None:
        assert self.judged(Tally(plan(refusal="it cannot chat"))) == (
            "undecided",
            "it cannot chat",
        )

    def test_a_dataset_that_is_not_at_hand(self) -> None:
        missing = {"samples": 0, "selected": 0, "refusal": "not at hand"}
        assert self.judged(Tally(plan(**missing))) == ("undecided", "not at hand")
        assert self.judged(Tally(plan(**missing, skipped=True))) == ("not judged", "not at hand")

    def test_a_verdict_stands(self) -> None:
        tally = Tally(plan(samples=2, selected=2))
        tally.add(0, [result("right")], 100.0)
        record = tally.judge(tally.gates[0])
        assert tally.result().gates == [record]


class TestCallMetrics:
    def test_calls_are_summed_and_times_to_tokens_averaged(self) -> None:
        calls = [
            call(latency_s=1.0, ttft_s=0.2, tpot_s=0.01, cost=0.5, usage={"prompt_tokens": 3}),
            call(latency_s=2.0, ttft_s=0.4, usage={"prompt_tokens": 4, "completion_tokens": 5}),
        ]
        assert call_metrics(calls) == pytest.approx(
            {
                **{"latency_s": 3.0, "ttft_s": 0.3, "tpot_s": 0.01, "cost": 0.5},
                **{"prompt_tokens": 7, "completion_tokens": 5},
            }
        )

    def test_helpers_are_left_out(self) -> None:
        assert call_metrics([call("judge", latency_s=9.0), call(latency_s=1.0)]) == {
            "latency_s": 1.0
        }

    def test_what_no_call_tells_is_not_made_up(self) -> None:
        assert call_metrics([call()]) == {}

    def test_usage_and_cost_are_of_every_call(self) -> None:
        tally = Tally(plan())
        calls = [
            call(usage={"prompt_tokens": 3, "completion_tokens": None}, cost=0.25),
            call("judge", usage={"prompt_tokens": 4, "completion_tokens": 5}, cost=0.5),
        ]
        tally.add(0, [result("right", calls=calls)], 100.0)
        found = tally.result()
        assert found.usage == {"requests": 2, "prompt_tokens": 7, "completion_tokens": 5}
        assert found.cost == 0.75
        assert {role: each.cost for role, each in found.roles.items()} == {
            "model": 0.25,
            "judge": 0.5,
        }

    def test_what_the_cache_gave_is_told_as_saved(self) -> None:
        tally = Tally(plan())
        tokens = {"prompt_tokens": 3, "completion_tokens": 1}
        calls = [
            call(usage=tokens, cost=0.25, attempts=2),
            call(usage=tokens, cost=0.0, cached=True, saved=0.5, attempts=0),
            call(usage=tokens, cost=0.0, cached=True, attempts=0),
            call(usage=tokens),
        ]
        tally.add(0, [result("right", calls=calls)], 100.0)
        found = tally.result()
        assert found.usage == {
            "requests": 3,
            "prompt_tokens": 6,
            "completion_tokens": 2,
            "unpriced": 1,
        }
        assert found.cost == 0.25
        saved = {"calls": 2, "prompt_tokens": 6, "completion_tokens": 2, "cost": 0.5}
        assert found.saved == saved

    def test_metrics_of_the_benchmark_come_before_the_measured(self) -> None:
        tally = Tally(plan(samples=1, selected=1))
        one = result("right", calls=[call(latency_s=1.0)])
        one.scores["f1"] = 0.5
        tally.add(0, [one], 100.0)
        assert list(tally.result().metrics) == ["accuracy", "f1", "latency_s"]
