"""Plugins as pip installs them: the example and the template, in an environment of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
import venv
from pathlib import Path
from typing import Any

import pytest

from pytest_modeleval.starters import write_plugin

pytestmark = pytest.mark.skipif(os.name == "nt", reason="its environments lie elsewhere")

EXAMPLE = Path(__file__).parents[2] / "examples/plugin"


class Environment:
    """A fresh environment with nothing but pip, which sees what is installed for these tests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder / "env", with_pip=True, symlinks=True)
        self.python = folder / "env/bin/python"
        place = {"base": str(folder / "env"), "platbase": str(folder / "env")}
        self.site = Path(sysconfig.get_path("purelib", "posix_prefix", place))
        outer = sysconfig.get_path("purelib")
        (self.site / "outer.pth").write_text(f"import site; site.addsitedir({outer!r})\n")

    def run(self, *arguments: str) -> str:
        """What `python -m` of the environment says. The arguments begin with the module."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MODELEVAL_", "PYTEST_", "COV_", "PYTHONPATH"))
        }
        done = subprocess.run(
            [self.python, "-m", *arguments],
            cwd=self.folder,
            env=kept,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def results(self) -> Any:
        file = self.folder / ".modeleval/runs/latest/results.json"
        return json.loads(file.read_text("utf-8"))


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """With the example and a new plugin installed, from no index."""
    folder = tmp_path_factory.mktemp("fresh")
    made = Environment(folder)
    shutil.copytree(EXAMPLE, folder / "roman", ignore=shutil.ignore_patterns("__pycache__"))
    write_plugin("acme-evals", folder / "acme")
    how = ["--no-index", "--no-build-isolation", "--disable-pip-version-check"]
    made.run("pip", "install", *how, "./roman", "./acme")
    return made


def test_they_are_installed_for_real(environment: Environment) -> None:
    for file in ("roman_evals/numerals.jsonl", "acme_evals/questions.jsonl"):
        assert (environment.site / file).is_file()
    assert (environment.site / "roman_evals-1.0.0.dist-info").is_dir()


def test_a_project_uses_the_example(environment: Environment) -> None:
    """Its pack, its scorer, dataset and backend; and the tests of both packages pass."""
    (environment.folder / "test_own.py").write_text(
        """
from pytest_modeleval import benchmark
from roman_evals import roman_number

@benchmark("roman-numerals", gates=["accuracy >= 0.6"])
async def test_roman(sample, model):
    reply = await model.chat(f"Write {sample.input} in Roman numerals.")
    assert roman_number(reply.text, sample.target)
"""
    )
    told = environment.run(
        *["pytest", "-p", "no:randomly", "--model=roman:clock", "--rootdir=."],
        *["roman/tests", "acme/tests", "test_own.py", "--pack=roman"],
    )
    assert told.count("6 right, 3 wrong, 0 error of 9") == 2, "in Python, and as data"
    assert "9 right, 0 wrong, 0 error of 9" in told
    roman = {
        "name": "roman-evals",
        "version": "1.0.0",
        "provides": {
            "backends": ["roman"],
            "datasets": ["roman-numerals"],
            "scorers": ["roman_number"],
            "packs": ["roman"],
        },
    }
    assert roman in environment.results()["plugins"]


def test_the_template_runs_as_its_readme_says(environment: Environment) -> None:
    pytest.importorskip("xllamacpp")
    told = environment.run(
        *["pytest", "-p", "no:randomly", "--model=tiny", "--rootdir=.", "--pack", "acme-evals"],
    )
    assert " right" in told and "verdict: passed" in told
    (plugin,) = (each for each in environment.results()["plugins"] if each["name"] == "acme-evals")
    assert plugin["provides"] == {
        "datasets": ["acme-evals"],
        "scorers": ["mentions"],
        "packs": ["acme-evals"],
    }
