"""--lf, --ff, --nf, --sw, -x and --maxfail."""

from __future__ import annotations

import re

import pytest

from tests.integration.conftest import ARITHMETIC, Project

GATED = ARITHMETIC.replace("])\n", "], gates=GATES)\n").replace(
    "from pytest_modeleval",
    "import os\nGATES = os.environ.get('GATES', '').split(';')\n"
    "GATES = [each for each in GATES if each]\nfrom pytest_modeleval",
)


def ran(result: pytest.RunResult) -> list[str]:
    """The part in brackets of each item that was reported, in order."""
    return re.findall(r"^\S+\[(\S+)\] [A-Z]", result.stdout.str(), re.MULTILINE)


def test_lf_runs_wrong_samples_again(project: Project) -> None:
    project.file(ARITHMETIC)
    assert project.run().ret == 0
    result = project.run("--lf", "-v")
    assert ran(result) == ["s3", "s4", "s5"]
    result.stdout.fnmatch_lines(["*rerun previous 3 failures*"])


def test_lf_forgets_a_sample_that_became_right(project: Project) -> None:
    project.file(ARITHMETIC)
    project.run()
    project.conftest("""
class Backend(Probe):
    async def reply(self, text, number):
        return str(int(text) % 3) if text != "4" else "?"
""")
    project.run("--lf")
    assert ran(project.run("--lf", "-v")) == ["s4"]


def test_lf_runs_errors_again_even_where_they_are_allowed(project: Project) -> None:
    project.file(
        ARITHMETIC.replace(
            "assert reply.text", 'assert 1 / (sample.id != "s1"), "x"\n    assert reply.text'
        )
    )
    assert project.run("--max-errors=1").ret == 0
    assert ran(project.run("--lf", "-v", "--max-errors=1")) == ["s1", "s3", "s4", "s5"]


def test_lf_of_a_failed_gate_runs_its_samples(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATES", "accuracy >= 0.9")
    project.file(GATED)
    assert project.run().ret == 1
    result = project.run("--lf", "-v")
    assert ran(result) == [*(f"s{n}" for n in range(6)), "gate:accuracy"]
    assert result.ret == 1


def test_lf_leaves_a_gate_that_held_unjudged(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATES", "accuracy >= 0.1")
    project.file(GATED)
    assert project.run().ret == 0
    result = project.run("--lf", "-v")
    assert ran(result) == ["s3", "s4", "s5"]
    assert result.ret == 0
    (benchmark,) = project.results["benchmarks"]
    assert [gate["verdict"] for gate in benchmark["gates"]] == ["not judged"]


def test_ff_keeps_gates_behind_their_samples(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATES", "accuracy >= 0.9")
    project.file(GATED)
    project.run()
    result = project.run("--ff", "-v")
    assert ran(result) == ["s3", "s4", "s5", "s0", "s1", "s2", "gate:accuracy"]
    result.stdout.fnmatch_lines(["*gate failed: accuracy >= 0.9: it is 0.5*"])


def test_nf_runs_new_benchmarks_first(project: Project) -> None:
    project.file(ARITHMETIC)
    project.run()
    project.file(ARITHMETIC.replace("test_sums", "test_new"), name="test_other")
    result = project.run("--nf", "-v")
    assert result.stdout.str().index("test_new[s5]") < result.stdout.str().index("test_sums[s0]")


def test_sw_stops_at_a_failure_and_continues_there(project: Project) -> None:
    project.file(ARITHMETIC)
    first = project.run("--sw", "-v", "--modeleval-wrong=fail")
    assert ran(first) == ["s0", "s1", "s2", "s3"]
    second = project.run("--sw", "-v", "--modeleval-wrong=fail")
    assert ran(second) == ["s3"]
    third = project.run("--sw", "--sw-skip", "-v", "--modeleval-wrong=fail")
    assert ran(third) == ["s3", "s4"]


@pytest.mark.parametrize(
    "option, last", [("-x", 3), ("--maxfail=1", 3), ("--maxfail=2", 4), ("--exitfirst", 3)]
)
def test_maxfail_stops_and_keeps_what_was_done(project: Project, option: str, last: int) -> None:
    project.file(ARITHMETIC)
    result = project.run(option, "-v", "--modeleval-wrong=fail")
    assert result.ret == 1
    assert ran(result) == [f"s{n}" for n in range(last + 1)]
    assert project.samples == {
        "planned": 6,
        "right": 3,
        "wrong": last - 2,
        "not_run": 5 - last,
    }
    assert project.results["complete"] is False


def test_x_does_not_stop_at_wrong_samples(project: Project) -> None:
    project.file(ARITHMETIC)
    assert project.run("-x").ret == 0
    assert project.samples == {"planned": 6, "right": 3, "wrong": 3}


def test_x_cancels_what_still_runs(project: Project) -> None:
    project.conftest("""
import asyncio

class Backend(Probe):
    async def reply(self, text, number):
        if text == "0":
            await self.until(lambda: len(self.asked) == 6)
            raise RuntimeError("broken")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.notes["cancelled"] = self.notes.get("cancelled", 0) + 1
            raise
""")
    project.file(ARITHMETIC)
    assert project.run("-x").ret == 1
    assert project.probe["cancelled"] == 5
    assert project.samples == {"planned": 6, "error": 1, "not_run": 5}


def test_a_failing_ordinary_test_stops_benchmarks_too(project: Project) -> None:
    project.file("def test_first():\n    assert 0\n" + ARITHMETIC)
    assert project.run("-x").ret == 1
    assert project.samples == {"planned": 6, "not_run": 6}
