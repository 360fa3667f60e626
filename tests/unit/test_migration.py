"""Files of other versions: brought up to date, or refused with a sentence."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from pytest_modeleval.errors import ModelevalError
from pytest_modeleval.migration import Format, up_to_date
from pytest_modeleval.results import (
    baseline,
    baseline_schema,
    details_parts,
    results_json,
    run_state,
)
from pytest_modeleval.results.baseline import Baseline, BaselineBenchmark, Scored, read_baseline
from pytest_modeleval.results.details import DetailsWriter, read_details
from pytest_modeleval.results.details_schema import DETAILS_SCHEMA, VERSION_KEY
from pytest_modeleval.results.record import RunResult, SampleResult
from pytest_modeleval.results.results_json import read_results, write_results
from pytest_modeleval.results.run_state import RunState, read_state

STEPS = {1: lambda values: {**values, "two": True}, 2: lambda values: {**values, "three": True}}
THIRD = Format("a letter", "3.1", "write a new one", STEPS)


class TestMigration:
    def test_goes_step_by_step_and_is_told(self) -> None:
        told: list[str] = []
        assert up_to_date(THIRD, "1.4", {}, "a.json", told.append) == {"two": True, "three": True}
        assert up_to_date(THIRD, 2, {}, "b.json", told.append) == {"three": True}
        assert told == [
            "a.json is of schema version 1.4: it was read as 3.1",
            "b.json is of schema version 2: it was read as 3.1",
        ]

    @pytest.mark.parametrize("version", ["3.0", "3.1", "3.9", 3])
    def test_leaves_the_same_major_version_as_it_is(self, version: object) -> None:
        told: list[str] = []
        assert up_to_date(THIRD, version, {"a": 1}, "a.json", told.append) == {"a": 1}
        assert not told

    @pytest.mark.parametrize("version", ["4.0", 4, "0.9", 0])
    def test_refuses_what_is_newer_and_what_is_too_old(self, version: object) -> None:
        with pytest.raises(ModelevalError) as error:
            up_to_date(THIRD, version, {}, "a.json")
        assert str(error.value) == (
            f"a.json has schema version {version}, and this version of pytest-modeleval reads 3.1: "
            "write a new one"
        )

    @pytest.mark.parametrize("version", [None, "new", "1.", True, [], "1" * 5000])
    def test_refuses_what_is_no_version(self, version: object) -> None:
        with pytest.raises(ModelevalError, match=r"^a.json: schema_version=.{0,42}: expected a"):
            up_to_date(THIRD, version, {}, "a.json")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run of one sample."""
    write_results(tmp_path / "results.json", RunResult("r1", True, "passed", {}, []))
    details = DetailsWriter(tmp_path)
    details.add(
        [SampleResult("test_x.py::test_x", "small", "a", 0, "right", scores={"accuracy": 1.0})]
    )
    details.close()
    run_state.write_state(tmp_path, RunState("r1", "complete", [], "", 1, 0.0, 0.0))
    samples = {"a": Scored("00", {"accuracy": 1.0})}
    baseline.write_baseline(
        tmp_path / "baseline.json",
        Baseline("", "small", {"test_x": BaselineBenchmark("f", samples)}),
    )
    return tmp_path


def rewritten(file: Path, **values: Any) -> None:
    if file.suffix == ".json":
        file.write_text(json.dumps({**json.loads(file.read_text()), **values}))
    else:
        table = parquet.read_table(file)
        metadata = {VERSION_KEY: values["schema_version"]}
        parquet.write_table(table.replace_schema_metadata(metadata), file)


READERS = {
    "results.json": lambda run: read_results(run),
    "run.json": lambda run: read_state(run),
    "baseline.json": lambda run: read_baseline(str(run / "baseline.json"), run, "small"),
    "details/test_x.test_x.parquet": lambda run: read_details(run),
}


@pytest.mark.parametrize("name", READERS)
def test_a_newer_file_is_refused_by_every_reader(run: Path, name: str) -> None:
    READERS[name](run)
    rewritten(run / name, schema_version="1.9")
    READERS[name](run)
    rewritten(run / name, schema_version="9.0")
    with pytest.raises(ModelevalError, match=rf"{name} has schema version 9.0, and .* reads 1.0: "):
        READERS[name](run)


def test_an_older_file_is_migrated_by_its_reader(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def renamed(values: dict[str, Any]) -> dict[str, Any]:
        return {**values, "run_id": values["run_id"] + "-new"}

    told: list[str] = []
    for module, form in ((results_json, "RESULTS"), (run_state, "STATE")):
        second = replace(getattr(module, form), version="2.0", steps={1: renamed})
        monkeypatch.setattr(module, form, second)
    assert read_results(run, told.append).run_id == "r1-new"
    state = read_state(run, told.append)
    assert state is not None and state.run_id == "r1-new"
    assert [text.partition(" ")[2] for text in told] == [
        "is of schema version 1.0: it was read as 2.0"
    ] * 2


def test_an_older_baseline_is_migrated(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    second = replace(
        baseline_schema.BASELINE,
        version="2.0",
        steps={1: lambda values: {**values, "model": "renamed"}},
    )
    monkeypatch.setattr(baseline, "BASELINE", second)
    told: list[str] = []
    assert read_baseline("baseline.json", run, "small", told.append).model == "renamed"
    assert told == ["baseline baseline.json is of schema version 1.0: it was read as 2.0"]


def test_older_details_are_migrated_as_a_table(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def louder(table: pa.Table) -> pa.Table:
        """A step may need what the reader did not ask for."""
        ids = pa.array([f"{text}!" for text in table["id"].to_pylist()])
        assert table.schema.names == DETAILS_SCHEMA.names
        return table.set_column(table.schema.names.index("id"), "id", ids)

    second = replace(details_parts.DETAILS, version="2.0", steps={1: louder})
    monkeypatch.setattr(details_parts, "DETAILS", second)
    told: list[str] = []
    table = read_details(run, columns=["outcome", "id"], notice=told.append)
    assert table.to_pylist() == [{"outcome": "right", "id": "a!"}]
    assert len(told) == 1 and "is of schema version 1.0" in told[0]


def test_the_first_files_say_less(run: Path) -> None:
    """Baselines called their version by another name, details had none."""
    values = json.loads((run / "baseline.json").read_text())
    values["baseline_version"] = values.pop("schema_version")
    (run / "baseline.json").write_text(json.dumps(values))
    assert read_baseline("baseline.json", run, "small").benchmarks["test_x"].samples
    file = run / "details/test_x.test_x.parquet"
    assert parquet.read_schema(file).metadata[VERSION_KEY] == b"1.0"
    parquet.write_table(parquet.read_table(file).replace_schema_metadata(None), file)
    assert read_details(run)["id"].to_pylist() == ["a"]
    assert asdict(read_results(run))["run_id"] == "r1"
