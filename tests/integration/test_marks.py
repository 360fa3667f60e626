"""Marks, parameters and classes are pytest's own on a benchmark too."""

from __future__ import annotations

import pytest

from tests.integration.conftest import Project

HEAD = """
import pytest
from pytest_modeleval import benchmark

samples = benchmark([{"id": f"s{n}", "input": str(n)} for n in range(3)])
"""


def node_ids(result: pytest.RunResult) -> list[str]:
    return [line for line in result.outlines if "::" in line and " " not in line]


def test_parameters_stand_in_node_ids_and_names(project: Project) -> None:
    project.file(f"""{HEAD}
@samples
@pytest.mark.parametrize("style", ["plain", "polite"])
@pytest.mark.parametrize("turns", [1, 2])
async def test_it(sample, model, style, turns):
    assert style in ("plain", "polite") and turns in (1, 2)
""")
    listed = project.run("--co", "-q")
    assert node_ids(listed)[:4] == [
        "test_it.py::test_it[1-plain-s0]",
        "test_it.py::test_it[1-plain-s1]",
        "test_it.py::test_it[1-plain-s2]",
        "test_it.py::test_it[1-polite-s0]",
    ]
    assert project.run().ret == 0
    assert [each["name"] for each in project.results["benchmarks"]] == [
        "test_it.py::test_it[1-plain]",
        "test_it.py::test_it[1-polite]",
        "test_it.py::test_it[2-plain]",
        "test_it.py::test_it[2-polite]",
    ]


def test_indirect_parameters_reach_their_fixture(project: Project) -> None:
    project.file(f"""{HEAD}
@pytest.fixture
def doubled(request):
    return 2 * request.param

@samples
@pytest.mark.parametrize("doubled, expected", [(1, 2), (4, 8)], indirect=["doubled"])
def test_it(sample, doubled, expected):
    assert doubled == expected
""")
    result = project.run("--modeleval-wrong=fail")
    result.assert_outcomes(passed=6)


def test_parametrized_fixtures_make_benchmarks(project: Project) -> None:
    project.file(f"""{HEAD}
@pytest.fixture(scope="module", params=["warm", "cold"])
def start(request):
    return request.param

@samples
async def test_it(sample, start):
    print("ran", sample.id, start)
    assert 0
""")
    result = project.run("--modeleval-wrong=fail")
    result.assert_outcomes(failed=6)
    for start in ("warm", "cold"):
        for number in range(3):
            result.stdout.fnmatch_lines([f"ran s{number} {start}"])


def test_methods_share_their_class(project: Project) -> None:
    project.file(f"""{HEAD}
class TestDialogue:
    seen = []

    @pytest.fixture(scope="class")
    def hall(self):
        return "hall"

    @samples
    async def test_a(self, sample, model, hall):
        self.seen.append(sample.id)
        assert hall == "hall"

    @samples
    def test_b(self, sample, model):
        assert self.help(sample) == 3

    def help(self, sample):
        return len(self.seen)
""")
    result = project.run("-v", "--modeleval-wrong=fail")
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["test_it.py::TestDialogue::test_b[[]s2] RIGHT*"])


@pytest.mark.parametrize(
    "mark", ['skip(reason="later")', 'skipif("1 + 1 == 2", reason="later")', "slow"]
)
def test_skip_and_skipif(project: Project, mark: str) -> None:
    project.conftest("""
def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes long")
""")
    project.file(f"""{HEAD}
@samples
@pytest.mark.{mark}
async def test_it(sample, model):
    await model.chat("x")
""")
    arguments = ["-m", "not slow"] if mark == "slow" else []
    result = project.run(*arguments, "-rs")
    if mark == "slow":
        result.assert_outcomes(deselected=3)
        return
    result.assert_outcomes(skipped=3)
    result.stdout.fnmatch_lines(["SKIPPED*later"])
    assert project.probe["asked"] == []
    assert project.samples == {"planned": 3, "skipped": 3}


def test_xfail_shows_misses_as_expected(project: Project) -> None:
    project.file(f"""{HEAD}
@samples
@pytest.mark.xfail(reason="too hard", strict=False)
async def test_it(sample, model):
    assert sample.id == "s1"
    assert (await model.chat("x")).text == "x"
""")
    result = project.run("-rx")
    result.assert_outcomes(xfailed=2, xpassed=1)
    result.stdout.fnmatch_lines(["XFAIL*s0]*too hard*"])
    assert project.samples == {"planned": 3, "right": 1, "wrong": 2}
    assert result.ret == 0


def test_xfail_that_runs_nothing(project: Project) -> None:
    project.file(f"""{HEAD}
@samples
@pytest.mark.xfail(run=False, reason="crashes")
async def test_it(sample, model):
    await model.chat("x")
""")
    result = project.run()
    result.assert_outcomes(xfailed=3)
    assert project.probe["asked"] == []


def test_marks_select(project: Project) -> None:
    project.conftest("""
def pytest_configure(config):
    config.addinivalue_line("markers", "hard: not for small models")
""")
    project.file(f"""{HEAD}
@samples
@pytest.mark.hard
async def test_hard(sample): pass

@samples
@pytest.mark.parametrize("n", [1, pytest.param(2, marks=pytest.mark.hard)])
async def test_some(sample, n): pass
""")
    listed = node_ids(project.run("--co", "-q", "-m", "hard"))
    assert len(listed) == 6
    assert {each.rpartition("[")[0] for each in listed} == {
        "test_it.py::test_hard",
        "test_it.py::test_some",
    }
    assert len(node_ids(project.run("--co", "-q", "-m", "not hard"))) == 3


def test_marks_on_the_module_hold_for_benchmarks(project: Project) -> None:
    project.file(f"""{HEAD}
pytestmark = pytest.mark.skipif(True, reason="not here")

@samples
async def test_it(sample): pass
""")
    project.run().assert_outcomes(skipped=3)


def test_a_benchmark_without_a_model_argument(project: Project) -> None:
    project.file(f"""{HEAD}
@samples
def test_it(sample):
    assert sample.input == "1"
""")
    project.run()
    assert project.samples == {"planned": 3, "right": 1, "wrong": 2}
