"""results.json: what is written is what is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_modeleval.errors import ModelevalError
from pytest_modeleval.results.record import RunResult
from pytest_modeleval.results.results_json import read_results, write_results


def refuse_constant(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def test_a_run_comes_back_as_it_was(run_result: RunResult, tmp_path: Path) -> None:
    write_results(tmp_path / "results.json", run_result)
    assert read_results(tmp_path / "results.json") == run_result
    assert read_results(tmp_path) == run_result


def test_the_same_run_gives_the_same_bytes_version_first(
    run_result: RunResult, tmp_path: Path
) -> None:
    write_results(tmp_path / "a", run_result)
    write_results(tmp_path / "b", run_result)
    text = (tmp_path / "a").read_bytes()
    assert text == (tmp_path / "b").read_bytes()
    assert next(iter(json.loads(text))) == "schema_version"


def test_what_json_lacks_is_null_or_text(run_result: RunResult, tmp_path: Path) -> None:
    run_result.benchmarks[0].metrics["accuracy"].lower = float("nan")
    run_result.benchmarks[0].cost = float("inf")
    run_result.environment = {"path": Path("x"), 3: ("a", {"b"})}
    write_results(tmp_path / "results.json", run_result)
    values = json.loads((tmp_path / "results.json").read_text(), parse_constant=refuse_constant)
    assert values["benchmarks"][0]["metrics"]["accuracy"]["lower"] is None
    assert values["benchmarks"][0]["cost"] is None
    assert values["environment"] == {"path": "x", "3": ["a", "{'b'}"]}


@pytest.mark.parametrize("text", ["\ud800", "a\x00b", "naïve 数"])
def test_odd_text_comes_back(run_result: RunResult, tmp_path: Path, text: str) -> None:
    run_result.benchmarks[0].errors[0]["error"] = text
    write_results(tmp_path / "results.json", run_result)
    (tmp_path / "results.json").read_text("utf-8")
    assert read_results(tmp_path).benchmarks[0].errors[0]["error"] == text


def changed(run_result: RunResult, path: Path, **values: Any) -> None:
    write_results(path, run_result)
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_later_minor_version_is_read(run_result: RunResult, tmp_path: Path) -> None:
    changed(run_result, tmp_path / "results.json", schema_version="1.9", moon="full")
    assert read_results(tmp_path).run_id == run_result.run_id


def test_another_major_version_is_refused(run_result: RunResult, tmp_path: Path) -> None:
    changed(run_result, tmp_path / "results.json", schema_version="2.0")
    with pytest.raises(ModelevalError, match=r"schema version 2.0.*reads 1"):
        read_results(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"schema_version": "1.0"}', "\udcff"])
def test_what_is_not_a_run_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "results.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ModelevalError, match=r"results.json is not the results.json of a run"):
        read_results(path)


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelevalError, match=r"cannot read .*results.json: no such file"):
        read_results(tmp_path)
