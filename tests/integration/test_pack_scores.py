"""A pack's own result: its score, its gates, and its policy."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest

from pytest_modeleval.results.results_json import read_results
from tests.integration.conftest import Project

SUMS = """
from pytest_modeleval import benchmark, score

def numbers(count):
    return [{"id": f"s{n}", "input": str(n), "target": str(n % 3)} for n in range(count)]

@benchmark(numbers(6))
async def test_half(sample, model):
    reply = await model.chat(sample.input)
    assert reply.text == sample.target

@benchmark(numbers(3))
async def test_all(sample, model):
    reply = await model.chat(sample.input)
    score("length", len(reply.text) / 4)
    assert reply.text == sample.target
"""
PACK = """
[pack]
name = "core"
version = "1.0.0"
{info}

[[task]]
benchmark = "test_sums.py::test_half"
weight = 3

[[task]]
benchmark = "test_sums.py::test_all"
{task}
"""
FAILING = """
class Backend(Backend):
    async def reply(self, text, number):
        if text == "5":
            raise RuntimeError("no reply")
        return text
"""


@pytest.fixture
def packed(project: Project) -> Any:
    def run(
        info: str, *arguments: str, task: str = "", conftest: str = "", node: str = ""
    ) -> pytest.RunResult:
        project.conftest(conftest)
        project.file(SUMS, "test_sums")
        text = PACK.format(info=info, task=task)
        (project.path / "core.pack.toml").write_text(text, "utf-8")
        return project.run(f"core.pack.toml{node}", *arguments)

    return run


def pack_of(project: Project) -> dict[str, Any]:
    (pack,) = project.results["packs"]
    return pack  # type: ignore[no-any-return]


def test_the_score_is_the_mean_of_its_tasks(project: Project, packed: Any) -> None:
    gates = 'gates = ["score >= 0.75", "lower(score) >= 0.7", "half >= 0.5", "low: score < 0.9"]'
    result = packed(gates, "-v", "--gate", "core: all >= 0.9")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    pack = pack_of(project)
    assert (pack["name"], pack["version"], pack["file"]) == ("core", "1.0.0", "core.pack.toml")
    assert pack["score"] == pytest.approx((0.5 + 1) / 2)
    (half, whole) = pack["tasks"]
    assert (half["value"], half["judged"], half["benchmarks"]) == (0.5, 6, ["core.pack.toml::half"])
    below = (half["value"] - half["lower"]) ** 2 + (whole["value"] - whole["lower"]) ** 2
    assert pack["lower"] == pytest.approx(pack["score"] - below**0.5 / 2)
    verdicts = {gate["name"]: gate["verdict"] for gate in pack["gates"]}
    assert verdicts == {
        "score": "passed",
        "lower(score)": "failed",
        "half": "passed",
        "low": "passed",
        "all": "passed",
    }
    result.stdout.fnmatch_lines(
        [
            "core.pack.toml::pack[[]gate:score[]] PASSED*",
            "core.pack.toml::pack[[]gate:lower(score)[]] FAILED*",
            "*score *0.7500 *macro mean*",
            "*verdict: failed*",
        ]
    )
    folder = project.path / ".modeleval/runs/latest"
    assert read_results(folder).packs[0].gates[1].verdict == "failed"
    assert "`core 1.0.0`" in (folder / "summary.md").read_text("utf-8")
    suites = ElementTree.parse(folder / "junit.xml").getroot()
    suite = next(each for each in suites if each.get("name") == "core.pack.toml (probe)")
    assert (suite.get("tests"), suite.get("failures")) == ("5", "1")
    properties = {each.get("name"): each.get("value") for each in suite.iter("property")}
    assert properties["score"] == "0.75"


def test_weights_metrics_and_confidence(project: Project, packed: Any) -> None:
    info = 'aggregate = "weighted_mean"\npolicy = { confidence = 0.8 }\ngates = ["score >= 0.2"]'
    packed(info, task='metric = "length"')
    pack = pack_of(project)
    assert pack["score"] == pytest.approx((3 * 0.5 + 0.25) / 4)
    assert pack["tasks"][1]["metric"] == "length"
    (gate,) = pack["gates"]
    assert (gate["verdict"], gate["alpha"]) == ("passed", 0.2)
    assert pack["tasks"][0]["lower"] > 0.25, "at 95 % it is 0.19"


def test_workers_come_to_the_same(project: Project, packed: Any) -> None:
    project.plugins.append("xdist")
    result = packed('gates = ["score >= 0.8"]', "-n2")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["FAILED core.pack.toml::pack[[]gate:score[]]*"])
    pack = pack_of(project)
    assert pack["score"] == pytest.approx(0.75)
    assert [gate["verdict"] for gate in pack["gates"]] == ["failed"]


def test_what_was_deselected_is_not_judged(project: Project, packed: Any) -> None:
    result = packed('gates = ["score >= 0.9"]', "-k", "half or score")
    assert result.ret == 0
    (gate,) = pack_of(project)["gates"]
    assert (gate["verdict"], gate["reason"]) == ("not judged", "all was not selected whole")


def test_a_gate_by_its_node_id_brings_the_samples(project: Project, packed: Any) -> None:
    result = packed('gates = ["score >= 0.7"]', node="::pack[gate:score]")
    assert result.ret == 0
    assert pack_of(project)["gates"][0]["verdict"] == "passed"
    assert sum(each["samples"]["right"] for each in project.results["benchmarks"]) == 6


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        (
            'gates = ["score >= 0.6"]',
            "1 of 9 samples failed with an error, and the pack's policy allows 0",
        ),
        (
            'gates = ["score >= 0.6"]\npolicy = { max_errors = "15%", min_samples = 6 }',
            "half has 5 samples that were judged, and the pack's policy asks for 6",
        ),
        (
            'gates = ["score >= 0.8"]\npolicy = { max_errors = 1 }',
            "1 in error of 9 samples: score may be from 0.75 to 0.833333, and >= 0.8 is asked for",
        ),
    ],
)
def test_the_policy_says_when_the_score_counts(
    project: Project, packed: Any, info: str, reason: str
) -> None:
    result = packed(info, "--max-errors=5", conftest=FAILING)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    (gate,) = pack_of(project)["gates"]
    assert (gate["verdict"], gate["reason"]) == ("undecided", reason)


MISSING = '\n[[task]]\nname = "gone"\ndataset = "data/gone.jsonl"\nprompt = "{{ x }}"\n'


def test_a_task_without_its_dataset(project: Project, packed: Any) -> None:
    """Every task is required, unless the policy says which are."""
    info = 'gates = ["score >= 0.7"]\npolicy = {}\n'.replace("{}", "{{}}")
    packed(info.replace("{{}}", "{ }"), task=MISSING)
    pack = pack_of(project)
    assert pack["score"] is None and pack["gates"][0]["verdict"] == "undecided"
    assert pack["gates"][0]["reason"].startswith("gone is required: dataset data/gone.jsonl is not")
    packed('gates = ["score >= 0.7"]\npolicy = { required = ["half"] }', task=MISSING)
    pack = pack_of(project)
    assert pack["score"] == pytest.approx(0.75)
    assert pack["gates"][0]["verdict"] == "passed"
    assert pack["tasks"][2]["value"] is None


def test_each_model_has_its_score(project: Project, packed: Any) -> None:
    result = packed('gates = ["score >= 0.7"]', "--model=probe:other", "-q", "--co")
    gates = [line for line in result.outlines if "::pack" in line]
    assert gates == [
        "core.pack.toml::pack[probe-gate:score]",
        "core.pack.toml::pack[other-gate:score]",
    ]
    packed('gates = ["score >= 0.7"]', "--model=probe:other")
    packs = project.results["packs"]
    assert [(pack["model"], pack["gates"][0]["verdict"]) for pack in packs] == [
        ("probe", "passed"),
        ("other", "passed"),
    ]


def test_a_run_that_goes_on_scores_all_of_it(project: Project, packed: Any) -> None:
    info = 'gates = ["score >= 0.7"]'
    assert packed(info, "-x", conftest=FAILING).ret == pytest.ExitCode.TESTS_FAILED
    assert pack_of(project)["gates"][0]["verdict"] == "undecided"
    assert packed(info, "-x").ret == 0
    assert len(project.probe["asked"]) < 9, "some were kept"
    assert pack_of(project)["score"] == pytest.approx(0.75)


def test_a_gate_of_the_command_line_that_cannot_be(packed: Any) -> None:
    result = packed("", "--gate", "core: halve >= 0.9")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(['ERROR: --gate "core: …": gate halve >= 0.9: there is no metric*'])
