"""What a wrong sample says of the comparison that failed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from junitparser import JUnitXml

BODIES = """
from pytest_modeleval import benchmark

@benchmark([{"id": "one", "input": "1%\\n" + 50 * "long ", "target": "100%"}])
async def test_texts(sample, model):
    assert (await model.chat(sample.input)).text == sample.target

@benchmark([{"id": "one", "input": "resume", "target": "résumé"}])
async def test_letters(sample, model):
    assert (await model.chat(sample.input)).text == sample.target

@benchmark([{"id": "one", "input": "2 + 2", "target": "5"}])
async def test_contained(sample, model):
    assert sample.target in (await model.chat(sample.input)).text
"""


def messages(path: Path) -> list[str]:
    (file,) = path.glob(".modeleval/runs/2*/junit.xml")
    cases = [case for suite in JUnitXml.fromfile(str(file)) for case in suite]
    return [
        (case.system_out or "").partition("[[PROPERTY|message=")[2].partition("]]\n")[0]
        for case in cases
    ]


def test_it_begins_as_pytest_words_it(project: Any) -> None:
    project.file(BODIES)
    project.run()
    texts, letters, contained = messages(project.path)
    assert texts == "assert '1%\\nlong lon...ng long long ' == '100%'"
    assert letters == "assert 'resume' == 'résumé'"
    assert contained == "assert '5' in '2 + 2'"


@pytest.mark.parametrize("option", ["--modeleval-wrong=fail", "--modeleval-wrong=xfail"])
def test_it_is_whole_where_it_is_shown(project: Any, option: str) -> None:
    project.file(BODIES)
    shown = project.run(option, "-rx").stdout.str()
    assert ("- 100%" in shown) == (option == "--modeleval-wrong=fail")


def test_a_hook_of_the_project_words_it(project: Any) -> None:
    project.conftest(
        "def pytest_assertrepr_compare(op, left, right):\n    return ['other', 'words']\n"
    )
    project.file(BODIES)
    project.run()
    assert messages(project.path) == ["assert other"] * 3
