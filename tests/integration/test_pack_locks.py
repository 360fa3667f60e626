"""`modeleval packs`, and runs of packs beside which a lock lies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_modeleval.cli import main
from tests.integration.conftest import Project

SUMS = """
from pytest_modeleval import benchmark

LIMIT = 3

@benchmark([{"id": f"s{n}", "input": str(n), "target": str(n % LIMIT)} for n in range(6)])
async def test_sums(sample, model):
    reply = await model.chat(sample.input)
    assert reply.text == sample.target
"""
PACK = """
[pack]
name = "core"
version = "1.2.0"
description = "Small things"
licence = "MIT"
gates = ["score >= 0.1"]

[[task]]
benchmark = "test_sums.py::test_sums"
max_samples = 4
gates = ["accuracy >= 0.5"]

[[task]]
name = "echoes"
dataset = "words.jsonl"
prompt = "{{ word }}"
target = "word"
"""
WORDS = '{"word": "one"}\n{"word": "two"}\n'


@pytest.fixture
def packed(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    folder = project.path / "benchmarks"
    folder.mkdir()
    (folder / "test_sums.py").write_text(SUMS, "utf-8")
    (folder / "words.jsonl").write_text(WORDS, "utf-8")
    (folder / "core.pack.toml").write_text(PACK, "utf-8")
    monkeypatch.chdir(project.path)
    return project


def edit(name: str, before: str, after: str) -> None:
    path = Path("benchmarks", name)
    text = path.read_text("utf-8")
    assert before in text
    path.write_text(text.replace(before, after), "utf-8")


def test_a_run_says_what_is_not_as_the_lock_has_it(
    packed: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["packs", "lock", "core"]) == 0
    assert capfd.readouterr().out == "written: benchmarks/core.pack.lock (2 benchmarks)\n"
    lock = json.loads(Path("benchmarks/core.pack.lock").read_text("utf-8"))
    assert lock["tasks"]["echoes"]["table"]["prompt"] == "{{ word }}"
    assert len(lock["tasks"]["sums"]["hash"]) == len(lock["tasks"]["sums"]["dataset"]) == 64
    assert packed.run("--pack=core").ret == 0
    Path("probe.json").unlink()

    edit("test_sums.py", "LIMIT = 3", "LIMIT = 2")
    assert packed.run("benchmarks/core.pack.toml::echoes").ret == 0, "that task is as it was"
    Path("probe.json").unlink()

    edit("words.jsonl", "two", "too")
    edit("core.pack.toml", 'prompt = "{{ word }}"', 'prompt = "{{ word }}?"')
    edit("core.pack.toml", "1.2.0", "1.2.1")
    changed = [
        "the pack's version was 1.2.0 and is 1.2.1",
        'task echoes has another prompt: it was "{{ word }}" and is "{{ word }}?"',
        "task echoes has another dataset: its fingerprint was * and is *",
        "task sums has another source text (or is of another version of LightEval)",
        "task sums has another dataset: its fingerprint was * and is *",
    ]
    packed.plugins.append("xdist")
    for options in ((), ("-n2",)):
        result = packed.run("--pack=core", *options)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(
            [
                "ERROR: benchmarks/core.pack.toml is not as core.pack.lock beside it has it: "
                f"{'; '.join(changed)}. Put that back, or agree to it: modeleval packs lock "
                f"{packed.path}/benchmarks/core.pack.toml"
            ]
        )
        assert not Path("probe.json").exists(), "a model was asked"
    assert packed.run("--pack=core", "--co").ret == 0

    capfd.readouterr()
    assert main(["packs", "check", "core"]) == 1
    assert "not as core.pack.lock has it: task sums has another dataset" in capfd.readouterr().out
    assert main(["packs", "lock", "benchmarks/core.pack.toml"]) == 0
    assert "\ntask echoes has another prompt" in capfd.readouterr().out
    assert main(["packs", "check", "core"]) == 0
    assert capfd.readouterr().out == "benchmarks/core.pack.toml: 2 tasks\nit can be run\n"


def test_what_there_is(packed: Project, capfd: pytest.CaptureFixture[str]) -> None:
    Path("benchmarks/other.pack.toml").write_text("[pack]\nname = 'other'\n", "utf-8")
    assert main(["packs", "list"]) == 0
    said = capfd.readouterr().out
    assert "core    1.2.0      benchmarks/core.pack.toml   Small things" in said
    assert "other.pack.toml: pack: version is missing" in said
    assert main(["packs", "show", "core"]) == 0
    assert capfd.readouterr().out.splitlines() == [
        "core 1.2.0  benchmarks/core.pack.toml",
        "  description: Small things",
        "  licence: MIT",
        "  score: macro_mean",
        "  gates: score >= 0.1",
        "  lock: none",
        "",
        "task sums: benchmark test_sums.py::test_sums",
        "  max_samples: 4",
        "  weight: 1.0",
        "  gates: accuracy >= 0.5",
        "",
        "task echoes: dataset words.jsonl",
        "  weight: 1.0",
        "  scorers: ('exact_match',)",
    ]


def words_away() -> None:
    edit("core.pack.toml", '"words.jsonl"', '"gsm8k"')


def wrong_task() -> None:
    edit("core.pack.toml", "::test_sums", "::test_sum")


def wrong_field() -> None:
    edit("core.pack.toml", "max_samples", "max_sample")


def wrong_lock() -> None:
    Path("benchmarks/core.pack.lock").write_text("{", "utf-8")


def newer_lock() -> None:
    Path("benchmarks/core.pack.lock").write_text('{"schema_version": 9}', "utf-8")


def no_plugin() -> None:
    edit("core.pack.toml", "[[task]]\nname", '[[plugin]]\npackage = "no-such"\n[[task]]\nname')


CANNOT: list[tuple[Any, str, str]] = [
    (words_away, "lock", "::echoes cannot be locked: dataset gsm8k is not at hand"),
    (wrong_task, "check", "test_sums.py has no benchmark 'test_sum'; did you mean 'test_sums'?"),
    (wrong_field, "check", "no field 'max_sample'; did you mean 'max_samples'?"),
    (wrong_lock, "lock", "core.pack.lock: not valid JSON"),
    (newer_lock, "show", "core.pack.lock has schema version 9, and this version"),
    (no_plugin, "check", "core.pack.toml needs the plugin no-such, which is not installed"),
    (lambda: None, "show", "no pack 'nowhere'; there are core"),
]


@pytest.mark.parametrize(("prepare", "what", "said"), CANNOT)
def test_what_cannot_be(
    packed: Project, capfd: pytest.CaptureFixture[str], prepare: Any, what: str, said: str
) -> None:
    prepare()
    assert main(["packs", what, "nowhere" if "nowhere" in said else "core"]) == 2
    error = capfd.readouterr().err
    assert error.startswith("modeleval packs: ")
    assert said in error
    assert "Traceback" not in error
