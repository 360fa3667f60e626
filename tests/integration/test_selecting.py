"""Which samples a run takes."""

from __future__ import annotations

import pytest

from pytest_modeleval.results.details import read_details
from tests.integration.conftest import Project

HUNDRED = """
import pytest
from pytest_modeleval import benchmark

@pytest.mark.slow
@benchmark([{"id": f"q{n}", "input": str(n), "target": str(n)} for n in range(100)],
           gates=["accuracy >= 1"])
async def test_it(sample, model):
    assert (await model.chat(sample.input)).text == sample.target
"""


@pytest.fixture
def hundred(project: Project) -> Project:
    (project.path / "pytest.ini").write_text("[pytest]\nmarkers = slow\n")
    project.file(HUNDRED)
    return project


def taken(project: Project, *options: str) -> list[str]:
    lines = project.run("--co", "-q", *options, model=None).outlines
    return [line.partition("[")[2][:-1] for line in lines if "[" in line and "gate:" not in line]


class TestMaxSamples:
    def test_takes_the_first(self, hundred: Project) -> None:
        assert taken(hundred, "--max-samples=3") == ["q0", "q1", "q2"]

    def test_more_than_there_are_are_all(self, hundred: Project) -> None:
        assert len(taken(hundred, "--max-samples=1000")) == 100

    def test_a_seed_draws_others_the_same_every_time(self, hundred: Project) -> None:
        drawn = taken(hundred, "--max-samples=10", "--sample-seed=1")
        assert drawn == taken(hundred, "--max-samples=10", "--sample-seed=1")
        assert drawn != taken(hundred, "--max-samples=10", "--sample-seed=2")
        assert len(set(drawn)) == 10
        places = [int(each[1:]) for each in drawn]
        assert places == sorted(places), "in the dataset's order"
        assert places != list(range(10))

    def test_a_drawn_sample_stands_at_its_place_in_gates(self, hundred: Project) -> None:
        result = hundred.run("--max-samples=10", "--sample-seed=1", model="echo:")
        assert result.ret == 0
        assert hundred.samples == {"planned": 10, "right": 10}
        (benchmark,) = hundred.results["benchmarks"]
        assert benchmark["gates"][0]["verdict"] == "passed"

    def test_a_sample_beyond_them_is_not_there(self, hundred: Project) -> None:
        result = hundred.run("--max-samples=3", "test_it.py::test_it[q5]")
        assert result.ret != 0
        result.stdout.fnmatch_lines(["*no sample 'q5' among the 3 that are planned*"])


class TestDeselecting:
    @pytest.mark.parametrize(
        ("options", "selected"),
        [
            (("-k", "q7"), 11),
            (("-k", "not q7"), 89),
            (("-m", "slow"), 100),
            (("--deselect=test_it.py::test_it[q5]",), 99),
            (("test_it.py::test_it[q5]", "test_it.py::test_it[q50]"), 2),
            (("test_it.py::test_it",), 100),
            (("test_it.py", "test_it.py::test_it[q5]"), 100),
            ((".", "-k", "test_it"), 100),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
    )
    def test_as_with_any_test(
        self, hundred: Project, options: tuple[str, ...], selected: int
    ) -> None:
        result = hundred.run(*options, model="echo:")
        assert result.ret == 0
        assert hundred.samples["right"] == selected
        assert hundred.samples.get("deselected", 0) == 100 - selected
        (benchmark,) = hundred.results["benchmarks"]
        expected = "passed" if selected == 100 else "not judged"
        assert benchmark["gates"][0]["verdict"] == expected

    def test_all_of_it(self, hundred: Project) -> None:
        assert hundred.run("-m", "not slow").ret == pytest.ExitCode.NO_TESTS_COLLECTED

    def test_a_node_id_in_a_class_and_with_parameters(self, project: Project) -> None:
        project.file(
            """
import pytest
from pytest_modeleval import benchmark

class TestIt:
    @pytest.mark.parametrize("way", ["one", "two"])
    @benchmark([{"id": "a-b", "input": "a"}, {"id": "c", "input": "a"}])
    async def test_it(self, sample, model, way): ...
"""
        )
        assert taken(project) == ["one-a-b", "one-c", "two-a-b", "two-c"]
        assert taken(project, "test_it.py::TestIt::test_it[two-a-b]") == ["two-a-b"]


def test_hidden_ids_of_odd_samples_can_be_named(project: Project) -> None:
    project.file(
        """
from pytest_modeleval import benchmark

@benchmark([{"id": each, "input": "a"} for each in ["a b", "[x]", "é", "a::b", "gate:a", "x" * 99]])
async def test_it(sample, model): ...
"""
    )
    ids = taken(project)
    assert len(set(ids)) == 6
    for each in ids:
        assert project.run(f"test_it.py::test_it[{each}]", model="echo:").ret == 0, each
        assert project.samples == {"planned": 6, "right": 1, "deselected": 5}


def test_a_gate_that_was_left_out_decides_nothing(project: Project) -> None:
    project.file(HUNDRED.replace("@pytest.mark.slow", "").replace("sample.target\n", '"no"\n'))
    result = project.run("-k", "not gate", model="echo:")
    assert result.ret == 0
    assert project.samples == {"planned": 100, "wrong": 100}
    assert project.results["verdict"] == "passed"
    (gate,) = project.results["benchmarks"][0]["gates"]
    assert (gate["verdict"], gate["reason"]) == ("not judged", "the gate was not selected")


class TestSampleOrder:
    def test_is_random_the_same_every_time_and_before_the_gates(self, hundred: Project) -> None:
        drawn = taken(hundred, "--sample-order=1")
        assert drawn == taken(hundred, "--sample-order=1")
        assert drawn != taken(hundred, "--sample-order=2")
        planned = taken(hundred)
        assert sorted(drawn) == sorted(planned)
        assert drawn != planned
        hundred.run("--sample-order=1", "--concurrency=1", "--model-arg=concurrency=1")
        assert hundred.probe["asked"] == [each[1:] for each in drawn]

    def test_results_are_the_same_otherwise(self, hundred: Project) -> None:
        found = []
        for options in ((), ("--sample-order=1",)):
            assert hundred.run("--modeleval-out=out", *options).ret == 0
            rows = read_details(hundred.path / "out").to_pylist()
            (benchmark,) = hundred.results["benchmarks"]
            found.append(
                (
                    [(row["id"], row["outcome"], row["seed"]) for row in rows],
                    benchmark["samples"],
                    benchmark["metrics"]["accuracy"],
                    [gate["verdict"] for gate in benchmark["gates"]],
                )
            )
        assert found[0] == found[1]

    def test_a_part_is_the_same_part(self, hundred: Project) -> None:
        drawn = taken(hundred, "--max-samples=10", "--sample-order=1")
        assert sorted(drawn) == [f"q{n}" for n in range(10)]
