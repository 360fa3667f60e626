"""The hashes by which two runs are told apart, and where a run's figures come from."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from tests.integration.conftest import Project

BACKEND = """
import os
from pytest_modeleval.errors import StopRun

class Backend(Probe):
    async def reply(self, text, number):
        if os.environ.get("STOP") == text:
            raise StopRun("that is enough")
        if os.environ.get("LATE") and text.startswith("one"):
            other = "two question" + text.rpartition("question")[2]
            await self.until(lambda: other in self.answered)
        return f"{text} {os.environ.get('SAYS', 'yes')}"
"""

BENCHMARK = """
import asyncio
from pytest_modeleval import benchmark

DATA = [{"id": f"s{n}", "input": f"question {n}", "target": "yes"} for n in range(8)]

def is_right(text, target):
    return text.endswith(target)

@benchmark(DATA, few_shot=1, epochs=2)
async def test_it(sample, model):
    shown = sample.few_shot[0].input
    first, second = await asyncio.gather(
        model.chat(f"one {shown} {sample.input}"),
        model.chat(f"two {sample.input}"),
    )
    assert is_right(first.text, sample.target)

@benchmark(DATA)
def test_other(sample, model):
    model.choose(sample.input, ["a", "b"])
"""
KINDS = ["task", "inputs", "few_shot", "prompts", "outputs"]


def hashes(project: Project) -> dict[str, dict[str, str | None]]:
    return {each["name"].split("::")[1]: each["hashes"] for each in project.results["benchmarks"]}


def differing(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [kind for kind in KINDS if before[kind] != after[kind]]


@pytest.fixture
def served(project: Project) -> Project:
    project.conftest(BACKEND)
    project.file(BENCHMARK)
    return project


def test_neither_order_nor_processes_nor_resuming_change_them(
    served: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.run("--modeleval-out=first")
    first = hashes(served)
    for kind in KINDS:
        assert len(str(first["test_it"][kind])) == 64, kind
    assert first["test_other"]["few_shot"] is None
    assert first["test_it"]["inputs"] != first["test_other"]["inputs"], "one has two epochs"
    assert len({each for own in first.values() for each in own.values()}) == 10, first

    monkeypatch.setenv("LATE", "1")
    served.run("--modeleval-out=late", "--sample-order=5")
    assert hashes(served) == first, "the calls of a body ended in another order"
    monkeypatch.delenv("LATE")

    monkeypatch.setenv("STOP", "two question 5")
    served.run("--modeleval-out=resumed", "--modeleval-cache=off")
    assert served.results["complete"] is False
    assert hashes(served) != first
    monkeypatch.delenv("STOP")
    result = served.run("--modeleval-out=resumed", "--modeleval-cache=off")
    result.stdout.fnmatch_lines(["resuming run *: * of 16 samples are kept"])
    assert "0 of 16" not in result.stdout.str()
    assert hashes(served) == first

    served.plugins.append("xdist")
    served.run("--modeleval-out=spread", "-n2")
    assert hashes(served) == first


def test_what_changes_them(served: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    served.run()
    first = hashes(served)["test_it"]

    def now() -> list[str]:
        served.run("--modeleval-cache=off", "test_it.py::test_it")
        return differing(first, hashes(served)["test_it"])

    def edited(before: str, after: str) -> list[str]:
        assert before in BENCHMARK
        served.file(BENCHMARK.replace(before, after))
        found = now()
        served.file(BENCHMARK)
        return found

    assert now() == []
    assert edited("def test_other", "def test_another") == []
    assert edited("text.endswith(target)", "target in text") == ["task"]
    assert edited('"two {', '"three {') == ["task", "prompts", "outputs"]
    assert edited('"target": "yes"', '"target": "no"') == ["task", "inputs", "few_shot"]
    monkeypatch.setenv("SAYS", "no")
    assert now() == ["outputs"]
    monkeypatch.delenv("SAYS")
    served.run("--modeleval-seed=1")
    assert differing(first, hashes(served)["test_it"]) == ["prompts"]


def test_where_a_run_comes_from(served: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*arguments: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        done = subprocess.run(["git", *who, *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    git("init", "-q")
    git("add", "test_it.py")
    git("commit", "-q", "-m", "first")
    monkeypatch.setenv("MODELEVAL_SAMPLE_SEED", "3")
    monkeypatch.setenv("MODELEVAL_MODEL_ARG", "api_key=secret")
    served.run("--max-samples=2", "--model-arg=api_key=secret")
    found = served.results["environment"]
    assert found["command"] == [
        *("-p", "modeleval", "--model=probe:", "--max-samples=2", "--model-arg=api_key=[hidden]")
    ]
    assert found["folder"] == "."
    assert found["variables"] == {
        "MODELEVAL_MODEL_ARG": "api_key=[hidden]",
        "MODELEVAL_SAMPLE_SEED": "3",
    }
    assert found["seeds"] == {"run": 0, "samples": 3, "order": None}
    assert found["git"] == {"commit": git("rev-parse", "HEAD"), "dirty": False}
    assert found["hardware"]["cores"] > 0
    assert {"pytest", "pytest-modeleval", "pyarrow"} <= set(found["packages"])
    assert "secret" not in json.dumps(served.results)

    with (served.path / "test_it.py").open("a") as file:
        file.write("# a change\n")
    served.run("--max-samples=1")
    assert served.results["environment"]["git"]["dirty"] is True
