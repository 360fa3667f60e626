"""What a benchmark's text reaches in its own module."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_modeleval.module_text import ModuleText

SPACE = "  "
SOURCE = f"""\
import re
from mine import DATA, judge as mine
import os.path

LIMIT = 3
UNUSED = 4

try:
    LIST = [LIMIT]
except NameError:
    LIST = []


def helper(text):
    return deeper(text)


def deeper(text):
    return re.sub("a", "b", text)


@fixture
def given():
    return LIST


@benchmark(DATA)
def test_it(sample, model, given):{SPACE}
    assert helper(sample.input)


def other():
    return os.path


class TestAll:
    limit = 2

    @benchmark(UNUSED)
    def test_method(self, sample):
        assert self.limit
"""


@pytest.fixture
def module(tmp_path: Path) -> ModuleText:
    path = tmp_path / "test_it.py"
    path.write_text(SOURCE, "utf-8")
    return ModuleText(path)


def line_of(text: str) -> int:
    return SOURCE.splitlines().index(text) + 1


def test_a_function_brings_what_it_names_and_what_that_names(module: ModuleText) -> None:
    text = module.definition(line_of("@benchmark(DATA)"))
    assert text is not None
    for reached in ("import re", "DATA", "LIMIT = 3", "def helper", "deeper(text):", "@fixture"):
        assert reached in text, reached
    for left in ("import os.path", "UNUSED", "def other", "TestAll"):
        assert left not in text, left
    assert text.index("LIMIT = 3") < text.index("def helper") < text.index("def test_it")
    assert "given):\n    assert" in text, "white space at the end of a line is no change"


def test_a_method_brings_its_class(module: ModuleText) -> None:
    text = module.definition(line_of("    @benchmark(UNUSED)"))
    assert text is not None
    assert "UNUSED = 4" in text
    assert "limit = 2" in text
    assert "def helper" not in text


def test_where_no_function_begins_there_is_none(module: ModuleText, tmp_path: Path) -> None:
    assert module.definition(1) is None
    assert ModuleText(tmp_path / "nowhere.py").definition(1) is None
