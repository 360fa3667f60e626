"""The JSON Schemas that are published, and what is held against them."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from pytest_modeleval.schemas import schemas, write_schemas

PUBLISHED = Path(__file__).parents[2] / "docs" / "schemas"


def test_the_published_ones_are_up_to_date() -> None:
    found = {file.stem: json.loads(file.read_text("utf-8")) for file in PUBLISHED.glob("*.json")}
    assert found == json.loads(json.dumps(schemas())), (
        "write them again: modeleval schemas docs/schemas"
    )


@pytest.mark.parametrize("name", schemas())
def test_each_is_a_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schemas()[name])


def test_they_are_written_into_a_new_folder(tmp_path: Path) -> None:
    written = write_schemas(tmp_path / "new" / "folder")
    assert [file.stem for file in written] == sorted(schemas())
    assert json.loads(written[0].read_text("utf-8"))["title"] == written[0].stem
