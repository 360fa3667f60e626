"""A job's file: what it says in place of options, and how it is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pytest_modeleval.errors import ModelevalError
from pytest_modeleval.options import OPTIONS
from pytest_modeleval.registry.job import read_job
from pytest_modeleval.schemas import schemas
from pytest_modeleval.settings import RunConfig, load

Settings = Callable[..., RunConfig]
WHOLE: dict[str, Any] = {
    "schema_version": 1,
    "id": "nightly",
    "pack": "core>=1,<2",
    "tasks": [{"benchmark": "test_x.py::test_x"}, {"lighteval": "arc:challenge|25"}],
    "model": {"backend": "openai", "name": "gpt", "arguments": {"base_url": "http://a/v1"}},
    "generation": {"temperature": 0.5, "stop": ["\n"]},
    "few_shot": 3,
    "limits": {
        **{"samples": 5, "time": "2m", "cost": 1.5, "tokens": 1000, "errors": "1%"},
        "concurrency": 4,
    },
    "seeds": {"run": 1, "samples": 2, "order": 3},
    "plugins": [{"package": "pytest"}],
    "artifacts": {"out": "out", "junit_samples": "wrong", "export": "lighteval"},
    "baseline": "git:main:x.json",
    "gates": ["test_x: accuracy >= 0.5"],
    "tags": {"team": "a"},
}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a job, beside a table and options such as max_samples="5"."""
    for option in OPTIONS:
        monkeypatch.delenv("MODELEVAL_" + option.key.upper(), raising=False)
    monkeypatch.chdir(tmp_path)

    def read(job: Any, table: str = "", **options: Any) -> RunConfig:
        text = job if isinstance(job, str) else json.dumps(job)
        (tmp_path / "job.json").write_text(text, "utf-8")
        (tmp_path / "pyproject.toml").write_text(table, "utf-8")
        said = {f"modeleval_{name}": value for name, value in options.items()}
        return load({"modeleval_job": "job.json", **said}.get, tmp_path)

    return read


def test_what_it_says(settings: Settings, tmp_path: Path) -> None:
    jsonschema.Draft202012Validator(schemas()["job"]).validate(WHOLE)
    found = settings(WHOLE)
    assert found.models == ("openai:gpt",)
    assert found.model_arguments == {
        "base_url": "http://a/v1",
        "temperature": 0.5,
        "stop": ["\n"],
    }
    assert (found.max_samples, found.max_time, found.max_cost) == (5, 120.0, 1.5)
    assert (found.max_tokens, found.max_errors, found.concurrency) == (1000, "1%", 4)
    assert (found.seed, found.sample_seed, found.sample_order) == (1, 2, 3)
    assert (found.out, found.junit_samples) == (tmp_path / "out", "wrong")
    assert (found.export, found.baseline) == ("lighteval", "git:main:x.json")
    assert found.gates == (("test_x", "accuracy >= 0.5"),)
    assert found.job is not None
    assert (found.job.record.id, found.job.record.tags) == ("nightly", {"team": "a"})
    assert len(found.job.record.hash) == 64


def test_the_documented_one_is_understood(settings: Settings) -> None:
    page = (Path(__file__).parents[2] / "docs" / "jobs.md").read_text("utf-8")
    job, lines = (block.partition("```")[0] for block in page.split("```json\n")[1:])
    jsonschema.Draft202012Validator(schemas()["job"]).validate(json.loads(job))
    assert settings(job).max_time == 1800.0
    table = page[page.index("| `id` |") : page.index("Paths of the pack")]
    for field in json.loads(job).keys() - {"schema_version"}:
        assert f"`{field}`" in table
    for line in lines.splitlines():
        jsonschema.Draft202012Validator(schemas()["event"]).validate(json.loads(line))


def test_what_it_does_not_say(settings: Settings) -> None:
    found = settings({}, "[tool.modeleval]\nmax_samples = 7\nmodel = ['echo:']\n")
    assert (found.models, found.max_samples) == (("echo:",), 7)
    assert found.job is not None and found.job.record.id == "job"


class TestWhoWins:
    def test_the_command_line_over_the_job(self, settings: Settings) -> None:
        found = settings(WHOLE, max_samples="9", model_arg=["temperature=0.7"], gate=["t: a > 0"])
        assert (found.max_samples, found.max_tokens) == (9, 1000)
        assert found.model_arguments["temperature"] == 0.7
        assert found.model_arguments["base_url"] == "http://a/v1", "the rest stays"
        assert found.gates == (("t", "a > 0"),)

    def test_another_model_is_not_given_the_arguments_of_the_jobs_own(
        self, settings: Settings
    ) -> None:
        found = settings(WHOLE, model=["echo:"])
        assert found.models == ("echo:",)
        assert found.model_arguments == {"temperature": 0.5, "stop": ["\n"]}

    def test_the_job_over_the_environment_and_the_table(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MODELEVAL_MAX_SAMPLES", "1")
        monkeypatch.setenv("MODELEVAL_MODEL", "echo:other")
        monkeypatch.setenv("MODELEVAL_MODEL_ARG", "latency=5")
        found = settings(WHOLE, "[tool.modeleval]\nmax_tokens = 1\nepochs = 2\n")
        assert (found.max_samples, found.max_tokens, found.epochs) == (5, 1000, 2)
        assert found.models == ("openai:gpt",) and "latency" not in found.model_arguments

    def test_a_job_that_names_no_model_leaves_the_environments_with_its_arguments(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MODELEVAL_MODEL", "echo:other")
        monkeypatch.setenv("MODELEVAL_MODEL_ARG", "latency=5;top_p=0.5")
        found = settings({"generation": {"top_p": 0.9, "top_k": 3}})
        assert found.models == ("echo:other",)
        assert (found.model_arguments["latency"], found.model_arguments["top_k"]) == (5, 3)
        assert found.model_arguments["top_p"] == 0.9

    def test_an_alias_of_the_table_is_a_model(self, settings: Settings) -> None:
        table = '[tool.modeleval.models.small]\nmodel = "echo:x"\n'
        assert settings({"model": "small"}, table).models == ("small",)
        found = settings({"model": {"name": "small", "arguments": {"latency": 1}}}, table)
        assert (found.models, found.model_arguments) == (("small",), {"latency": 1})


REFUSED: list[tuple[Any, str]] = [
    ("{", "job.json: not valid JSON: "),
    ('{"few_shot": 1, "few_shot": 2}', "job.json: 'few_shot' is in it twice"),
    ([], "job.json: expected a table, got a list"),
    ({"schema_version": 2}, "job.json has schema version 2, and this version of pytest-modeleval "),
    ({"schema_version": "x"}, "job.json: schema_version='x': expected a version of jobs such as 1"),
    ({"pakc": "core"}, "job.json: no field 'pakc'; did you mean 'pack'?"),
    ({"limits": {"sample": 5}}, "job.json: limits: no field 'sample'; did you mean 'samples'?"),
    ({"limits": {"samples": 0}}, "job.json: limits.samples: expected a whole number of 1 or more"),
    ({"limits": {"samples": "many"}}, "job.json: limits.samples: expected a whole number"),
    ({"limits": {"time": "soon"}}, "job.json: limits.time=soon: expected a time such as 90"),
    ({"limits": {"cost": -1}}, "job.json: limits.cost=-1.0: expected US dollars"),
    ({"limits": {"errors": "few"}}, "job.json: limits.errors=few: expected a number such as 5"),
    ({"tasks": [{}]}, "job.json: tasks: task 1: expected exactly one of benchmark, lighteval, "),
    ({"tasks": [{"few_shots": 1}]}, "job.json: tasks[0]: no field 'few_shots'; did you mean"),
    (
        {"tasks": [{"benchmark": "a.py::b"}] * 2},
        "job.json: tasks: task 1 and task 2 are both named b",
    ),
    ({"model": {"backend": "openai"}}, "job.json: model: name is missing"),
    ({"model": "opnai"}, "job.json: model: unknown model 'opnai'"),
    ({"generation": {"heat": 1}}, "job.json: generation.heat: unknown sampling parameter 'heat'"),
    ({"generation": {"top_p": 2}}, "job.json: generation.top_p: sampling parameter top_p=2: exp"),
    (
        {"model": {"backend": "echo", "name": "", "arguments": {"price": "much"}}},
        "job.json: model.arguments.price: model echo:: ",
    ),
    ({"artifacts": {"junit_samples": "x"}}, "job.json: artifacts.junit_samples=x: expected one of"),
    ({"gates": ["accuracy"]}, 'job.json: gates=accuracy: expected "BENCHMARK: EXPRESSION"'),
    ({"id": "two words"}, "job.json: id: expected a name of letters, digits and `_ . -`, got"),
    ({"tags": {"a": 1}}, "job.json: tags"),
]


@pytest.mark.parametrize(("job", "sentence"), REFUSED)
def test_a_mistake_is_named_with_its_place(settings: Settings, job: Any, sentence: str) -> None:
    with pytest.raises(ModelevalError) as error:
        settings(job)
    assert str(error.value).startswith(sentence)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelevalError, match=r"^--job .*nothing.json: cannot be read: no such fil"):
        read_job(tmp_path / "nothing.json")


def test_it_is_said_for_a_run_and_not_for_a_project(settings: Settings) -> None:
    with pytest.raises(ModelevalError, match=r"job: that is said for a run, with --job"):
        settings({}, "[tool.modeleval]\njob = 'job.json'\n")
