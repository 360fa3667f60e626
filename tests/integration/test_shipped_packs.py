"""The packs that ship, by name, as a project would run them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pytest_modeleval.datasets.source import open_samples
from pytest_modeleval.registry.finding import find_pack
from pytest_modeleval.registry.reading import read_pack

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
PACKS = sorted(path.name.removesuffix(".pack.toml") for path in BENCHMARKS.glob("*.pack.toml"))


@pytest.fixture(autouse=True)
def benchmarks(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(BENCHMARKS, pytester.path / "benchmarks")
    monkeypatch.delenv("MODELEVAL_DATA", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def results(pytester: pytest.Pytester) -> dict[str, Any]:
    """The benchmarks of the run in `run`, by the names of their tasks."""
    found = json.loads((pytester.path / "run/results.json").read_text("utf-8"))["benchmarks"]
    return {each["name"].partition("::")[2]: each for each in found}


@pytest.mark.parametrize("name", PACKS)
def test_each_says_what_it_is(name: str) -> None:
    path = find_pack(f"{name}==1.0.0", [BENCHMARKS])
    info = read_pack(path, path.name).pack.pack
    assert info.description and info.licence and info.owner and info.gates


def test_core_is_quick_and_needs_nothing(pytester: pytest.Pytester) -> None:
    pytest.importorskip("xllamacpp")
    result = pytester.runpytest_subprocess("--model=tiny", "--pack=core", "--modeleval-out=run")
    assert result.ret == 0
    assert "warnings" not in result.parseoutcomes(), "its TOML is not read as Python"
    result.stdout.fnmatch_lines(["core 1.0.0 *tiny", "*✓ score >= 0.75 *", "verdict: passed"])
    tasks = results(pytester)
    assert {name: each["samples"]["planned"] for name, each in tasks.items()} == {
        "arithmetic": 200,
        "carries": 60,
        "choices": 40,
    }
    assert tasks["arithmetic"]["samples"]["wrong"] > 0


def test_the_gold_answers_of_reasoning(pytester: pytest.Pytester, shared_data: Path) -> None:
    forms = {
        "bbh": "So the answer is {}.",
        "math-l5": "\\boxed{{{}}}",
        "mgsm": "Answer: {}",
    }
    with (pytester.path / "gold.jsonl").open("w", encoding="utf-8") as file:
        for name, form in forms.items():
            samples = open_samples(name, folders=[shared_data])
            for sample in map(samples.sample, range(50)):
                reply = form.format(sample.target)
                file.write(json.dumps({"id": sample.id, "reply": reply}) + "\n")
    result = pytester.runpytest_subprocess(
        "--model=replay:gold.jsonl",
        "--pack=reasoning",
        "--max-samples=50",
        f"--modeleval-data={shared_data}",
        "--modeleval-out=run",
    )
    assert result.ret == 0
    result.stdout.fnmatch_lines(["reasoning 1.0.0 *gold", "*score *1.0000 *macro mean*"])
    assert [each["metrics"]["accuracy"]["value"] for each in results(pytester).values()] == [1] * 3


def test_instruction_is_judged_by_prompts(pytester: pytest.Pytester, shared_data: Path) -> None:
    pytest.importorskip("langdetect")
    result = pytester.runpytest_subprocess(
        "--model=echo:",
        "--pack=instruction",
        "--max-samples=40",
        f"--modeleval-data={shared_data}",
        "--modeleval-out=run",
    )
    assert result.ret == 1, "a prompt that is given back follows few instructions"
    (ifeval,) = results(pytester).values()
    values = {name: metric["value"] for name, metric in ifeval["metrics"].items()}
    assert 0 < values["prompt_strict"] < values["instruction_strict"] < 0.7
    assert values["prompt_strict"] == values["accuracy"]
    assert ifeval["samples"]["error"] == 0
