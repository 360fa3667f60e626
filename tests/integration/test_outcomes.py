"""What becomes of a sample, and how it is reported."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from tests.integration.conftest import Project

MIXED = """
import pytest
from pytest_modeleval import benchmark

@benchmark(
    [{"id": f"s{n}", "input": "yes", "target": "yes" if n < 3 else "no"} for n in range(8)],
    gates=["accuracy >= 0.1"],
)
async def test_mixed(sample, model):
    if sample.id == "s5":
        raise LookupError("no such thing")
    if sample.id == "s6":
        pytest.skip("not for this model")
    if sample.id == "s7":
        pytest.fail("judged by hand")
    reply = await model.chat(sample.input)
    assert reply.text == sample.target
"""
"""Three right, three wrong (one by pytest.fail), one error, one skipped."""

COUNTED = {
    **{"planned": 8, "right": 3, "wrong": 3, "error": 1},
    **{"skipped": 1, "not_run": 0, "not_needed": 0, "deselected": 0},
}


@pytest.fixture
def mixed(project: Project) -> Project:
    project.file(MIXED, "test_mixed")
    return project


def counted(project: Project) -> dict[str, int]:
    (benchmark,) = project.results["benchmarks"]
    samples: dict[str, int] = benchmark["samples"]
    return samples


class TestEach:
    def test_is_counted_and_has_its_letter(self, mixed: Project) -> None:
        result = mixed.run(model="echo:")
        assert result.ret == 1, "an error fails the run"
        result.stdout.fnmatch_lines(
            [
                "test_mixed.py ...wwFsw. *",
                "test_mixed.py::test_mixed  echo",
                "  3 right, 3 wrong, 1 error of 7, 1 skipped  in *",
                "    accuracy *0.4286 *n=7",
                "verdict: failed",
                "FAILED test_mixed.py::test_mixed[[]s5[]] - LookupError: no such thing",
                "*= 1 failed, 4 passed, 1 skipped, 3 wrong in *",
            ]
        )
        assert counted(mixed) == COUNTED
        assert mixed.errors == {"s5": "LookupError: no such thing"}

    def test_errors_stay_in_the_denominator(self, mixed: Project) -> None:
        mixed.run(model="echo:")
        (benchmark,) = mixed.results["benchmarks"]
        accuracy = benchmark["metrics"]["accuracy"]
        assert accuracy["n"] == 7
        assert accuracy["value"] == pytest.approx(3 / 7)

    def test_is_named_when_verbose(self, mixed: Project) -> None:
        result = mixed.run("-v", model="echo:")
        result.stdout.fnmatch_lines(
            [
                "*::test_mixed[[]s0[]] RIGHT *",
                "*::test_mixed[[]s3[]] WRONG *",
                "*::test_mixed[[]s5[]] FAILED *",
                "*::test_mixed[[]s6[]] SKIPPED (not for this model) *",
                "*::test_mixed[[]gate:accuracy[]] PASSED *",
            ]
        )

    def test_wrong_ones_are_listed_on_request(self, mixed: Project) -> None:
        assert "WRONG" not in mixed.run(model="echo:").stdout.str()
        result = mixed.run("-rw", model="echo:")
        result.stdout.fnmatch_lines(
            [
                "*= wrong samples =*",
                "WRONG test_mixed.py::test_mixed[[]s3[]] - assert 'yes' == 'no'",
                "WRONG test_mixed.py::test_mixed[[]s4[]] - assert 'yes' == 'no'",
                "WRONG test_mixed.py::test_mixed[[]s7[]] - judged by hand",
            ]
        )

    @pytest.mark.parametrize(
        "options",
        [
            ("-q",),
            ("-p", "no:terminal"),
            ("--durations=3", "-vv"),
            ("-p", "no:cacheprovider"),
            ("-s",),
            ("--tb=no",),
            ("--setup-show",),
        ],
        ids=" ".join,
    )
    def test_is_the_same_under(self, mixed: Project, options: tuple[str, ...]) -> None:
        assert mixed.run(*options, model="echo:").ret == 1
        assert counted(mixed) == COUNTED


class TestJUnitXML:
    """pytest's own --junitxml."""

    def test_has_every_outcome(self, mixed: Project) -> None:
        mixed.run("--junitxml=own.xml", model="echo:")
        cases = ElementTree.parse(mixed.path / "own.xml").getroot().iter("testcase")
        found = {case.get("name"): [child.tag for child in case] for case in cases}
        assert found == {
            "test_mixed[s0]": ["properties"],
            "test_mixed[s1]": ["properties"],
            "test_mixed[s2]": ["properties"],
            "test_mixed[s3]": ["properties"],
            "test_mixed[s4]": ["properties"],
            "test_mixed[s5]": ["properties", "failure"],
            "test_mixed[s6]": ["skipped"],
            "test_mixed[s7]": ["properties"],
            "test_mixed[gate:accuracy]": ["properties"],
        }

    @pytest.mark.parametrize("option", ["-q", "--setup-show"])
    def test_has_scores_and_gates_as_properties(self, mixed: Project, option: str) -> None:
        mixed.run("--junitxml=own.xml", option, model="echo:")
        cases = ElementTree.parse(mixed.path / "own.xml").getroot().iter("testcase")
        properties = {
            case.get("name"): {
                each.get("name"): each.get("value") for each in case.iter("property")
            }
            for case in cases
        }
        assert properties["test_mixed[s0]"]["accuracy"] == "1.0"
        assert properties["test_mixed[s3]"]["accuracy"] == "0.0"
        gate = properties["test_mixed[gate:accuracy]"]
        assert (gate["expression"], gate["verdict"]) == ("accuracy >= 0.1", "passed")
        assert float(gate["threshold"] or 0) == 0.1


class TestWrongOption:
    def test_xfail(self, mixed: Project) -> None:
        result = mixed.run("--modeleval-wrong=xfail", "-rx", model="echo:")
        result.stdout.fnmatch_lines(
            ["XFAIL *[[]s3[]] - wrong: assert 'yes' == 'no'", "*1 failed, 4 passed*3 xfailed*"]
        )
        assert counted(mixed) == COUNTED

    def test_fail(self, mixed: Project) -> None:
        result = mixed.run("--modeleval-wrong=fail", "--deselect=test_mixed.py::test_mixed[s5]")
        assert result.ret == 1
        result.assert_outcomes(failed=3, passed=3, skipped=2, deselected=1)
        result.stdout.fnmatch_lines(
            [">       assert reply.text == sample.target", "E * assert 'yes' == 'no'"]
        )
        assert mixed.results["verdict"] == "failed"

    def test_fail_stops_at_the_first(self, mixed: Project) -> None:
        result = mixed.run("--modeleval-wrong=fail", "-x", model="echo:")
        result.assert_outcomes(failed=1, passed=3)


class TestOneSample:
    """Named by its node id, as an IDE does."""

    def test_is_red_when_wrong(self, mixed: Project) -> None:
        result = mixed.run("test_mixed.py::test_mixed[s3]", model="echo:")
        assert result.ret == 1
        result.stdout.fnmatch_lines(
            [
                ">       assert reply.text == sample.target",
                "E       AssertionError: assert 'yes' == 'no'",
                "*- prompt to echo -*",
                "[[]user[]] yes",
                "*- reply -*",
                "yes",
                "*- expected -*",
                "no",
                "    - accuracy >= 0.1  not judged: 7 of the 8 planned samples were not selected",
                "verdict: failed",
            ]
        )
        one = {"planned": 8, "wrong": 1, "deselected": 7}
        assert counted(mixed) == {**dict.fromkeys(COUNTED, 0), **one}

    def test_is_green_when_right(self, mixed: Project) -> None:
        result = mixed.run("test_mixed.py::test_mixed[s0]", model="echo:")
        assert result.ret == 0
        result.stdout.fnmatch_lines(["verdict: passed (no gate was judged)"])

    def test_of_two_neither_is_strict(self, mixed: Project) -> None:
        result = mixed.run("test_mixed.py::test_mixed[s3]", "test_mixed.py::test_mixed[s4]")
        assert result.ret == 0

    def test_is_no_stricter_when_k_leaves_one(self, mixed: Project) -> None:
        assert mixed.run("-k", "s3").ret == 0

    def test_that_is_not_there_is_said(self, mixed: Project) -> None:
        result = mixed.run("test_mixed.py::test_mixed[s30]")
        result.stdout.fnmatch_lines(["*has no sample 's30' among the 8 *there are*s3*"])
        assert result.ret != 0


class TestMaxErrors:
    def test_an_allowed_error_does_not_fail(self, mixed: Project) -> None:
        result = mixed.run("--max-errors=1", model="echo:")
        assert result.ret == 0
        result.stdout.fnmatch_lines(["test_mixed.py ...wwesw. *", "*3 wrong, 1 errored in *"])
        assert counted(mixed) == COUNTED
        assert mixed.results["verdict"] == "passed"

    def test_more_are_one_failure(self, mixed: Project) -> None:
        result = mixed.run("--max-errors=0", model="echo:")
        assert result.ret == 1
        result.stdout.fnmatch_lines(
            ["1 of 8 samples failed with an error; --max-errors 0 allows 0", "*1 failed*1 errored*"]
        )
        assert mixed.results["verdict"] == "failed"

    @pytest.mark.parametrize(("share", "status"), [("12%", 1), ("12.5%", 0), ("100%", 0)])
    def test_as_a_share_of_what_was_asked_for(
        self, mixed: Project, share: str, status: int
    ) -> None:
        assert mixed.run(f"--max-errors={share}").ret == status

    def test_a_share_is_not_of_what_was_deselected(self, mixed: Project) -> None:
        assert mixed.run("--max-errors=12.5%", "-k", "s0 or s5").ret == 1

    def test_verbosely(self, mixed: Project) -> None:
        result = mixed.run("--max-errors=1", "-v")
        result.stdout.fnmatch_lines(["*[[]s5[]] ERRORED *"])


class TestStopping:
    def test_what_was_not_reached_is_not_run(self, mixed: Project) -> None:
        result = mixed.run("-x", model="echo:")
        assert result.ret == 1
        result.assert_outcomes(failed=1, passed=3)
        assert counted(mixed) == {**COUNTED, "wrong": 2, "skipped": 0, "not_run": 2}
        assert mixed.results["complete"] is False
        result.stdout.fnmatch_lines(
            [
                "  3 right, 2 wrong, 1 error of 6, 2 not run  in *",
                "    ✓ accuracy >= 0.1  passed: 0.5000, 0.4000 to spare",
                "verdict: failed (the run is incomplete: stopping after 1 failures)",
            ]
        )

    def test_maxfail_counts_errors_and_not_wrong_samples(self, mixed: Project) -> None:
        result = mixed.run("--maxfail=2", model="echo:")
        result.assert_outcomes(failed=1, passed=4, skipped=1)
        assert counted(mixed) == COUNTED
