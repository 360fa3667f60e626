"""Installed, but not used: nothing printed, nothing written, nothing imported, no name taken."""

from __future__ import annotations

import pytest

from tests.integration.conftest import Project

HEAVY = ("asyncio", "aiohttp", "pyarrow", "openai", "torch", "numpy", "xllamacpp", "junitparser")


def test_an_ordinary_project_pays_nothing(project: Project) -> None:
    (project.path / "conftest.py").write_text(f"""
import sys

def pytest_unconfigure():
    ours = [name for name in sys.modules if name.startswith("pytest_modeleval")]
    heavy = [name for name in {HEAVY!r} if name in sys.modules]
    print("loaded:", sorted(ours), heavy)
""")
    project.file("def test_plain(tmp_path): assert tmp_path")
    result = project.run_subprocess(model=None)
    assert result.ret == 0
    (told,) = (line for line in result.outlines if line.startswith("loaded:"))
    assert told.endswith(" []"), "of the heavy ones none"
    for module in ("run", "session", "lookahead", "models", "results", "datasets"):
        assert f"pytest_modeleval.{module}" not in told
    assert not (project.path / ".modeleval").exists()
    text = result.stdout.str().replace(told, "").replace("plugins: modeleval", "")
    assert "model" not in text
    assert "benchmark" not in text
    assert result.stderr.str() == ""


def test_fixtures_of_the_same_name_are_the_projects_own(project: Project) -> None:
    project.conftest("""
import pytest

@pytest.fixture
def model():
    return "a model car"

@pytest.fixture(params=[1, 2])
def sample(request):
    return request.param

@pytest.fixture
def models(model, sample):
    return [model] * sample
""")
    project.file("""
import pytest

def test_own(model, sample, models):
    assert models == ["a model car"] * sample

@pytest.mark.parametrize("model", ["T"])
def test_parameter(model):
    assert model == "T"
""")
    project.run(model=None).assert_outcomes(passed=3)
    assert not (project.path / ".modeleval").exists()


def test_a_model_without_benchmarks_is_no_trouble(project: Project) -> None:
    project.file("def test_plain(): pass")
    result = project.run("--model=echo:", model=None)
    assert result.ret == 0
    assert "verdict" not in result.stdout.str()
    assert not (project.path / ".modeleval").exists()


def test_switched_off(project: Project) -> None:
    project.file("def test_plain(): pass")
    result = project.pytester.runpytest_subprocess("-p", "no:modeleval")
    result.assert_outcomes(passed=1)
    assert (
        "--model"
        not in project.pytester.runpytest_subprocess("-p", "no:modeleval", "--help").stdout.str()
    )


def test_help_and_fixtures_tell_about_it(project: Project) -> None:
    text = project.run("--help", model=None).stdout.str()
    assert "benchmarks for language models" in text
    text = project.run("--fixtures", model=None).stdout.str()
    assert "The model under test" in text


def test_a_run_without_a_model_is_a_usage_error(project: Project) -> None:
    project.file("""
from pytest_modeleval import benchmark

@benchmark([{"input": "x"}])
def test_it(sample, model): pass
""")
    result = project.run(model=None)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "no model to evaluate: name one with --model" in result.stderr.str()
    assert not (project.path / ".modeleval").exists()
