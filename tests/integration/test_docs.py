"""The pages say what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pytest_modeleval.models.catalog import BACKENDS
from pytest_modeleval.options import OPTIONS

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"(?:^`([\w.]+)`:\n\n)?^```(\w*)\n(.*?)^```", re.M | re.S)
"""A fenced block: the name of the file that it is, where one stands before it, language, text."""


def blocks(page: str) -> list[tuple[str, str, str]]:
    """The fenced blocks of a page."""
    return BLOCK.findall((DOCS / page).read_text("utf-8"))


def test_every_option_is_described() -> None:
    rows = re.findall(
        r"^\| `(--[\w-]+).*?` ?(…)? \| `(\w+)` \| (?:`(\w+)`|–) \|",
        (DOCS / "options.md").read_text("utf-8"),
        re.M,
    )
    described = {flag: (bool(more), variable, key) for flag, more, variable, key in rows}
    assert described == {
        option.flag: (
            option.repeatable,
            f"MODELEVAL_{option.key.upper()}",
            option.key if option.in_table else "",
        )
        for option in OPTIONS
    }
    assert len(rows) == len(OPTIONS)


def test_every_backend_is_described() -> None:
    text = (DOCS / "options.md").read_text("utf-8")
    assert set(BACKENDS) <= set(re.findall(r"^\| `(\w+)` \|", text, re.M))


def test_the_table_is_understood(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    (table,) = (text for _, language, text in blocks("options.md") if language == "toml")
    pytester.makepyprojecttoml(table)
    monkeypatch.setenv("LOCAL_KEY", "secret")
    pytester.makepyfile(
        """
        from pytest_modeleval import benchmark

        @benchmark([{"question": "?"}])
        async def test_it(sample, model):
            await model.chat("?")
        """
    )
    result = pytester.runpytest_subprocess("--model-arg=base_url=http://127.0.0.1:9/v1")
    result.stderr.fnmatch_lines(["ERROR: cannot reach http://127.0.0.1:9/v1: *"])
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_every_benchmark_of_a_page_runs(pytester: pytest.Pytester) -> None:
    """Under echo most replies are wrong, and none is an error."""
    written = 0
    for page in sorted(DOCS.glob("*.md")):
        for number, (name, language, text) in enumerate(blocks(page.name)):
            if name:
                (pytester.path / name).write_text(text, encoding="utf-8")
            elif language == "python" and "def test_" in text:
                name = f"test_{page.stem.replace('-', '_')}_{number}.py"
                (pytester.path / name).write_text(text, encoding="utf-8")
            written += language == "python" and bool(name)
    assert written >= 5
    result = pytester.runpytest_subprocess(
        "--model=echo:", "--judge=echo:", "--modeleval-out=run", "--modeleval-missing=skip"
    )
    result.stdout.no_fnmatch_line("*Error*")
    report = json.loads((pytester.path / "run/results.json").read_text("utf-8"))
    assert len(report["benchmarks"]) == written
    for each in report["benchmarks"]:
        assert each["samples"]["planned"] > 0
        assert each["samples"]["error"] == 0, each


def test_the_plugin_of_the_page_can_be_used() -> None:
    (module,) = (
        text for _, language, text in blocks("plugins.md") if "def pytest_modeleval_" in text
    )
    names: dict[str, Any] = {"__file__": str(DOCS / "plugins.md")}
    exec(module, names)
    assert names["keyword_share"]("Late again", "late parcel") == 0.5
    (dataset,) = names["pytest_modeleval_datasets"]()
    assert dataset.places("test", []) == [DOCS / "data/tickets.jsonl"]
    assert set(names["pytest_modeleval_backends"]()) == {"acme"}
    assert names["pytest_modeleval_scorers"]() == {"keyword_share": names["keyword_share"]}


def test_links_lead_somewhere() -> None:
    for page in DOCS.glob("*.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#:]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_index_names_every_page() -> None:
    named = set(re.findall(r"\]\(([\w-]+\.md)\)", (DOCS / "index.md").read_text("utf-8")))
    assert named == {page.name for page in DOCS.glob("*.md")} - {"index.md"}
