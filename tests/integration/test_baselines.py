"""Runs compared with earlier runs, question by question."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.conftest import Project

BENCHMARK = """
import os
from pytest_modeleval import benchmark

FALLEN = set(os.environ.get("FALLEN", "").split())
CHANGED = os.environ.get("CHANGED", "")
DATA = [
    {
        "id": f"q{n}",
        "input": str(n) + (CHANGED if n < 30 else ""),
        "target": "",
        "page": str(n // 5),
    }
    for n in range(60)
]

@benchmark(DATA, gates=GATES, CLUSTER)
async def test_questions(sample, model):
    await model.chat(sample.input)
    if "e" + sample.id in FALLEN:
        raise OSError("down")
    assert sample.id not in FALLEN
"""


@pytest.fixture
def questions(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.delenv("FALLEN", raising=False)
    monkeypatch.delenv("CHANGED", raising=False)
    return with_gates(project, "accuracy >= baseline - 0.02")


def with_gates(project: Project, *gates: str, cluster: str | None = None) -> Project:
    text = BENCHMARK.replace("GATES", repr(list(gates))).replace("CLUSTER", f"cluster={cluster!r}")
    project.file(text)
    return project


def gate(project: Project) -> dict[str, Any]:
    record: dict[str, Any] = project.results["benchmarks"][0]["gates"][0]
    return record


def fall(monkeypatch: pytest.MonkeyPatch, *ids: str) -> None:
    monkeypatch.setenv("FALLEN", " ".join(ids))


class TestCommittedBaselines:
    def test_are_written_read_and_missed(
        self, questions: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        result = questions.run()
        assert result.ret == 1
        result.stdout.fnmatch_lines(["undecided: *there is no baseline: name a run with*"])

        result = questions.run("--baseline-update")
        assert result.ret == 0
        result.stdout.fnmatch_lines(
            [
                "*not judged: the baseline is being written",
                "baseline written: benchmarks/*/probe.json",
            ]
        )
        assert questions.run().ret == 0

        fall(monkeypatch, *(f"q{n}" for n in range(12)))
        result = questions.run()
        assert result.ret == 1
        result.stdout.fnmatch_lines(
            [
                "gate failed: accuracy >= baseline - 0.02: 0.8000, -0.2000 [[]*[]] from the "
                "baseline, p = * (tango); 12 worse and 0 better of 60",
                "worse: q0, q1, q2, q3, q4, q5, q6, q7, q8, q9, q10, q11",
                "verdict: failed",
            ]
        )

    def test_the_same_with_workers(
        self, questions: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        questions.run("--baseline-update")
        fall(monkeypatch, *(f"q{n}" for n in range(12)))
        questions.run()
        alone = gate(questions)
        questions.plugins.append("xdist")
        questions.run("-n", "2")
        assert gate(questions) == alone

    def test_an_update_leaves_what_was_not_answered_as_it_was(
        self, questions: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        questions.run("--baseline-update")
        file = questions.path / "benchmarks/baselines/probe.json"
        before = file.read_text()
        fall(monkeypatch, "eq7", "q8")
        result = questions.run("--baseline-update", "--max-errors=5")
        result.stdout.fnmatch_lines(["*::test_questions stays as it was, 1 samples have no answer"])
        assert file.read_text() == before

    def test_a_damaged_one_is_named(self, questions: Project) -> None:
        questions.run("--baseline-update")
        file = questions.path / "benchmarks/baselines/probe.json"
        file.write_text(file.read_text()[:-30])
        result = questions.run()
        assert result.ret != 0
        result.stdout.fnmatch_lines(
            ["*baseline benchmarks/baselines/probe.json is not a baseline*"]
        )
        assert not any("Traceback" in line for line in result.outlines)


class TestNamedBaselines:
    def test_a_run_by_its_folder_and_by_latest(
        self, questions: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        questions.run("--modeleval-out=before")
        fall(monkeypatch, "q3", "q4")
        assert questions.run("--baseline=before").ret == 0
        record = gate(questions)
        assert (record["worse"], record["worse_ids"]) == (2, ["q3", "q4"])
        assert record["method"] == "tango"

    def test_one_that_is_not_there_is_a_usage_error(self, questions: Project) -> None:
        result = questions.run("--baseline=nowhere")
        assert result.ret != 0
        result.stdout.fnmatch_lines(["*baseline nowhere: there is no such file, folder or run*"])

    def test_of_another_benchmark(self, questions: Project) -> None:
        (questions.path / "other.json").write_text(
            json.dumps({"baseline_version": "1.0", "model": "probe", "benchmarks": {}})
        )
        questions.run("--baseline=other.json")
        assert "has no results of this benchmark" in gate(questions)["reason"]

    def test_of_another_version_of_the_dataset(
        self, questions: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        questions.run("--baseline-update")
        monkeypatch.setenv("CHANGED", " or so")
        assert questions.run().ret == 1
        assert gate(questions)["reason"] == (
            "only 30 of 60 samples are in the baseline benchmarks/baselines/probe.json as they are "
            "now, and 90% are needed: 30 changed (q0, q1, q2, q3, q4, …)"
        )


class TestClusters:
    def test_make_intervals_wider(
        self, questions: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fall(monkeypatch, *(f"q{n}" for n in range(15)))
        found = []
        for cluster in (None, "page"):
            with_gates(questions, "accuracy >= 0.5", cluster=cluster).run()
            record = gate(questions)
            metric = questions.results["benchmarks"][0]["metrics"]["accuracy"]
            assert (metric["lower"], metric["upper"]) == (record["lower"], record["upper"])
            found.append(record)
        assert [each["method"] for each in found] == ["wilson", "wilson, clustered"]
        assert found[1]["upper"] - found[1]["lower"] > 1.5 * (found[0]["upper"] - found[0]["lower"])

    def test_a_sample_without_the_field_is_named(self, questions: Project) -> None:
        with_gates(questions, "accuracy >= 0.5", cluster="passage")
        result = questions.run()
        assert result.ret != 0
        result.stderr.fnmatch_lines(
            ["*test_questions: @benchmark(cluster='passage'): sample q0 has no such field*"]
        )


class TestManyGates:
    """Ten benchmarks, one of which fell a little: alone that shows, among ten it may be chance."""

    @pytest.fixture
    def ten(self, project: Project) -> Project:
        text = BENCHMARK.replace("GATES", "['accuracy >= baseline']").replace("CLUSTER", "")
        head, body = text.split("@benchmark")
        many = "".join(
            f"@benchmark{body}".replace("test_questions", f"test_{n}").replace(
                "sample.id not in FALLEN", f"({n} or sample.id not in FALLEN)"
            )
            for n in range(10)
        )
        project.file(head + many)
        return project

    @pytest.mark.parametrize("workers", [(), ("-n", "2")])
    def test_are_judged_together_at_the_end(
        self, ten: Project, monkeypatch: pytest.MonkeyPatch, workers: tuple[str, ...]
    ) -> None:
        ten.plugins += ["xdist"] * bool(workers)
        ten.run("--baseline-update", *workers)
        fall(monkeypatch, "q0", "q1", "q2", "q3", "q4")
        for how, failed in (("none", 1), ("holm", 0), ("fdr", 0)):
            result = ten.run(f"--gate-correction={how}", *workers)
            assert result.ret == failed
            assert ten.results["gate_correction"] == how
            record = gate(ten)
            assert record["p_value"] == pytest.approx(1 / 32)
            assert record["p_adjusted"] == (None if how == "none" else pytest.approx(10 / 32))
            assert result.parseoutcomes()["passed"] == 595 + 10 - failed
