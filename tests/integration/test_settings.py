"""Options as they reach a run."""

from __future__ import annotations

import re

import pytest

from tests.fake_openai import FakeOpenAI
from tests.integration.conftest import Project

BENCHMARK = """
from pytest_modeleval import benchmark

@benchmark([{"id": str(n), "input": "a", "target": "a"} for n in range(6)])
async def test_it(sample, model):
    assert (await model.chat(sample.input)).text == sample.target
"""


@pytest.fixture
def own(project: Project) -> Project:
    project.file(BENCHMARK)
    return project


def test_help_lists_them_in_a_group_of_their_own(own: Project) -> None:
    help_text = own.run("--help", model=None).stdout.str()
    _, group = help_text.split("\nbenchmarks for language models (pytest-modeleval)")
    for flag in ("--model", "--gate", "--max-samples", "--max-errors", "--modeleval-wrong"):
        assert re.search(rf"^  {flag}[= ]", group, re.M), flag


def test_the_table_names_the_model(own: Project) -> None:
    (own.path / "pyproject.toml").write_text('[tool.modeleval]\nmodel = "echo:mine"\n')
    result = own.run(model=None)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["test_it.py::test_it  mine"])


@pytest.mark.parametrize("processes", [(), ("-n2",)], ids=["alone", "-n2"])
def test_the_environment_names_the_model(
    own: Project, monkeypatch: pytest.MonkeyPatch, processes: tuple[str, ...]
) -> None:
    own.plugins.append("xdist")
    monkeypatch.setenv("MODELEVAL_MODEL", "echo:theirs")
    result = own.run(*processes, model=None)
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["test_it.py::test_it  theirs", "  6 right, 0 wrong, 0 error of 6*"]
    )


@pytest.mark.parametrize("model", [None, "echo:"], ids=["no model", "model"])
@pytest.mark.parametrize("collecting", [(), ("--co",)], ids=["run", "--co"])
def test_a_wrong_setting_is_a_usage_error(
    own: Project, model: str | None, collecting: tuple[str, ...]
) -> None:
    (own.path / "pyproject.toml").write_text("[tool.modeleval]\nmax_sampels = 3\n")
    result = own.run(*collecting, model=model)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: *pyproject.toml: [[]tool.modeleval[]] has no setting 'max_sampels'. Did you *"]
    )
    assert "Traceback" not in result.stdout.str()


def test_a_wrong_setting_is_nothing_to_a_project_without_benchmarks(project: Project) -> None:
    (project.path / "pyproject.toml").write_text("[tool.modeleval]\nmax_sampels = 3\n")
    project.file("def test_ordinary(): ...")
    assert project.run(model=None).ret == 0


class TestKeys:
    """A key never reaches an output, a file or a traceback."""

    CANARY = "sk-canary-0123456789"

    def test_in_no_output_and_no_file(self, own: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", self.CANARY)
        with FakeOpenAI(reply=lambda body: "a") as server:
            server.key = self.CANARY
            result = own.run(
                f"--model-arg=base_url={server.url}",
                "--junitxml=own.xml",
                "--modeleval-out=out",
                "-rA",
                "-vv",
                "-l",
                model="openai:fake",
            )
        assert result.ret == 0, result.stdout.str()
        assert server.bodies
        self.is_nowhere(own, result)

    def test_not_where_the_server_refuses_it(
        self, own: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", self.CANARY)
        with FakeOpenAI() as server:
            server.key = "another"
            result = own.run(f"--model-arg=base_url={server.url}", "-l", model="openai:fake")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["ERROR: *refuses the key in OPENAI_API_KEY (401): set *"])
        self.is_nowhere(own, result)

    def test_not_where_it_is_given_as_an_argument(self, own: Project) -> None:
        result = own.run(f"--model-arg=api_key={self.CANARY}", model="openai:fake")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        self.is_nowhere(own, result)

    def test_not_in_the_command_that_results_hold(self, own: Project) -> None:
        own.conftest(
            "\nclass Backend(Probe):\n    def __init__(self, name='', api_key='', **rest):\n"
            "        super().__init__(name)\n"
        )
        result = own.run_subprocess(f"--model-arg=api_key={self.CANARY}", "--modeleval-out=out")
        assert result.ret == 0
        assert "--model-arg=api_key=[hidden]" in own.results["environment"]["command"]
        self.is_nowhere(own, result)

    def is_nowhere(self, own: Project, result: pytest.RunResult) -> None:
        assert self.CANARY not in result.stdout.str() + result.stderr.str()
        for path in own.path.rglob("*"):
            if path.is_file():
                assert self.CANARY.encode() not in path.read_bytes(), path
