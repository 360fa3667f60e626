"""Gates: results of their own, judged on the planned samples."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.conftest import Project

CAPITALS = """
import pytest
from pytest_modeleval import benchmark, score

DATA = [
    {
        "id": f"q{n}",
        "input": str(n),
        "target": str(n if n < 6 else 0),
        "continent": "Asia" if n % 2 else "Africa",
        "level": n // 4,
        "old": n < 5,
    }
    for n in range(8)
]

@benchmark(DATA, gates=GATES)
async def test_capitals(sample, model):
    reply = await model.chat(sample.input)
    score("length", len(reply.text) * 2)
    assert reply.text == sample.target
"""
"""Six of eight are right: three of four in each continent, all four of level 0."""


def capitals(project: Project, *gates: str, more: str = "") -> Project:
    project.file(f"GATES = {list(gates)!r}\n{CAPITALS}{more}", "test_capitals")
    return project


def gates(project: Project) -> dict[str, dict[str, Any]]:
    """The record of each gate by its name; its place shows in the order."""
    return {
        gate["name"]: gate
        for benchmark in project.results["benchmarks"]
        for gate in benchmark["gates"]
    }


class TestVerdicts:
    def test_one_holds_and_one_fails(self, project: Project) -> None:
        capitals(project, "accuracy >= 0.75", "strict: accuracy >= 0.9")
        result = project.run(model="echo:")
        assert result.ret == 1
        result.stdout.fnmatch_lines(
            [
                "test_capitals.py ......ww.F *",
                "*_ test_capitals[[]gate:strict[]] _*",
                "gate failed: accuracy >= 0.9: it is 0.75 *0.15 short",
                "    ✓ accuracy >= 0.75         passed: 0.7500, 0.0000 to spare",
                "    ✗ strict: accuracy >= 0.9  failed: 0.7500, 0.1500 short",
                "verdict: failed",
                "FAILED test_capitals.py::test_capitals[[]gate:strict[]] - gate failed: *",
                "*= 1 failed, 7 passed, 2 wrong in *",
            ]
        )
        assert project.results["verdict"] == "failed"
        record = gates(project)["strict"]
        assert record["verdict"] == "failed"
        assert (record["value"], record["threshold"]) == (0.75, 0.9)
        assert record["slack"] == pytest.approx(-0.15)
        assert record["lower"] < 0.75 < record["upper"]

    def test_wrong_samples_alone_do_not_fail(self, project: Project) -> None:
        assert capitals(project, "accuracy >= 0.75").run(model="echo:").ret == 0

    def test_of_other_metrics_and_statistics(self, project: Project) -> None:
        capitals(project, "length >= 2", "p95(latency_s) <= 30", "lower(accuracy) >= 0.4")
        assert project.run(model="echo:").ret == 0
        assert {name: gate["verdict"] for name, gate in gates(project).items()} == {
            "length": "passed",
            "p95(latency_s)": "passed",
            "lower(accuracy)": "passed",
        }

    @pytest.mark.parametrize(
        ("gate", "value"),
        [
            ('accuracy[continent == "Asia"] >= 0.7', 0.75),
            ("accuracy[level == 0] >= 1", 1.0),
            ("accuracy[old == True] >= 1", 1.0),
        ],
    )
    def test_of_a_slice(self, project: Project, gate: str, value: float) -> None:
        assert capitals(project, gate).run(model="echo:").ret == 0
        (record,) = gates(project).values()
        assert record["value"] == value

    def test_of_a_slice_that_no_sample_is_in(self, project: Project) -> None:
        capitals(project, 'accuracy[continent == "Mars"] >= 0.5')
        result = project.run(model="echo:")
        assert result.ret == 1
        result.stdout.fnmatch_lines(
            ['undecided: *no sample has continent == "Mars"; continent has: "Africa", "Asia"']
        )
        assert project.results["verdict"] == "undecided"


class TestErrors:
    """A gate passes or fails only if it would either way."""

    ONE_ERROR = """
from pytest_modeleval import benchmark

@benchmark([{"id": str(n), "input": "a", "target": "a" if n else "b"} for n in range(10)],
           gates=["low: accuracy >= 0.7", "between: accuracy >= 0.85", "high: accuracy >= 0.95"])
async def test_it(sample, model):
    if sample.id == "9":
        raise OSError("gone")
    assert (await model.chat(sample.input)).text == sample.target
"""

    def test_gates_are_judged_with_bounds(self, project: Project) -> None:
        project.file(self.ONE_ERROR)
        result = project.run("--max-errors=1", model="echo:")
        assert result.ret == 1
        assert {name: gate["verdict"] for name, gate in gates(project).items()} == {
            "low": "passed",
            "between": "undecided",
            "high": "failed",
        }
        result.stdout.fnmatch_lines(
            ["undecided: *1 errored of 10 samples: accuracy may be from 0.8 to 0.9, *"]
        )

    def test_samples_that_were_not_reached(self, project: Project) -> None:
        project.file(self.ONE_ERROR.replace('"9"', '"4"'))
        project.run("-x", model="echo:")
        record = gates(project)["between"]
        assert record["verdict"] == "undecided"
        assert record["reason"].startswith("1 errored and 5 not run of 10 samples")

    def test_a_model_that_cannot_serve(self, project: Project) -> None:
        project.conftest(
            """
from pytest_modeleval.models.protocol import Capabilities

class Backend(Probe):
    def __init__(self, name="", **arguments):
        super().__init__(name)
        self.capabilities = Capabilities(completion=True)
"""
        )
        capitals(project, "accuracy >= 0.1", "length >= 1")
        result = project.run()
        assert result.ret == 1
        why = "test_capitals calls model.chat, but probe (probe) cannot do that: *chat template"
        result.stdout.fnmatch_lines(
            [
                "test_capitals.py nnnnnnnnFF *",
                f"undecided: accuracy >= 0.1: {why}",
                "  8 not run",
                f"  {why}",
                "    [?] accuracy >= 0.1  undecided",
                "    [?] length >= 1      undecided",
                "verdict: undecided (the run is incomplete)",
                "*= 2 failed, 8 not run in *",
            ]
        )


class TestSelection:
    @pytest.mark.parametrize(
        "options",
        [
            ("-k", "q1"),
            ("--deselect", "test_capitals.py::test_capitals[q7]"),
            ("test_capitals.py::test_capitals[q1]", "test_capitals.py::test_capitals[q2]"),
        ],
        ids=lambda options: options[0].partition("::")[0],
    )
    def test_samples_taken_away_leave_it_not_judged(
        self, project: Project, options: tuple[str, ...]
    ) -> None:
        capitals(project, "accuracy >= 0.99")
        result = project.run(*options, model="echo:")
        assert result.ret == 0
        result.stdout.fnmatch_lines(
            ["    - accuracy >= 0.99  not judged: * of the 8 planned samples were not selected"]
        )
        assert gates(project)["accuracy"]["verdict"] == "not judged"

    def test_max_samples_plans_fewer_and_takes_none_away(self, project: Project) -> None:
        capitals(project, "accuracy >= 0.99")
        assert project.run("--max-samples=6", model="echo:").ret == 0
        assert gates(project)["accuracy"]["verdict"] == "passed"

    @pytest.mark.parametrize(
        "options",
        [("test_capitals.py::test_capitals[gate:accuracy]",), ("-k", "gate:accuracy or gate")],
        ids=["node id", "-k"],
    )
    def test_selecting_it_selects_its_samples(
        self, project: Project, options: tuple[str, ...]
    ) -> None:
        capitals(project, "accuracy >= 0.75")
        result = project.run(*options, model="echo:")
        assert result.ret == 0
        assert gates(project)["accuracy"]["value"] == 0.75

    def test_selecting_it_leaves_the_other_gates_out(self, project: Project) -> None:
        capitals(project, "accuracy >= 0.75", "strict: accuracy >= 0.9")
        result = project.run("test_capitals.py::test_capitals[gate:accuracy]", model="echo:")
        assert result.ret == 0
        result.assert_outcomes(passed=7)

    def test_is_collected_behind_its_samples(self, project: Project) -> None:
        capitals(project, "accuracy >= 0.75", "accuracy <= 0.9", "p95(latency_s) <= 3")
        listed = project.run("--co", "-q", model=None).stdout.lines
        assert [line.partition("[")[2] for line in listed if "gate:" in line] == [
            "gate:accuracy>=0.75]",
            "gate:accuracy<=0.9]",
            "gate:p95(latency_s)]",
        ]

    def test_a_mark_deselects_it_with_its_benchmark(self, project: Project) -> None:
        capitals(project, "accuracy >= 0.99")
        assert project.run("-m", "not_there", model="echo:").ret == 5


class TestParametrized:
    TWO = """
import pytest
from pytest_modeleval import benchmark

@pytest.mark.parametrize("suffix", ["", "!"])
@benchmark([{"id": str(n), "input": "a", "target": "a"} for n in range(4)], gates=["accuracy >= 1"])
async def test_two(sample, model, suffix):
    assert (await model.chat(sample.input)).text + suffix == sample.target
"""

    def test_each_parametrization_has_its_own(self, project: Project) -> None:
        project.file(self.TWO.replace('["", "!"]', '["", "!"], ids=["plain", "loud"]'))
        result = project.run("-v", model="echo:")
        assert result.ret == 1
        result.stdout.fnmatch_lines(
            [
                "*::test_two[[]plain-gate:accuracy[]] PASSED*",
                "*::test_two[[]loud-gate:accuracy[]] FAILED*",
            ]
        )
        names = [each["name"] for each in project.results["benchmarks"]]
        assert names == ["test_it.py::test_two[plain]", "test_it.py::test_two[loud]"]

    def test_each_model_has_its_own(self, project: Project) -> None:
        capitals(project, "accuracy >= 0.75")
        result = project.run("-v", "--model=echo:one", "--model=echo:two", model=None)
        assert result.ret == 0
        result.stdout.fnmatch_lines(
            [
                "*::test_capitals[[]one-gate:accuracy[]] PASSED*",
                "*::test_capitals[[]two-gate:accuracy[]] PASSED*",
            ]
        )


class TestCommandLine:
    def test_adds_one(self, project: Project) -> None:
        capitals(project, "accuracy >= 0.5")
        result = project.run("--gate", "test_capitals: accuracy >= 0.9", model="echo:")
        assert result.ret == 1
        assert [gate["expression"] for gate in gates(project).values()] == [
            "accuracy >= 0.5",
            "accuracy >= 0.9",
        ]

    @pytest.mark.parametrize(
        "benchmark", ["test_capitals", "test_capitals.py::test_capitals"], ids=["name", "node id"]
    )
    def test_names_its_benchmark(self, project: Project, benchmark: str) -> None:
        capitals(project)
        assert project.run("--gate", f"{benchmark}: own: accuracy >= 0.7", model="echo:").ret == 0
        assert list(gates(project)) == ["own"]

    @pytest.mark.parametrize(
        ("gate", "sentence"),
        [
            ("test_capitals", '--gate=test_capitals: expected "BENCHMARK: EXPRESSION", such as *'),
            ("test_capitals: accuracy =>", "--gate: gate `accuracy =>` cannot be read at column*"),
            ("test_capitals: accuracy >= 75", "--gate: *out of range: *(did you mean 0.75[?])*"),
            (
                "test_capitals: acuracy >= 0.8",
                '--gate "test_capitals: …": *no metric acuracy (did you mean accuracy[?])*length*',
            ),
            (
                "test_capital: accuracy >= 0.8",
                '--gate "test_capital: …": no benchmark of that name was collected; '
                "there are test_capitals. Did you mean 'test_capitals'[?]",
            ),
            ("test_capitals: low: accuracy >= 0.8", "*two gates are named low: *its own name"),
        ],
        ids=["no expression", "syntax", "range", "metric", "benchmark", "name"],
    )
    def test_a_mistake_is_one_sentence(self, project: Project, gate: str, sentence: str) -> None:
        capitals(project, "low: accuracy >= 0.5")
        result = project.run("--gate", gate)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"ERROR: {sentence}"])
        assert not (project.path / "probe.json").exists(), "no sample ran"


class TestMistakes:
    @pytest.mark.parametrize(
        ("gate", "sentence"),
        [
            ("accuracy >=", "gate `accuracy >=` cannot be read at column *"),
            ("accuracy >= 1.5", "gate `accuracy >= 1.5` is out of range: accuracy is from 0 to 1*"),
            (
                "lenght >= 2",
                "gate lenght >= 2: there is no metric lenght (did you mean length[?]); there are: "
                "accuracy, *length*. A metric that a helper records is named with *",
            ),
            ("__import__('os') >= 2", "gate `__import__('os') >= 2` *"),
        ],
    )
    def test_are_told_at_collection(self, project: Project, gate: str, sentence: str) -> None:
        capitals(project, gate)
        result = project.run("--co", model=None)
        assert result.ret == pytest.ExitCode.INTERRUPTED
        result.stdout.fnmatch_lines(
            ["*ERROR collecting test_capitals.py*", f"test_capitals: {sentence}"]
        )
        result.stdout.no_fnmatch_line("*Traceback*")

    def test_a_metric_of_a_helper_may_be_named(self, project: Project) -> None:
        project.file(
            """
from pytest_modeleval import benchmark, score

def judge(text):
    for name in ["grade"]:
        score(name, 3)

@benchmark([{"id": "a", "input": "a", "target": "a"}], gates=["grade >= 3"], metrics=["grade"])
async def test_it(sample, model):
    judge(await model.chat(sample.input))
"""
        )
        assert project.run().ret == 0

    def test_a_metric_that_no_sample_recorded(self, project: Project) -> None:
        capitals(
            project, "length >= 2", "grade >= 1", more="\ndef later():\n    score('grade', 1)\n"
        )
        result = project.run(model="echo:")
        assert result.ret == 1
        result.stdout.fnmatch_lines(
            ["undecided: grade >= 1: no sample recorded grade; recorded: accuracy, length, *"]
        )
