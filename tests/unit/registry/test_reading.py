"""What is wrong with a pack's file is one sentence that says where."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_modeleval.errors import ModelevalError, UsageError
from pytest_modeleval.registry.reading import parse_pack, read_pack, task_name

PACK = '[pack]\nname = "core"\nversion = "1.0.0"\n'
TASK = '[[task]]\nbenchmark = "test_x.py::test_x"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[pack", "not valid TOML: *"),
        (TASK, "pack is missing"),
        ('pack = "core"', 'pack: expected a table, got "core"'),
        ('[pack]\nname = "core"\n' + TASK, "pack: version is missing"),
        (
            PACK.replace("core", "my core") + TASK,
            'pack.name: expected a name of letters, digits and `_ . -`, got "my core"',
        ),
        (
            PACK.replace("1.0.0", "1") + TASK,
            'pack.version: expected a semantic version such as 1.0.0, got "1"',
        ),
        (
            PACK + 'aggregate = "median"\n' + TASK,
            'pack.aggregate: expected one of "macro_mean", "weighted_mean", got "median"',
        ),
        (PACK + 'licens = "MIT"\n' + TASK, "pack: no field 'licens'; did you mean 'licence'?"),
        (
            PACK + "policy = { confidence = 95 }\n" + TASK,
            "pack.policy.confidence: expected a number below 1, got 95",
        ),
        (
            PACK + 'policy = { max_errors = "few" }\n' + TASK,
            'pack.policy.max_errors: expected a number such as 5, or a share such as "1%", '
            'got "few"',
        ),
        (
            PACK + 'policy = { required = ["y"] }\n' + TASK,
            "pack.policy.required: no task 'y'; there are x",
        ),
        (
            PACK + 'gates = ["scor >= 0.5"]\n' + TASK,
            "pack.gates[0]: gate scor >= 0.5: there is no metric scor (did you mean score?); "
            "there are: score, x",
        ),
        (
            PACK + 'gates = ["score >= baseline"]\n' + TASK,
            "pack.gates[0]: score >= baseline: expected the score, a task's name, or lower(…) or "
            "upper(…) of one, and a number: score >= 0.6",
        ),
        (PACK, "there is no [[[]task]] in it"),
        (
            PACK + TASK + 'few_shot = "x"\n',
            'task 1 (x): few_shot: expected a whole number, got "x"',
        ),
        (
            PACK + TASK + "few_shot = -1\n",
            "task 1 (x): few_shot: expected a whole number of 0 or more, got -1",
        ),
        (PACK + TASK + "weight = 0\n", "task 1 (x): weight: expected a number above 0, got 0"),
        (
            PACK + TASK + "fewshot = 1\n",
            "task 1 (x): no field 'fewshot'; did you mean 'few_shot'?",
        ),
        (PACK + TASK + 'gates = ["accuracy"]\n', "task 1 (x): gates[[]0]: *"),
        (
            PACK + TASK + "sampling = { temprature = 1 }\n",
            "task 1 (x): sampling: unknown sampling parameter 'temprature': there are *",
        ),
        (
            PACK + TASK + 'lighteval = "gsm8k|5"\n',
            "task 1 (x): expected exactly one of benchmark, lighteval, dataset, got benchmark and "
            "lighteval",
        ),
        (
            PACK + '[[task]]\nname = "x"\n',
            "task 1 (x): expected exactly one of benchmark, lighteval, dataset, got none of them",
        ),
        (
            PACK + TASK + 'prompt = "?"\n',
            "task 1 (x): prompt is for a task as data (dataset = …), and this is a benchmark",
        ),
        (
            PACK + TASK + "parameters = { k = 1 }\n",
            "task 1 (x): parameters is for a LightEval task (lighteval = …), and this is a "
            "benchmark",
        ),
        (
            PACK + '[[task]]\ndataset = "x.jsonl"\n',
            "task 1: a task as data needs a name",
        ),
        (
            PACK + TASK + TASK,
            "task 1 and task 2 are both named x: give one of them another name",
        ),
        (
            PACK + TASK + 'name = "pack"\n',
            "task 1 (pack): the gates on the pack's score have that name: give it another one",
        ),
        (
            PACK + '[[task]]\nbenchmark = "core.pack.toml"\n',
            'task 1*: benchmark = "core.pack.toml" is a pack: a pack is made of benchmarks, and '
            "no pack can be a task of another one or of itself",
        ),
        (
            PACK + '[[task]]\nbenchmark = "test_x.py"\n',
            'task 1 (x.py): benchmark = "test_x.py": expected a file and a function, '
            '"test_x.py::test_x"',
        ),
        (
            PACK + '[[task]]\nbenchmark = "test_x.py::test_x[[]de]"\n',
            "task 1 (*): benchmark = *: expected a function of the file, with all its parameters",
        ),
    ],
)
def test_a_mistake_is_a_sentence(text: str, said: str) -> None:
    from fnmatch import fnmatchcase

    with pytest.raises(UsageError) as raised:
        parse_pack(text.encode(), "core.pack.toml")
    sentence = f"core.pack.toml: {said}"
    if "*" not in said:
        sentence = sentence.replace("[[]", "[").replace("[", "[[]")
    assert fnmatchcase(str(raised.value), sentence), str(raised.value)


def test_a_newer_format_is_refused() -> None:
    with pytest.raises(ModelevalError, match=r"has schema version 99, .*install a newer"):
        parse_pack(f"schema_version = 99\n{PACK}{TASK}".encode(), "core.pack.toml")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^x\.pack\.toml: cannot be read: "):
        read_pack(tmp_path / "x.pack.toml")


def test_tasks_have_names_and_lines(tmp_path: Path) -> None:
    file = tmp_path / "core.pack.toml"
    file.write_text(PACK + TASK + '\n[[task]]\nlighteval = "arc:challenge|25"\n', "utf-8")
    pack = read_pack(file)
    assert [task_name(task) for task in pack.pack.task] == ["x", "arc_challenge"]
    assert [pack.line(number) for number in (0, 1)] == [4, 7]
    assert pack.place_of(1) == "core.pack.toml: task 2 (arc_challenge)"
