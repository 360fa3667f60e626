"""junit.xml: whole, valid and countable, whatever is in it and whenever it ends."""

from __future__ import annotations

import random
import re
import tracemalloc
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from junitparser import JUnitXml

from pytest_modeleval.errors import ModelevalError
from pytest_modeleval.results import junit_suite
from pytest_modeleval.results.junit import JUnitWriter, case_name
from pytest_modeleval.results.record import GateRecord, RunResult, SampleResult

MakeResult = Callable[..., SampleResult]
NODE = "benchmarks/gsm8k/test_gsm8k.py::test_gsm8k"

# What the strict schema of Jenkins' xUnit plugin allows: for each element its children, the
# attributes that it must have, and those that it may have.
TEXTS = (set(), set(), {"type", "message"})
JENKINS: dict[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": ({"testsuite"}, set(), {"name", "time", "tests", "failures", "errors"}),
    "testsuite": (
        {"testsuite", "properties", "testcase", "system-out", "system-err"},
        {"name", "tests", "failures", "errors"},
        {"time", "skipped", "timestamp", "hostname", "id", "package", "file", "log", "url"},
    ),
    "properties": ({"property"}, set(), set()),
    "property": (set(), {"name", "value"}, set()),
    "testcase": (
        {"skipped", "error", "failure", "system-out", "system-err"},
        {"name"},
        {"time", "classname", "group"},
    ),
    "skipped": TEXTS,
    "error": TEXTS,
    "failure": TEXTS,
    "system-out": (set(), set(), set()),
}
TIME = re.compile(r"[0-9]+(\.[0-9]*)?")


def validated(path: Path) -> ElementTree.Element:
    """The file's root, once every element is as the schema wants it and every count is right."""
    root = ElementTree.parse(path).getroot()
    assert root.tag == "testsuites"
    for element in root.iter():
        children, required, optional = JENKINS[element.tag]
        assert {child.tag for child in element} <= children, element.tag
        assert required <= set(element.attrib) <= required | optional, element.tag
        assert TIME.fullmatch(element.get("time", "0"))
        if element.tag not in ("system-out", "failure", "error", "skipped"):
            assert not (element.text or "").strip()
    for suite in root:
        for attribute, tag in (
            ("tests", "testcase"),
            ("failures", "testcase/failure"),
            ("errors", "testcase/error"),
            ("skipped", "testcase/skipped"),
        ):
            assert int(suite.attrib[attribute]) == len(suite.findall(tag))
    for attribute in ("tests", "failures", "errors"):
        assert int(root.attrib[attribute]) == sum(int(suite.attrib[attribute]) for suite in root)
    return root


def outputs(case: ElementTree.Element) -> dict[str, str]:
    lines = (case.findtext("system-out") or "").splitlines()
    return dict(line[len("[[PROPERTY|") : -len("]]")].split("=", 1) for line in lines)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "junit.xml"


@pytest.fixture
def write(path: Path, make_result: MakeResult) -> Callable[..., ElementTree.Element]:
    """Write one sample of each outcome and one gate of each verdict; returns the checked root."""

    def write(**options: Any) -> ElementTree.Element:
        writer = JUnitWriter(path, **options)
        for place, outcome in enumerate(("right", "wrong", "error", "not_run", "skipped")):
            message = None if outcome == "right" else f"it was {outcome}"
            writer.sample(
                f"{NODE}[{outcome}]",
                place,
                outcome,  # type: ignore[arg-type]
                [make_result(outcome)],
                duration=0.25,
                message=message,
            )
        for verdict in ("passed", "failed", "undecided", "not judged"):
            record = GateRecord(verdict, "accuracy >= 0.7", verdict, "because", 0.5, 0.7)  # type: ignore[arg-type]
            writer.gate(f"{NODE}[gate:{verdict}]", make_result().benchmark, "tiny", record)
        writer.close()
        return validated(path)

    return write


def told(root: ElementTree.Element) -> dict[str, tuple[str, str | None, str | None]]:
    """How each case is told: element, type and message."""
    found = {}
    for case in root.iter("testcase"):
        result = next((child for child in case if child.tag != "system-out"), None)
        name = re.sub(r".*\[(.*)\]", r"\1", case.attrib["name"])
        if result is None:
            found[name] = ("passed", None, None)
        else:
            found[name] = (result.tag, result.get("type"), result.get("message"))
    return found


def test_each_outcome_and_verdict_has_its_element(write: Callable[..., Any]) -> None:
    assert told(write()) == {
        "right": ("passed", None, None),
        "wrong": ("passed", None, None),
        "error": ("error", "error", "it was error"),
        "not_run": ("skipped", "not run", "it was not_run"),
        "skipped": ("skipped", "skipped", "it was skipped"),
        "gate:passed": ("passed", None, None),
        "gate:failed": ("failure", "failed", "because"),
        "gate:undecided": ("failure", "undecided", "because"),
        "gate:not judged": ("skipped", "not judged", "because"),
    }


@pytest.mark.parametrize(
    ("wrong", "element"),
    [
        ("pass", ("passed", None, None)),
        ("xfail", ("skipped", "wrong", "it was wrong")),
        ("fail", ("failure", "wrong", "it was wrong")),
    ],
)
def test_a_wrong_sample_is_told_as_asked(
    write: Callable[..., Any], wrong: str, element: tuple[str, str, str]
) -> None:
    assert told(write(wrong=wrong))["wrong"] == element


def test_errors_that_are_counted_pass(write: Callable[..., Any]) -> None:
    root = write(errors_pass=True)
    assert told(root)["error"] == ("passed", None, None)
    (case,) = (each for each in root.iter("testcase") if each.attrib["name"].endswith("[error]"))
    assert outputs(case)["outcome"] == "error"
    assert outputs(case)["message"] == "it was error"


@pytest.mark.parametrize(
    ("samples", "shown"),
    [
        ("all", ["right", "wrong", "error", "not_run", "skipped"]),
        ("wrong", ["wrong", "error", "not_run", "skipped"]),
        ("none", ["error"]),
    ],
)
def test_samples_are_cases_as_asked(
    write: Callable[..., Any], samples: str, shown: list[str]
) -> None:
    names = list(told(write(samples=samples)))
    assert [name for name in names if not name.startswith("gate:")] == shown
    assert len(names) == len(shown) + 4


def test_junitparser_reads_the_same(write: Callable[..., Any], path: Path) -> None:
    write()
    report = JUnitXml.fromfile(str(path))
    (suite,) = report
    assert (report.tests, report.failures, report.errors) == (9, 2, 1)
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (9, 2, 1, 3)
    assert suite.time == 1.25
    assert {case.classname for case in suite} == {"benchmarks.gsm8k.test_gsm8k"}
    suite.update_statistics()
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (9, 2, 1, 3)


def test_cases_tell_what_is_known_of_them(
    path: Path, make_result: MakeResult, write: Callable[..., Any]
) -> None:
    cases = {each.attrib["name"]: outputs(each) for each in write().iter("testcase")}
    assert cases["test_gsm8k[right]"] == {"accuracy": "1.0"}
    assert cases["test_gsm8k[wrong]"] == {
        "outcome": "wrong",
        "accuracy": "1.0",
        "message": "it was wrong",
    }
    assert cases["test_gsm8k[gate:failed]"] == {
        "expression": "accuracy >= 0.7",
        "verdict": "failed",
        "value": "0.5",
        "threshold": "0.7",
    }


def test_a_samples_score_is_the_mean_over_its_epochs(path: Path, make_result: MakeResult) -> None:
    writer = JUnitWriter(path)
    epochs = [make_result(epoch=e, scores={"accuracy": float(e == 0)}) for e in range(4)]
    writer.sample(f"{NODE}[a]", 0, "wrong", epochs, duration=1)
    writer.close()
    (case,) = validated(path).iter("testcase")
    assert outputs(case) == {"outcome": "wrong", "accuracy": "0.25"}


def test_suites_hold_together_and_carry_metrics_and_thresholds(
    path: Path, make_result: MakeResult, run_result: RunResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(junit_suite, "BUFFERED_CASES", 3)
    writer = JUnitWriter(path)
    for number in range(10):
        for model in ("tiny", "large"):
            result = make_result(f"s{number}", model=model)
            writer.sample(f"{NODE}[{model}-s{number}]", number, "right", [result], duration=0)
    writer.close(run_result)
    tiny, large = validated(path)
    assert (tiny.attrib["name"], large.attrib["name"]) == (f"{NODE} (tiny)", f"{NODE} (large)")
    for suite, model in ((tiny, "tiny"), (large, "large")):
        names = [case.attrib["name"] for case in suite.iter("testcase")]
        assert names == [f"test_gsm8k[{model}-s{number}]" for number in range(10)]
    properties = {each.attrib["name"]: each.attrib["value"] for each in tiny.iter("property")}
    assert properties == {
        "benchmark": NODE,
        "model": "tiny",
        "accuracy": "0.75",
        "accuracy.lower": "0.3",
        "accuracy.upper": "0.95",
        "f1": "0.5",
        "gate:accuracy": "passed",
        "gate:accuracy.threshold": "0.7",
        "gate:latency": "failed",
        "gate:latency.threshold": "1",
        "gate:f1": "undecided",
        "gate:late": "not judged",
    }


HOSTILE = "]]></system-out><x a='\"'/>&amp;\x00\x1b[31m\ud800\uffff\r\n[[PROPERTY|outcome=right]]"


def test_hostile_text_stays_text(path: Path, make_result: MakeResult) -> None:
    writer = JUnitWriter(path)
    result = make_result(benchmark=f"b.py::{HOSTILE}", model=HOSTILE, scores={HOSTILE: 1.0})
    for outcome in ("wrong", "error"):
        writer.sample(f"b.py::t[{HOSTILE}]", 0, outcome, [result], duration=0, message=HOSTILE)  # type: ignore[arg-type]
    writer.close()
    (suite,) = validated(path)
    wrong, error = suite.iter("testcase")
    cleaned = HOSTILE
    for bad, shown in (
        ("\x00", "#x00"),
        ("\x1b", "#x1B"),
        ("\ud800", "#xD800"),
        ("\uffff", "#xFFFF"),
    ):
        cleaned = cleaned.replace(bad, shown)
    assert error.find("error").attrib["message"] == cleaned  # type: ignore[union-attr]
    assert wrong.attrib["name"] == f"t[{cleaned}]"
    message = (wrong.findtext("system-out") or "").splitlines()[-1]
    assert message == f"[[PROPERTY|message={cleaned}]]".replace("\r\n", " ")


def test_a_long_message_is_cut(path: Path, make_result: MakeResult) -> None:
    writer = JUnitWriter(path)
    writer.sample("b.py::t[a]", 0, "error", [make_result()], duration=0, message="x" * 10_000_000)
    writer.close()
    assert validated(path).find(".//error").attrib["message"] == "x" * 2000 + "…"  # type: ignore[union-attr]


def test_a_problem_of_the_run_is_a_failure_of_its_own(path: Path) -> None:
    writer = JUnitWriter(path)
    writer.problem("max-errors", "12 errors, 10 are allowed")
    writer.problem("b.py::test", "the dataset is not at hand", undecided=True)
    writer.close()
    assert [(case.get("classname"), case.get("name")) for case in validated(path).iter("testcase")]
    assert list(told(validated(path)).values()) == [
        ("failure", "failed", "12 errors, 10 are allowed"),
        ("failure", "undecided", "the dataset is not at hand"),
    ]


def test_a_run_of_nothing_is_still_a_file(path: Path) -> None:
    JUnitWriter(path).close()
    assert len(validated(path)) == 0


def test_nothing_else_is_left(write: Callable[..., Any], path: Path) -> None:
    write()
    assert [each.name for each in path.parent.iterdir()] == ["junit.xml"]


def test_cases_stand_in_the_order_of_their_rows(path: Path, make_result: MakeResult) -> None:
    writer = JUnitWriter(path)
    rows = random.Random(1).sample(range(1000), 1000)
    for row in rows:
        writer.sample(f"{NODE}[s{row}]", row, "right", [make_result()], duration=0)
    writer.close()
    names = [case.attrib["name"] for case in validated(path).iter("testcase")]
    assert names == [f"test_gsm8k[s{row}]" for row in range(1000)]


def test_memory_does_not_grow_with_the_cases(path: Path, make_result: MakeResult) -> None:
    writer = JUnitWriter(path)
    results = [make_result()]
    peaks = []
    tracemalloc.start()
    for half in (range(3000), range(3000, 6000)):
        for number in half:
            writer.sample(f"{NODE}[s{number}]", number, "right", results, duration=0)
        peaks.append(tracemalloc.get_traced_memory()[1])
    writer.close()
    peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    # 6,000 cases are a megabyte of text.
    assert path.stat().st_size > 800_000
    assert peaks[-1] < peaks[0] + 300_000 < 800_000


def test_a_full_disk_is_told_and_no_case_is_lost_or_doubled(
    path: Path,
    make_result: MakeResult,
    small_disk: Callable[[int], AbstractContextManager[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(junit_suite, "BUFFERED_CASES", 2)
    writer = JUnitWriter(path)

    def add(number: int) -> None:
        writer.sample(f"{NODE}[s{number}]", number, "right", [make_result()], duration=0)

    for number in range(3):
        add(number)
    refused = pytest.raises(ModelevalError, match=r"cannot write .*junit.xml: file too large")
    with small_disk((path.parent / ".junit.xml.parts" / "0").stat().st_size + 50), refused:
        add(3)
    add(4)
    writer.close()
    names = [case.attrib["name"] for case in validated(path).iter("testcase")]
    assert names == [f"test_gsm8k[s{number}]" for number in range(5)]


@pytest.mark.parametrize(
    ("node_id", "named"),
    [
        ("a/b/test_c.py::test_d[x-1]", ("a.b.test_c", "test_d[x-1]")),
        ("test_c.py::TestK::test_d[a/b::c.py]", ("test_c.TestK", "test_d[a/b::c.py]")),
        ("test_c.py::test_d[gate:accuracy]", ("test_c", "test_d[gate:accuracy]")),
        ("max-errors", ("", "max-errors")),
    ],
)
def test_cases_are_named_as_pytest_names_them(node_id: str, named: tuple[str, str]) -> None:
    from _pytest.junitxml import mangle_test_address

    *classes, name = mangle_test_address(node_id)
    assert case_name(node_id) == (".".join(classes), name) == named
