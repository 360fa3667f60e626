"""Which models a run asks, and under which names."""

from __future__ import annotations

from typing import Any

import pyarrow.parquet as parquet
import pytest

from tests.fake_openai import FakeOpenAI, Fault, Said
from tests.integration.conftest import Project

ECHO = """
from pytest_modeleval import benchmark

@benchmark([{"id": str(n), "input": "a", "target": "a"} for n in range(3)], gates=["accuracy >= 1"])
async def test_it(sample, model):
    assert (await model.chat(sample.input)).text == sample.target
"""


def models_of(project: Project) -> list[str]:
    return [each["model"] for each in project.results["benchmarks"]]


class TestSeveral:
    def test_each_answers_every_sample(self, project: Project) -> None:
        project.file(ECHO)
        result = project.run("--model=echo:one", "--model=echo:two", "-v", model=None)
        assert result.ret == 0
        result.assert_outcomes(passed=8)
        result.stdout.fnmatch_lines(
            [
                *(f"*::test_it[[]one-{n}[]] RIGHT*" for n in range(3)),
                "*::test_it[[]one-gate:accuracy[]] PASSED*",
                *(f"*::test_it[[]two-{n}[]] RIGHT*" for n in range(3)),
                "*::test_it[[]two-gate:accuracy[]] PASSED*",
            ]
        )
        assert models_of(project) == ["one", "two"]

    def test_the_alias_stands_in_node_ids_only_then(self, project: Project) -> None:
        project.file(ECHO)
        ids = project.run("--co", "-q", "--model=echo:one", model=None).outlines
        assert ids[:3] == [f"test_it.py::test_it[{n}]" for n in range(3)]

    def test_one_named_twice_is_one(self, project: Project) -> None:
        project.file(ECHO)
        project.run("--model=echo:one", "--model=echo:one", model=None)
        assert models_of(project) == ["one"]

    @pytest.mark.parametrize(
        ("models", "aliases"),
        [
            (["echo:x/a", "echo:y/a"], ["x_a", "y_a"]),
            (["echo:x/a", "echo:y/a", "echo:z/y/a"], ["x_a", "y_a", "echo_z_y_a"]),
            (["echo:a", "probe:a", "echo:b"], ["echo_a", "probe_a", "b"]),
        ],
    )
    def test_equal_short_names_are_told_apart(
        self, project: Project, models: list[str], aliases: list[str]
    ) -> None:
        project.file(ECHO)
        result = project.run(*(f"--model={each}" for each in models), model=None)
        assert result.ret == 0
        assert models_of(project) == aliases

    def test_arguments_of_the_one_model_are_refused(self, project: Project) -> None:
        project.file(ECHO)
        result = project.run("--model=echo:b", "--model-arg=latency=0")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["ERROR: --model-arg speaks of the one model, but *alias*"])

    def test_in_process_engines_are_held_one_at_a_time(self, project: Project) -> None:
        project.conftest(
            """
OPEN = []

class Engine(Backend):
    async def start(self):
        OPEN.append(self)
        assert len(OPEN) == 1, "two engines at once"

    async def aclose(self):
        OPEN.remove(self)

def pytest_modeleval_backends():
    return {"engine": BackendEntry("conftest:Engine", in_process=True)}
"""
        )
        project.file(ECHO)
        result = project.run("--model=engine:one", "--model=engine:two", model=None)
        assert result.ret == 0
        result.assert_outcomes(passed=8)

    def test_one_may_lack_what_another_can(self, project: Project) -> None:
        project.conftest(
            """
from pytest_modeleval.models.protocol import Capabilities

class Base(Probe):
    def __init__(self, name="", **arguments):
        super().__init__(name)
        self.capabilities = Capabilities(completion=True)

def pytest_modeleval_backends():
    return {"probe": BackendEntry("conftest:Backend"), "base": BackendEntry("conftest:Base")}
"""
        )
        project.file(ECHO)
        result = project.run("--model=base:one", "--model=probe:two", model=None)
        assert result.ret == 1
        result.assert_outcomes(failed=1, passed=4)
        verdicts = [each["gates"][0]["verdict"] for each in project.results["benchmarks"]]
        assert verdicts == ["undecided", "passed"]


class TestCapabilities:
    BODIES = """
from pytest_modeleval import benchmark

DATA = [{"id": "a", "input": "a", "target": "a"}]

@benchmark(DATA, gates=["accuracy >= 1"])
async def test_chat(sample, model):
    assert (await model.chat("a")).text == "a"

@benchmark(DATA, gates=["accuracy >= 1"])
def test_choose(sample, model):
    assert model.choose("a", ["a", "bb"]).text == "a"

@benchmark(DATA)
async def test_decides_itself(sample, model):
    reply = model.chat if model.capabilities.chat else model.complete
    assert (await reply("a")).text == "a"

def helper(model):
    return model.loglikelihood("a", ["b"])

@benchmark(DATA)
async def test_in_a_helper(sample, model):
    await helper(model)
"""

    def test_what_a_model_lacks_is_said_before_anything_is_asked(self, project: Project) -> None:
        project.conftest(
            """
from pytest_modeleval.models.protocol import Capabilities

class Backend(Probe):
    def __init__(self, name="", **arguments):
        super().__init__(name)
        self.capabilities = Capabilities(completion=True)
"""
        )
        project.file(self.BODIES)
        result = project.run("-rs")
        assert result.ret == 1
        result.stdout.fnmatch_lines(
            [
                "test_it.py nFnF.F *",
                "undecided: accuracy >= 1: test_chat calls model.chat, but probe (probe) cannot *",
                "undecided: accuracy >= 1: test_choose calls model.choose, but probe (probe) *",
            ]
        )
        result.stdout.fnmatch_lines(["*probe does not give log-likelihoods: *"])
        assert project.probe["asked"] == ["a"]


class TestRoles:
    JUDGED = """
from pytest_modeleval import benchmark

@benchmark([{"id": "a", "input": "a", "target": "a"}])
async def test_it(sample, model, models):
    assert models["model"] is model
    assert models["judge"].alias == "strict"
    await model.chat("asked")
    await models["judge"].chat("judged")
"""

    @pytest.mark.parametrize("option", ["--judge=echo:strict", "--role=judge=echo:strict"])
    def test_a_helper_is_asked_by_its_role(self, project: Project, option: str) -> None:
        project.file(self.JUDGED)
        assert project.run(option).ret == 0
        assert project.probe["asked"] == ["asked"]

    def test_a_helper_of_the_models_own_name_leaves_its_identity_alone(
        self, project: Project
    ) -> None:
        project.file(self.JUDGED.replace("strict", "same"))
        assert project.run("--judge=echo:same", model="probe:same").ret == 0
        (benchmark,) = project.results["benchmarks"]
        assert benchmark["model_identity"]["backend"] == "probe"

    def test_a_helpers_tokens_are_not_the_models(self, project: Project) -> None:
        project.file(self.JUDGED)
        with FakeOpenAI(reply=lambda body: Said("a b c")) as server:
            (project.path / "pyproject.toml").write_text(
                "[tool.modeleval.models.strict]\n"
                f'model = "openai:fake"\nbase_url = "{server.url}"\n'
            )
            assert project.run("--judge=strict", model="echo:").ret == 0
        metrics = project.results["benchmarks"][0]["metrics"]
        assert "completion_tokens" not in metrics


class TestAliases:
    def test_of_the_table(self, project: Project) -> None:
        (project.path / "pyproject.toml").write_text(
            '[tool.modeleval.models.fast]\nmodel = "echo:x"\nlatency = 0.001\ntemperature = 0.5\n'
        )
        project.file(
            """
from pytest_modeleval import benchmark

@benchmark([{"id": "a", "input": "a", "target": "a"}])
async def test_it(sample, model):
    await model.chat(sample.input, temperature=0.9)
"""
        )
        result = project.run("--modeleval-out=out", model="fast")
        assert result.ret == 0
        assert models_of(project) == ["fast"]
        (file,) = (project.path / "out/details").glob("*.parquet")
        (row,) = parquet.read_table(file).to_pylist()
        assert row["calls"][0]["sampling"]["temperature"] == 0.5, "the alias wins over the body"

    def test_arguments_of_the_command_line_win(self, project: Project) -> None:
        (project.path / "pyproject.toml").write_text(
            '[tool.modeleval.models.fast]\nmodel = "echo:x"\nlatency = "wrong"\n'
        )
        project.file(ECHO)
        assert project.run("--model-arg=latency=0", model="fast").ret == 0
        result = project.run(model="fast")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["ERROR: echo: latency='wrong': expected a number of seconds"])


class TestProbe:
    """A server is asked one cheap question before any sample runs."""

    def run(self, project: Project, server: FakeOpenAI) -> pytest.RunResult:
        project.file(ECHO)
        return project.run(f"--model-arg=base_url={server.url}", model="openai:fake")

    def test_a_server_that_answers(self, project: Project) -> None:
        with FakeOpenAI(reply=lambda body: "a") as server:
            result = self.run(project, server)
        assert result.ret == 0
        assert server.seen[0].path == "/v1/models"
        assert len(server.bodies) == 3

    @pytest.mark.parametrize(
        ("trouble", "sentence"),
        [
            ({"key": "secret"}, "*asks for a key (401): set the environment variable OPENAI_*"),
            ({"models": ["other", "fakes"]}, "*fake*other*"),
            ({"fault": lambda seen: Fault(status=500, body=b"oh no")}, "*failed (500: 'oh no')"),
        ],
        ids=["key", "model", "broken"],
    )
    def test_a_server_that_cannot(
        self,
        project: Project,
        monkeypatch: pytest.MonkeyPatch,
        trouble: dict[str, Any],
        sentence: str,
    ) -> None:
        monkeypatch.delenv("OPENAI_API_KEY", raising=False)
        with FakeOpenAI() as server:
            for name, value in trouble.items():
                setattr(server, name, value)
            result = self.run(project, server)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"ERROR: {sentence}"])
        assert not server.bodies, "no sample ran"
        assert not (project.path / ".modeleval").exists()

    def test_no_server(self, project: Project) -> None:
        with FakeOpenAI() as server:
            pass
        result = self.run(project, server)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(
            ["ERROR: cannot reach http://127.0.0.1:*is the server running*"]
        )
