"""`modeleval reproduce`: the command of a run again, and what differs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_modeleval.cli import main
from pytest_modeleval.results.results_json import read_results
from pytest_modeleval.results.run_differences import Side, run_differences
from tests.integration.conftest import Project

BACKEND = """
import os

class Backend(Probe):
    async def reply(self, text, number):
        return os.environ.get("SAYS", "yes") if text.endswith("3") else "yes"
"""

BENCHMARK = """
import os
from pytest_modeleval import benchmark

@benchmark("questions.jsonl", gates=["accuracy >= 0.2"])
async def test_it(sample, model):
    reply = await model.chat(sample.input)
    assert reply.text == sample.target
"""
QUESTIONS = [{"id": f"s{n}", "input": f"question {n}", "target": "yes"} for n in range(6)]


@pytest.fixture
def made(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project, and a run of it in `.modeleval/runs`."""
    project.conftest(BACKEND)
    project.file(BENCHMARK)
    write(project, QUESTIONS)
    monkeypatch.chdir(project.path)
    assert project.run("-q", "--max-samples=5", "test_it.py").ret == 0
    return project


def write(project: Project, questions: list[dict[str, str]]) -> None:
    lines = [json.dumps(each) + "\n" for each in questions]
    (project.path / "questions.jsonl").write_text("".join(lines), "utf-8")


def change_results(**environment: Any) -> None:
    """Of the run, as if it had been made elsewhere."""
    path = Path(".modeleval/runs/latest/results.json")
    values = json.loads(path.read_text("utf-8"))
    values["environment"].update(environment)
    values["job"] = {"id": "nightly", "hash": "0" * 64, "tags": {}}
    path.write_text(json.dumps(values), "utf-8")


def change_command(command: list[str]) -> None:
    path = Path(".modeleval/runs/latest/results.json")
    values = json.loads(path.read_text("utf-8"))
    values["environment"]["command"] = command
    path.write_text(json.dumps(values), "utf-8")


def test_the_same(made: Project, capfd: pytest.CaptureFixture[str]) -> None:
    run_id = read_results(Path(".modeleval/runs/latest")).run_id
    change_command([*read_command(), "--modeleval-out", "mine", "--baseline-update"])
    assert main(["reproduce", run_id, "--run"]) == 0
    said = capfd.readouterr().out
    assert f"run {run_id}, which was made with" in said
    typed = "pytest -p modeleval --model=probe: -q --max-samples=5 test_it.py\n"
    assert f"cd {made.path} && {typed}" in said
    assert "all that can be checked is as it was then" in said
    assert "test_it.py::test_it with probe: the same" in said
    assert "reproduced: the same inputs, prompts, outputs and scores" in said
    (folder,) = Path(".modeleval/reproduced").iterdir()
    assert read_results(folder).complete
    assert not Path("mine").exists()
    assert not Path("benchmarks").exists(), "a baseline was written"
    assert read_results(Path(".modeleval/runs/latest")).run_id == run_id


def read_command() -> list[str]:
    return list(read_results(Path(".modeleval/runs/latest")).environment["command"])


def test_what_is_not_as_it_was(
    made: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    now = read_results(Path(".modeleval/runs/latest")).environment["packages"]["pytest"]
    change_results(
        python="2.7",
        packages={"pytest": "1.0", "long-gone": "3"},
        variables={"MODELEVAL_SEED": "4"},
        git={"commit": "0" * 40, "dirty": True},
    )
    monkeypatch.setenv("MODELEVAL_SAMPLE_SEED", "9")
    made.file(BENCHMARK.replace("yes", "no").replace("== sample", "!= sample"))
    write(made, [*QUESTIONS[:2], {"id": "s2", "input": "another", "target": "yes"}])
    assert main(["reproduce", "latest"]) == 1
    lines = [each.strip() for each in capfd.readouterr().out.splitlines()]
    assert "not as it was then:" in lines
    assert any(each.startswith("Python was 2.7 and is 3.") for each in lines)
    for line in (
        f"package pytest was 1.0 and is {now}",
        "package long-gone was 3 and is not installed",
        "the commit was 000000000000, and there is no commit here",
        "the file of job nightly has changed",
        "the variable MODELEVAL_SEED was 4 and is not set",
        "the variable MODELEVAL_SAMPLE_SEED was not set and is 9",
        "test_it.py::test_it: what defines it has changed (task hash)",
        "the file of benchmark test_it.py::test_it has changed",
        "the dataset of test_it.py::test_it has changed",
        "--sample-seed was None and is 9",
        "which model answers as probe is seen with --run only",
    ):
        assert lines.count(line) == 1, (line, lines)
    assert not Path(".modeleval/reproduced").exists()


def test_what_came_out_differently(
    made: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SAYS", "yesterday\x1b[31m")
    results = Path(".modeleval/runs/latest/results.json")
    assert main(["reproduce", str(results), "--run", "--out=again"]) == 1
    said = capfd.readouterr().out
    assert (
        "test_it.py::test_it with probe\n"
        "  outputs differ in 1 of 5 samples: s3\n"
        "    s3: reply was 'yes' and is 'yesterday\\x1b[31m'\n"
        "  the samples were 5 planned, 5 right, and are 5 planned, 4 right, 1 wrong\n"
        "  accuracy was 1 and is 0.8\n"
    ) in said
    assert "not reproduced: 1 of 1 benchmarks differ, first test_it.py::test_it: outputs" in said
    assert read_results(Path("again")).complete


def told(project: Project, *options: str) -> list[str]:
    """What differs of a run with these options from the one that was made."""
    project.run("--modeleval-out=other", "--modeleval-cache=off", *options)
    folders = (Path(".modeleval/runs/latest"), Path("other"))
    sides = [Side(read_results(each), each) for each in folders]
    (found,) = run_differences(sides[0], sides[1])
    without = [replace(side, folder=None) for side in sides]
    (short,) = run_differences(without[0], without[1])
    assert len(short.lines) <= len(found.lines)
    return found.lines


def test_which_hash_and_which_samples(made: Project) -> None:
    assert told(made, "--max-samples=5") == []
    assert told(made, "--max-samples=5", "--modeleval-seed=1")[:1] == [
        "prompts differ in 5 of 5 samples: s0, s1, s2, s3, s4"
    ]
    (_, first) = told(made, "--max-samples=5", "--modeleval-seed=1")
    assert first.startswith("  s0: sampling.seed was ")
    made.file(BENCHMARK.replace("chat(sample", 'chat("Think.\\n" + sample'))
    assert told(made, "--max-samples=5") == [
        "what defines the benchmark differs (its source text, or its table in the pack)",
        "prompts differ in 5 of 5 samples: s0, s1, s2, s3, s4",
        "  s0: message 1 was '[user] question 0' and is '[user] Think.\\nquestion 0'",
    ]
    made.file(BENCHMARK)
    write(made, [{**each, "target": "no"} if each["id"] == "s1" else each for each in QUESTIONS])
    lines = told(made, "--max-samples=5")
    assert lines[:3] == [
        "the dataset differs",
        "inputs differ in 1 of 5 samples: s1",
        "  s1: target was 'yes' and is 'no'",
    ]
    assert lines[-1] == "accuracy was 1 and is 0.8"


def broken(project: Project) -> None:
    project.file("raise ValueError('not today')")


def secret(project: Project) -> None:
    change_command(["--model=probe:", "--model-arg=api_key=[hidden]"])


def occupied(project: Project) -> None:
    Path("taken").mkdir()
    Path("taken/file").touch()


def nothing(project: Project) -> None:
    pass


CANNOT: list[tuple[Any, list[str], str]] = [
    (nothing, ["nowhere"], "nowhere: there is no such run: expected the folder of a run"),
    (nothing, ["questions.jsonl"], "is not the results.json of a run"),
    (broken, ["latest"], "pytest cannot collect that now, and ends with exit status 2:"),
    (secret, ["latest", "--run"], "the command held a secret, which the run did not keep"),
    (occupied, ["latest", "--run", "--out=taken"], "taken is not empty: name another folder"),
]


@pytest.mark.parametrize(("prepare", "arguments", "said"), CANNOT)
def test_what_cannot_be(
    made: Project, capfd: pytest.CaptureFixture[str], prepare: Any, arguments: list[str], said: str
) -> None:
    prepare(made)
    capfd.readouterr()
    assert main(["reproduce", *arguments]) == 2
    error = capfd.readouterr().err
    assert error.startswith("modeleval reproduce: ")
    assert said in error
    assert "Traceback" not in error
