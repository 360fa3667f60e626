"""Whole tasks as data: no Python but a scorer's, and every mistake is a sentence."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from pytest_modeleval.results.details import read_details
from tests.integration.conftest import Project

HEAD = '[pack]\nname = "core"\nversion = "1.0.0"\n'
RECORDS = """\
{"country": "France", "capital": "Paris", "key": "fr", "continent": "Europe"}
{"country": "Japan", "capital": "Tokyo", "key": "jp", "continent": "Asia"}
{"country": "Italy", "capital": "Rome", "key": "it", "continent": "Europe"}
"""
TASK = """
[[task]]
name = "capitals"
dataset = "data/capitals.jsonl"
prompt = "The capital of {{ country }}?"
target = "capital"
id = "key"
"""
SAYS = """
class Backend(Backend):
    async def reply(self, text, number):
        for country, capital in (("France", "Paris"), ("Japan", "Kyoto is it, Tokyo is not")):
            if country in text.splitlines()[-1]:
                return capital
        raise RuntimeError("no reply")
"""


@pytest.fixture
def written(project: Project) -> Any:
    (project.path / "data").mkdir()
    (project.path / "data" / "capitals.jsonl").write_text(RECORDS, "utf-8")

    def write(tasks: str, *arguments: str, conftest: str = SAYS) -> pytest.RunResult:
        project.conftest(conftest)
        (project.path / "core.pack.toml").write_text(HEAD + tasks, "utf-8")
        return project.run("core.pack.toml", *arguments)

    return write


def rows(project: Project) -> list[dict[str, Any]]:
    return list(read_details(project.path / ".modeleval/runs/latest").to_pylist())


def messages(row: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each["role"], each["content"]) for each in row["calls"][0]["messages"]]


def test_a_chat_with_examples_and_scorers(project: Project, written: Any) -> None:
    more = """system = "You know {{ continent }}."
few_shot = 1
cluster = "continent"
scorers = ["exact_match", { name = "f1", pass_at = 0.1 }, { name = "contains", ignore_case = true }]
gates = ["contains >= 0.6", "f1 >= 0"]
"""
    written(TASK + more, "--max-errors=1")
    (benchmark,) = project.results["benchmarks"]
    assert {name: n for name, n in benchmark["samples"].items() if n} == {
        "planned": 3,
        "right": 1,
        "wrong": 1,
        "error": 1,
    }
    assert [gate["name"] for gate in benchmark["gates"]] == ["contains", "f1"]
    assert set(benchmark["metrics"]) >= {"accuracy", "exact_match", "f1", "contains"}
    france, italy, japan = rows(project)
    assert [each["id"] for each in (france, italy, japan)] == ["fr", "it", "jp"]
    assert (france["cluster"], japan["cluster"]) == ("Europe", "Asia")
    scores = dict(japan["scores"])
    assert (scores["exact_match"], scores["contains"]) == (0, 1)
    assert scores["f1"] == pytest.approx(2 / 7)
    (system, example, answer, question) = messages(france)
    assert system == ("system", "You know Europe.")
    assert question == ("user", "The capital of France?")
    assert (example[1], answer[1]) in {
        ("The capital of Japan?", "Tokyo"),
        ("The capital of Italy?", "Rome"),
    }
    assert (example[0], answer[0]) == ("user", "assistant")


def test_a_completion_with_extraction(project: Project, written: Any) -> None:
    more = """ask = "complete"
few_shot = 2
extract = "(\\\\w+) is not"
sampling = { stop = "\\n" }
"""
    written(TASK + more, "--max-errors=1")
    (benchmark,) = project.results["benchmarks"]
    assert benchmark["samples"]["right"] == 1, "Japan, by what was extracted"
    by_id = {row["id"]: row for row in rows(project)}
    ((role, prompt),) = messages(by_id["fr"])
    assert role == "prompt" and prompt.endswith("\n\nThe capital of France?")
    assert "The capital of Japan? Tokyo\n\n" in prompt
    assert by_id["fr"]["explanation"].startswith("nothing in the reply 'Paris' matches extract")
    assert by_id["fr"]["calls"][0]["sampling"]["stop"] == ["\n"]


def test_a_choice(project: Project, written: Any) -> None:
    tasks = TASK + 'ask = "choose"\nchoices = ["{{ capital }}", "Rom", "Tokio"]\n'
    written(tasks)  # the probe finds the shortest likeliest
    assert [row["outcome"] for row in rows(project)] == ["wrong", "wrong", "wrong"]
    call = rows(project)[0]["calls"][0]
    assert [each["continuation"] for each in call["loglikelihoods"]] == [" Paris", " Rom", " Tokio"]
    assert rows(project)[0]["explanation"] == "the answer is 'Rom', expected 'Paris'"


def test_a_scorer_that_raises_makes_that_sample_an_error(project: Project, written: Any) -> None:
    conftest = """
def picky(text, target, *, least=1):
    assert text != "Japan", "not this one"
    return len(text) >= least

def pytest_modeleval_scorers():
    return {"picky": picky}
"""
    tasks = TASK.replace("The capital of {{ country }}?", "{{ country }}")
    more = 'scorers = [{ name = "picky", least = 6 }]\n'
    written(tasks + more, "--max-errors=1", conftest=conftest)
    assert project.samples == {"planned": 3, "right": 1, "wrong": 1, "error": 1}
    place = f"({project.path / 'conftest.py'}, line "
    assert list(project.errors) == ["jp"]
    assert project.errors["jp"].startswith(
        f"scorer picky raised AssertionError: not this one {place}"
    )


def test_a_pattern_that_takes_for_ever_is_an_error(
    project: Project, written: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_modeleval.registry.extraction.SECONDS", 0.05)
    tasks = TASK.replace("The capital of {{ country }}?", "{{ 'a' * 60 }}{{ country }}")
    written(tasks + 'extract = "(a|a|aa)+$"\n', "--max-errors=3", conftest="")
    assert project.samples == {"planned": 3, "error": 3}
    assert "was still searching a reply of 65 characters" in project.errors["jp"]


def test_a_mistake_is_a_sentence(written: Any) -> None:
    result = written(TASK.replace("country", "land"), "--co")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(
        [
            "core.pack.toml: task 1 (capitals): data/capitals.jsonl line 1: prompt: 'land' is "
            "undefined (the record has country, capital, key, continent)"
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")


def test_the_pack_of_the_page_runs(pytester: pytest.Pytester) -> None:
    page = (Path(__file__).parents[2] / "docs" / "packs.md").read_text("utf-8")
    files = re.findall(r"^`([\w.]+)`:\n\n```\w+\n(.*?)^```", page, re.M | re.S)
    assert [name for name, _ in files] == ["sums.jsonl", "sums.pack.toml"]
    for name, text in files:
        (pytester.path / name).write_text(text, encoding="utf-8")
    result = pytester.runpytest_subprocess("--model=tiny", "sums.pack.toml")
    result.stdout.fnmatch_lines(["*verdict: passed*"])
    assert result.ret == 0
