"""docs/schemas.md says what the code does."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pyarrow as pa
import pytest

from pytest_modeleval.results import details_schema, junit, leaderboard, record, run_state, summary

DOCS = Path(__file__).parents[3] / "docs" / "schemas.md"

RECORDS = {
    "Run state": run_state.RunState,
    "Undertaking": run_state.Undertaking,
    "Run": record.RunResult,
    "Plugin": record.PluginRecord,
    "Hashes": record.Hashes,
    "Job": record.JobRecord,
    "Benchmark": record.BenchmarkResult,
    "Spending": record.Spending,
    "Metric": record.Metric,
    "Calibration": record.Calibration,
    "Reliability bin": record.ReliabilityBin,
    "Gate": record.GateRecord,
    "Leaderboard": leaderboard.Leaderboard,
    "Model standing": leaderboard.ModelStanding,
    "Benchmark standing": leaderboard.BenchmarkStanding,
    "Standing": leaderboard.Standing,
    "Slice": leaderboard.Slice,
    "Difference": leaderboard.Difference,
}
STRUCTS = {
    "Row": details_schema.DETAILS_SCHEMA,
    "Digests": details_schema.DIGESTS,
    "Call": details_schema.CALL,
    "Message": details_schema.MESSAGE,
    "Part": details_schema.PART,
    "Tool call": details_schema.TOOL_CALL,
    "Log-likelihood": details_schema.LOGLIKELIHOOD,
    "Sampling": details_schema.SAMPLING,
    "Usage": details_schema.USAGE,
}


def tables() -> dict[str, list[list[str]]]:
    """The rows of each table, by the heading that it stands under."""
    found: dict[str, list[list[str]]] = {}
    for section in re.split(r"^###? ", DOCS.read_text("utf-8"), flags=re.MULTILINE)[1:]:
        heading, *lines = section.splitlines()
        rows = [line.strip("|").split("|") for line in lines if line.startswith("| `")]
        found[heading] = [[cell.strip() for cell in row] for row in rows]
    return found


def names(heading: str) -> list[str]:
    return [row[0].strip("`") for row in tables()[heading]]


@pytest.mark.parametrize("heading", RECORDS)
def test_the_fields_of_the_json_files_are_documented(heading: str) -> None:
    fields = [field.name for field in dataclasses.fields(RECORDS[heading])]
    assert sorted(names(heading)) == sorted(fields)


@pytest.mark.parametrize("heading", RECORDS)
def test_what_may_be_null_is_documented(heading: str) -> None:
    for field, row in zip(dataclasses.fields(RECORDS[heading]), tables()[heading]):
        if row[0].strip("`") == field.name and "dict" not in str(field.type):
            assert row[1].endswith("?") == ("None" in str(field.type)), field.name


@pytest.mark.parametrize("heading", STRUCTS)
def test_the_columns_of_the_details_are_documented(heading: str) -> None:
    assert names(heading) == [field.name for field in STRUCTS[heading]]
    for field, row in zip(STRUCTS[heading], tables()[heading]):
        assert row[1].rstrip("?") == shown(field.type), field.name


def shown(kind: pa.DataType) -> str:
    """An Arrow type as the page writes it."""
    if pa.types.is_list(kind):
        return f"list of {shown(kind.value_type)}"
    if pa.types.is_map(kind):
        return f"map&lt;{kind.key_type}, {kind.item_type}&gt;"
    if pa.types.is_struct(kind):
        (name,) = (heading for heading, each in STRUCTS.items() if each == kind)
        return f"*{name.lower()}*"
    return str(kind)


def test_the_columns_of_the_summary_are_documented() -> None:
    assert names("Summary table") == list(summary.COLUMNS)


def test_the_fields_of_a_gates_case_are_documented() -> None:
    section = DOCS.read_text("utf-8").split("### Output of a gate's case")[1].split("##")[0]
    assert re.findall(r"`(\w+)`", section) == list(junit.GATE_FIELDS)
    assert list(junit.GATE_FIELDS) == [
        name for name in names("Gate") if name not in ("name", "reason", "better_ids", "worse_ids")
    ]


def test_every_artifact_is_documented() -> None:
    headings = list(tables())
    for artifact in ("results.json", "leaderboard.json", "junit.xml", "summary.md"):
        assert artifact in headings
